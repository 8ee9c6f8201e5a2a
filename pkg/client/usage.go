package client

import (
	"context"
	"encoding/json"
	"time"
)

// UsageReport is what GET /v1/usage tells a caller of itself. Members that a
// gateway does not send are zero; Raw has whatever else it sends.
type UsageReport struct {
	Key    string          `json:"key"`
	Tenant string          `json:"tenant"`
	Today  Use             `json:"today"` // days and months are those of UTC
	Month  Use             `json:"month"`
	Limits json.RawMessage `json:"limits"` // nil when the gateway does not tell them

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
	r.Limits = members.Limits
	for _, m := range [...]struct {
		raw json.RawMessage
		to  any
	}{{members.Key, &r.Key}, {members.Tenant, &r.Tenant}, {members.Today, &r.Today}, {members.Month, &r.Month}} {
		if m.raw != nil {
			_ = json.Unmarshal(m.raw, m.to) //nolint:errcheck // tolerant on purpose; Raw has it all
		}
	}
	return r, nil
}
