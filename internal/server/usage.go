package server

import (
	"context"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// UsageReader tells callers what they have used.
type UsageReader interface {
	// CallerUsage returns what a caller has used from a time on.
	CallerUsage(ctx context.Context, c *llm.Caller, from time.Time) (Use, error)
}

// Use is what a caller has used since From.
type Use struct {
	From            time.Time `json:"from"`
	Requests        int64     `json:"requests"`
	InputTokens     int64     `json:"input_tokens"`
	CachedInput     int64     `json:"cached_input_tokens"`
	OutputTokens    int64     `json:"output_tokens"`
	ReasoningTokens int64     `json:"reasoning_tokens"`
	EstimatedTokens int64     `json:"estimated_tokens"` // of input and output together: of answers that were cut off
	Unpriced        int64     `json:"unpriced_requests"`
	Cost            price     `json:"cost"`
}

// SetCost sets the cost, in dollars.
func (u *Use) SetCost(m llm.Money) { u.Cost = price{m, "USD"} }

type price struct {
	Amount   llm.Money `json:"amount"`
	Currency string    `json:"currency"`
}

// usageBody is the answer of GET /v1/usage. Day and month are those of UTC.
type usageBody struct {
	Code      int    `json:"code"`
	Message   string `json:"message"`
	RequestID string `json:"request_id"`
	Data      struct {
		Key    string    `json:"key,omitempty"`
		Tenant string    `json:"tenant,omitempty"`
		Today  Use       `json:"today"`
		Month  Use       `json:"month"`
		Limits OwnLimits `json:"limits"`
	} `json:"data"`
}

// ownUsage shows a caller its own use and spend, and its limits.
func ownUsage(x *exchange) error {
	reader := x.snap.Usage
	if reader == nil {
		return noSuchPath(x)
	}
	now := x.start.UTC()
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	body := usageBody{Code: http.StatusOK, Message: "success", RequestID: x.id}
	body.Data.Key, body.Data.Tenant = x.caller.Name, x.caller.Tenant
	var err error
	if x.snap.Limits != nil {
		if body.Data.Limits, err = x.snap.Limits.CallerLimits(x.ctx(), x.caller); err != nil {
			return err
		}
	}
	if body.Data.Today, err = reader.CallerUsage(x.ctx(), x.caller, day); err != nil {
		return err
	}
	if body.Data.Month, err = reader.CallerUsage(x.ctx(), x.caller, day.AddDate(0, 0, 1-day.Day())); err != nil {
		return err
	}
	return x.json(http.StatusOK, body)
}

// refused tells the snapshot's observer of a request for a model that never
// became a call: over the gateway's limit, malformed, too large. What nobody
// known has sent is left out, so that strangers cannot fill the ledger.
func (x *exchange) refused(err error) {
	if x.ep.op != 0 && !x.called {
		x.tellRefused(x.id, err)
	}
}

// tellRefused is refused for one request of this exchange: itself, or an item
// of a batch.
func (x *exchange) tellRefused(id string, err error) {
	e := llm.AsError(err)
	if x.snap.Refused == nil || e.Kind == llm.KindUnauthenticated {
		return
	}
	x.snap.Refused(&llm.Call{
		Op: x.ep.op, Dialect: x.ep.dialect,
		Meta: &llm.Meta{RequestID: id, TraceID: x.trace(), Sampled: x.sampled, Caller: x.caller},
	}, e)
}
