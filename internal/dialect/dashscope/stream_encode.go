package dashscope

import (
	"net/http"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// NewStreamEncoder starts an incremental stream.
func (Codec) NewStreamEncoder(o dialect.StreamOptions) dialect.StreamEncoder {
	return &streamEncoder{id: o.ID, parts: dialect.MultimodalDashScope(o.Model)}
}

// streamEncoder writes one event for each piece of an answer. The finish is
// held back to the end, as the last event tells the whole usage.
type streamEncoder struct {
	id     string
	parts  bool // content is an array of parts
	n      int64
	calls  int // tool calls that have begun
	usage  llm.Usage
	finish llm.FinishReason
}

// Append appends the event that ev becomes.
func (s *streamEncoder) Append(dst []byte, ev *llm.Event) []byte {
	switch ev.Kind {
	case llm.EventStart:
		s.id = or(ev.ID, s.id)
		if ev.Model != "" {
			s.parts = dialect.MultimodalDashScope(ev.Model)
		}
	case llm.EventUsage:
		s.usage = *ev.Usage
	case llm.EventFinish:
		s.finish = ev.Finish
	case llm.EventText, llm.EventRefusal:
		return s.end(appendContent(s.begin(dst), ev.Text, s.parts), finishNone)
	case llm.EventReasoning:
		if ev.Text == "" {
			return dst // a signature has no place
		}
		dst = wire.Str(appendContent(s.begin(dst), "", s.parts), "reasoning_content", ev.Text)
		return s.end(dst, finishNone)
	case llm.EventToolCall:
		return s.end(s.call(appendContent(s.begin(dst), "", s.parts), ev), finishNone)
	}
	return dst
}

// call appends a piece of a tool call. The id of all but the first is empty.
func (s *streamEncoder) call(b []byte, ev *llm.Event) []byte {
	b = wire.Num(append(b, `,"tool_calls":[{`...), "index", int64(ev.Index))
	b = append(wire.Str(b, "id", ev.ID), `,"type":"function","function":{`...)
	if ev.Index >= s.calls {
		s.calls = ev.Index + 1
		b = wire.Str(b, "name", ev.Name)
	}
	return append(wire.Str(b, "arguments", ev.Text), `}}]`...)
}

// begin appends an event up to the members of its message; end appends the rest.
func (s *streamEncoder) begin(dst []byte) []byte {
	s.n++
	dst = appendHead(dst, s.n, "result", http.StatusOK)
	return append(dst, `{"output":{"choices":[{"message":{"role":"assistant"`...)
}

func (s *streamEncoder) end(b []byte, finish string) []byte {
	b = append(wire.Str(append(b, '}'), "finish_reason", finish), `}]}`...)
	if s.usage.Source != llm.UsageUnknown {
		b = appendUsage(wire.Key(b, "usage"), &s.usage)
	}
	return append(wire.Str(b, "request_id", s.id), "}\n\n"...)
}

// AppendEnd appends the last event: no text, the finish reason, the usage.
func (s *streamEncoder) AppendEnd(dst []byte, f *dialect.Facts) []byte {
	if s.usage.Source == llm.UsageUnknown && f != nil {
		s.usage = f.Usage
	}
	return s.end(appendContent(s.begin(dst), "", s.parts), finishWord(s.finish))
}

// appendHead appends the lines of an event before its data: without a space
// behind the colon, and with the status in a comment.
func appendHead(dst []byte, n int64, name string, status int) []byte {
	dst = strconv.AppendInt(append(dst, "id:"...), n, 10)
	dst = append(append(dst, "\nevent:"...), name...)
	dst = strconv.AppendInt(append(dst, "\n:HTTP_STATUS/"...), int64(status), 10)
	return append(dst, "\ndata:"...)
}
