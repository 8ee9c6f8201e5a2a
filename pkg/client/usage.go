package client

import (
	"context"
	"encoding/json"
	"time"
)

// UsageReport is what GET /v1/usage tells a caller of itself. Members that a
// gateway does not send are zero; Raw has whatever else it sends.
type UsageReport struct {
	Key    string    `json:"key"`
	Tenant string    `json:"tenant"`
	Today  Use       `json:"today"` // days and months are those of UTC
	Month  Use       `json:"month"`
	Limits OwnLimits `json:"limits"`

	RequestID string          `json:"-"`
	Raw       json.RawMessage `json:"-"` // the data object as it came
}

// Use is what was used since From.
type Use struct {
	From              time.Time `json:"from"`
	Requests          int64     `json:"requests"`
	InputTokens       int64     `json:"input_tokens"`
	CachedInputTokens int64     `json:"cached_input_tokens"`
	OutputTokens      int64     `json:"output_tokens"`
	ReasoningTokens   int64     `json:"reasoning_tokens"`
	EstimatedTokens   int64     `json:"estimated_tokens"`  // of input and output: of answers whose usage nobody reported
	UnpricedRequests  int64     `json:"unpriced_requests"` // their cost is not in Cost
	Cost              *Cost     `json:"cost"`
}

// OwnLimits are the limits that a caller stands under. nil = none.
type OwnLimits struct {
	Key    *LimitsUse `json:"key"`
	Tenant *LimitsUse `json:"tenant"`
}

// LimitsUse are the limits of a key or a tenant. What is not limited is nil.
type LimitsUse struct {
	Name        string    `json:"name"`
	Requests    *LimitUse `json:"requests"`    // the limit is the burst
	Tokens      *LimitUse `json:"tokens"`      // in any 60 seconds, reservations included
	Concurrency *LimitUse `json:"concurrency"` // it has no time of reset
	Budget      struct {
		Day   *LimitUse `json:"day"` // dollars
		Month *LimitUse `json:"month"`
	} `json:"budget"`
}

// LimitUse is one limit and what is in use of it.
type LimitUse struct {
	Limit     float64    `json:"limit"`
	RPS       float64    `json:"rps"`       // at which requests come back; 0 for other limits
	Used      float64    `json:"used"`      // it can be above Limit by what was in flight
	Remaining float64    `json:"remaining"` // never below 0
	ResetAt   *time.Time `json:"reset_at"`  // when all of it is there again; nil = it is, or nobody knows
}

// Usage asks what the caller has used. A gateway that keeps no ledger answers
// KindNotFound.
func (c *Client) Usage(ctx context.Context) (*UsageReport, error) {
	resp, err := c.send(ctx, &call{path: "/v1/usage", accept: typeJSON})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	env, err := c.envelope(ctx, resp)
	if err != nil {
		return nil, err
	}
	if len(env.Data) == 0 || env.Data[0] != '{' {
		return nil, protocolError("the gateway's success has no data")
	}
	r := &UsageReport{RequestID: env.RequestID, Raw: env.Data}
	var members struct {
		Key, Tenant  json.RawMessage
		Today, Month json.RawMessage
		Limits       json.RawMessage
	}
	if err := json.Unmarshal(env.Data, &members); err != nil {
		return nil, &Error{Kind: KindProtocol, Message: "the gateway's data cannot be read", RequestID: env.RequestID, Err: err}
	}
	// Each member for itself: one that has changed its form leaves the others readable.
	for _, m := range [...]struct {
		raw json.RawMessage
		to  any
	}{{members.Key, &r.Key}, {members.Tenant, &r.Tenant}, {members.Today, &r.Today}, {members.Month, &r.Month}, {members.Limits, &r.Limits}} {
		if m.raw != nil {
			_ = json.Unmarshal(m.raw, m.to) //nolint:errcheck // tolerant on purpose; Raw has it all
		}
	}
	return r, nil
}
