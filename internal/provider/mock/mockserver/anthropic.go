package mockserver

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// anthropic is the surface of Anthropic's API: messages and their token count.
func (s *Server) anthropic() *surface {
	return &surface{
		idPrefix: "msg_",
		codec:    anthropic.Codec{},
		errors:   worded{anthropic.Codec{}},
		key:      anthropicKey,
		noKey: func(got string) *llm.Error {
			message := "invalid x-api-key"
			if got == "" {
				message = "x-api-key header is required"
			}
			return &llm.Error{Kind: llm.KindUnauthenticated, Status: http.StatusUnauthorized, Message: message}
		},
		head:  anthropicHead,
		dress: dressAnthropic,
		routes: []route{
			{pattern: "POST /v1/messages", op: llm.OpChat, check: checkMessages, adjust: adjustMessages},
			{pattern: "POST /v1/messages/count_tokens", op: llm.OpCountTokens, check: checkCount},
		},
	}
}

// anthropicKey takes the key as older SDKs send it, and as newer ones do.
func anthropicKey(r *http.Request) string {
	if key := r.Header.Get("X-Api-Key"); key != "" {
		return key
	}
	return bearer(r)
}

func anthropicHead(h http.Header, m *meta) {
	h.Set("Request-Id", m.requestID)
	h.Set("Anthropic-Organization-Id", "mock")
	h.Set("Anthropic-Ratelimit-Requests-Limit", strconv.Itoa(limitRequests))
	h.Set("Anthropic-Ratelimit-Requests-Remaining", strconv.Itoa(limitRequests-1))
	if m.err == nil {
		return
	}
	if m.err.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(seconds(m.err.RetryAfter), 10))
	}
	retry := m.err.Status == http.StatusTooManyRequests || m.err.Status >= http.StatusInternalServerError
	h.Set("X-Should-Retry", strconv.FormatBool(retry))
}

// adjustMessages makes the engine think only when thinking was asked for;
// effort alone asks for none.
func adjustMessages(_ *http.Request, r *llm.Request) {
	if o := r.Reasoning; o != nil && !o.Adaptive && o.Budget == nil {
		r.Reasoning = nil
	}
}

// thoughtID begins the ids of tool calls that were made while thinking: the
// thinking before them must come back with them.
const thoughtID = "toolu_th"

// dressAnthropic gives an answer what only Anthropic's have: signatures of the
// thinking, ids of its own form.
func dressAnthropic(r *llm.Request, out *llm.Response) {
	prefix := "toolu_"
	for i := range out.Parts {
		p := &out.Parts[i]
		switch {
		case p.Reasoning != nil:
			if r.Reasoning != nil && r.Reasoning.Summary == dialect.SummaryOmitted {
				p.Reasoning.Text = ""
			}
			p.Reasoning.Signature, p.Reasoning.Origin = seal("anthropic", p.Reasoning.Text), llm.DialectAnthropic
			prefix = thoughtID
		case p.ToolCall != nil:
			p.ToolCall.ID = prefix + strings.TrimPrefix(p.ToolCall.ID, "call_")
		}
	}
}
