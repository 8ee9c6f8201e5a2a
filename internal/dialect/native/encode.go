package native

import (
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// AppendResponse appends the envelope of a whole answer. The answer's id and
// the model are the gateway's own view: "gen_" with the request's id, and the
// upstream's model that was asked.
func (Codec) AppendResponse(dst []byte, _ llm.Op, r *llm.Response, f *dialect.Facts) ([]byte, error) {
	if f == nil {
		f = &dialect.Facts{}
	}
	dst = appendEnvelope(append(dst, '{'), statusOr(f.Status, 200), "success", f.RequestID)
	dst = appendData(wire.Key(dst, "data"), r, f)
	return append(dst, '}'), nil
}

func statusOr(status, other int) int {
	if status == 0 {
		return other
	}
	return status
}

func appendEnvelope(b []byte, code int, message, requestID string) []byte {
	b = wire.Num(b, "code", int64(code))
	b = wire.Str(b, "message", message)
	return wire.Str(b, "request_id", requestID)
}

// appendData appends the data object. Members that do not apply are left out,
// but text and cost, which are always there.
func appendData(b []byte, r *llm.Response, f *dialect.Facts) []byte {
	b = wire.Str(append(b, '{'), "id", "gen_"+f.RequestID)
	b = wire.Str(b, "model", or(f.Model, r.Model))
	b = wire.StrIf(b, "provider", f.Provider)
	b = wire.Str(b, "text", said(r))
	b = wire.StrIf(b, "reasoning", r.ReasoningText())
	if stateful(r.Parts) {
		b = openai.AppendReasoningDetails(b, r.Parts)
	}
	b = openai.AppendToolCalls(b, r.Parts)
	b = wire.StrIf(b, "finish_reason", string(r.Finish))
	u := r.Usage
	if u.Source == llm.UsageUnknown {
		u = f.Usage
	}
	if u.Source != llm.UsageUnknown {
		b = AppendUsage(wire.Key(b, "usage"), &u)
	}
	b = AppendCost(wire.Key(b, "cost"), f.Cost)
	b = wire.Num(b, "latency_ms", f.Latency.Milliseconds())
	b = wire.Num(b, "attempts", int64(f.Attempts))
	b = wire.StrIf(b, "cache", f.Cache)
	return append(b, '}')
}

// stateful reports whether reasoning carries state that its provider wants back
// with the next turn.
func stateful(parts []llm.Part) bool {
	for i := range parts {
		if r := parts[i].Reasoning; r != nil && (r.Signature != "" || r.Redacted != "") {
			return true
		}
	}
	return false
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// said returns the text, or a refusal that came in its place.
func said(r *llm.Response) string { return or(r.Text(), r.RefusalText()) }

// AppendUsage appends a usage object of the envelope.
func AppendUsage(b []byte, u *llm.Usage) []byte {
	b = wire.Num(append(b, '{'), "input_tokens", u.Input)
	b = wire.Num(b, "cached_input_tokens", u.CachedInput)
	b = wire.Num(b, "output_tokens", u.Output)
	b = wire.Num(b, "reasoning_tokens", u.Reasoning)
	b = wire.Num(b, "total_tokens", u.Total())
	return append(wire.Boolean(b, "estimated", u.Source != llm.UsageReported), '}')
}

// AppendCost appends a cost object of the envelope, null for no known price.
func AppendCost(b []byte, cost *llm.Money) []byte {
	if cost == nil {
		return append(b, "null"...)
	}
	b = cost.Append(wire.Key(append(b, '{'), "amount"))
	return append(wire.Str(b, "currency", "USD"), '}')
}

// AppendError appends the envelope of an error; its code is f.Status.
func (Codec) AppendError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	if f == nil {
		f = &dialect.Facts{}
	}
	dst = appendEnvelope(append(dst, '{'), statusOr(f.Status, 500), e.Message, f.RequestID)
	dst = wire.Lit(dst, "data", "null")
	dst = wire.Str(append(wire.Key(dst, "error"), '{'), "kind", e.Kind.String())
	dst = wire.Boolean(dst, "retryable", retryable(e))
	if ms := (e.RetryAfter + time.Millisecond - 1).Milliseconds(); ms > 0 {
		dst = wire.Num(dst, "retry_after_ms", ms)
	}
	dst = wire.StrIf(dst, "provider", or(e.Provider, f.Provider))
	dst = wire.StrIf(dst, "param", e.Param)
	return append(dst, `}}`...)
}

// retryable says whether the same request may succeed later. That is the
// client's question; what the gateway itself does stands in llm.Traits.
func retryable(e *llm.Error) bool {
	switch e.Kind {
	case llm.KindRateLimited, llm.KindUpstreamRateLimited, llm.KindUpstreamError, llm.KindOverloaded, llm.KindTimeout:
		return !e.Permanent
	}
	return false
}

// AppendStreamError appends the terminal error event: the whole envelope.
func (k Codec) AppendStreamError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	dst = k.AppendError(append(dst, "event: error\ndata: "...), e, f)
	return append(dst, "\n\n"...)
}

// NewStreamEncoder starts a stream of named events.
func (Codec) NewStreamEncoder(o dialect.StreamOptions) dialect.StreamEncoder {
	return &streamEncoder{model: o.Model}
}

// streamEncoder gathers the answer, as the terminal event holds all of it.
type streamEncoder struct {
	model  string // of a stream that does not name its own
	answer llm.Collector
	calls  int // tool calls begun
}

// Append appends the event that ev becomes: delta, reasoning or tool_call.
func (s *streamEncoder) Append(dst []byte, ev *llm.Event) []byte {
	if ev.Kind == llm.EventToolCall && (ev.Index < 0 || ev.Index > s.calls) {
		return dst // the events number calls from 0 without gaps
	}
	s.answer.Add(ev)
	switch ev.Kind {
	case llm.EventText, llm.EventRefusal:
		return appendTextEvent(dst, "event: delta\ndata: {", ev.Text)
	case llm.EventReasoning:
		return appendTextEvent(dst, "event: reasoning\ndata: {", ev.Text)
	case llm.EventToolCall:
		return s.toolCall(dst, ev)
	}
	return dst
}

func appendTextEvent(dst []byte, head, text string) []byte {
	if text == "" {
		return dst
	}
	return append(wire.Str(append(dst, head...), "text", text), "}\n\n"...)
}

// toolCall sends a piece of a call; its id and name come with the first one.
func (s *streamEncoder) toolCall(dst []byte, ev *llm.Event) []byte {
	s.calls = max(s.calls, ev.Index+1)
	if ev.ID == "" && ev.Name == "" && ev.Text == "" {
		return dst
	}
	dst = append(dst, "event: tool_call\ndata: {\"index\":"...)
	dst = strconv.AppendInt(dst, int64(ev.Index), 10)
	dst = wire.StrIf(dst, "id", ev.ID)
	dst = wire.StrIf(dst, "name", ev.Name)
	dst = wire.Str(dst, "arguments", ev.Text)
	return append(dst, "}\n\n"...)
}

// AppendEnd appends the done event, which holds the whole data object.
func (s *streamEncoder) AppendEnd(dst []byte, f *dialect.Facts) []byte {
	if f == nil {
		f = &dialect.Facts{}
	}
	r := s.answer.Response()
	r.Model = or(r.Model, s.model)
	dst = appendData(append(dst, "event: done\ndata: "...), r, f)
	return append(dst, "\n\n"...)
}
