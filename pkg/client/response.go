package client

import (
	"bytes"
	"encoding/json"
	"time"
)

// Response is one answer: the data object of contract and openapi.yaml.
type Response struct {
	ID           string     `json:"id"`
	Model        string     `json:"model"`
	Provider     string     `json:"provider"`
	Text         string     `json:"text"`
	Reasoning    string     `json:"reasoning"`
	ToolCalls    []ToolCall `json:"tool_calls"`
	FinishReason string     `json:"finish_reason"` // stop, length, tool_calls, content_filter
	Usage        *Usage     `json:"usage"`         // nil when nobody knows
	Cost         *Cost      `json:"cost"`          // nil when the price is not known, which is not the same as free
	LatencyMS    int64      `json:"latency_ms"`
	Attempts     int        `json:"attempts"` // at providers, all targets together
	Cache        string     `json:"cache"`    // hit, miss, shared; "" = there is no cache

	RequestID string          `json:"-"` // "" in the done event of a stream, which does not tell it: see ID
	Dropped   []string        `json:"-"` // members left out with Request.DropUnsupported
	Raw       json.RawMessage `json:"-"` // the data object as it came, with members that are not known here
}

// Latency is how long the gateway took.
func (r *Response) Latency() time.Duration { return time.Duration(r.LatencyMS) * time.Millisecond }

// Usage counts tokens.
type Usage struct {
	InputTokens       int64 `json:"input_tokens"` // cached ones included
	CachedInputTokens int64 `json:"cached_input_tokens"`
	OutputTokens      int64 `json:"output_tokens"` // reasoning included
	ReasoningTokens   int64 `json:"reasoning_tokens"`
	TotalTokens       int64 `json:"total_tokens"`
	Estimated         bool  `json:"estimated"` // the provider did not report usage
}

// Cost is an amount of money. Amount is an exact decimal: do not sum floats.
type Cost struct {
	Amount   json.Number `json:"amount"`
	Currency string      `json:"currency"` // USD
}

// envelope is what every native endpoint answers.
type envelope struct {
	Code      int             `json:"code"`
	Message   string          `json:"message"`
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Error     *wireError      `json:"error"`
}

func parseEnvelope(b []byte) (*envelope, bool) {
	var env envelope
	if err := json.Unmarshal(b, &env); err != nil || env.Code == 0 {
		return nil, false
	}
	return &env, true
}

// failure returns the error that the envelope tells of, nil for none.
func (e *envelope) failure() error {
	if e.Error == nil && e.Code < 400 {
		return nil
	}
	return e.asError()
}

func (e *envelope) asError() *Error {
	out := &Error{Kind: kindOf(e.Code), Code: e.Code, Message: e.Message, RequestID: e.RequestID}
	if w := e.Error; w != nil {
		if w.Kind != "" {
			out.Kind = w.Kind
		}
		out.Retryable, out.Provider, out.Param = w.Retryable, w.Provider, w.Param
		out.RetryAfter = time.Duration(w.RetryAfterMS) * time.Millisecond
	}
	return out
}

// response decodes the data object of a success.
func (e *envelope) response() (*Response, error) {
	r, err := parseResponse(e.Data)
	if err != nil {
		err.RequestID = e.RequestID
		return nil, err
	}
	r.RequestID = e.RequestID
	return r, nil
}

// parseResponse decodes a data object. It keeps no reference to b.
func parseResponse(b []byte) (*Response, *Error) {
	if t := bytes.TrimSpace(b); len(t) == 0 || t[0] != '{' {
		return nil, protocolError("the gateway's success has no data")
	}
	r := new(Response)
	if err := json.Unmarshal(b, r); err != nil {
		e := protocolError("the gateway's data cannot be read")
		e.Err = err
		return nil, e
	}
	r.Raw = bytes.Clone(b)
	return r, nil
}
