package openai

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// NewStreamEncoder starts a stream of chat.completion.chunk events.
func (Codec) NewStreamEncoder(o dialect.StreamOptions) dialect.StreamEncoder {
	return &streamEncoder{o: o}
}

// streamEncoder keeps what all chunks share, and what is due before the end.
type streamEncoder struct {
	o        dialect.StreamOptions
	head     []byte // the members that begin each chunk, up to the choices
	finished bool
	usage    llm.Usage

	calls  []bool // by running number: arguments have been sent
	silent int    // calls without arguments so far
}

const (
	tailPlain = `,"logprobs":null,"finish_reason":null}]}` + "\n\n"
	tailUsage = `,"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"
)

// Append appends the chunks that ev becomes. The first one carries the role.
func (s *streamEncoder) Append(dst []byte, ev *llm.Event) []byte {
	if ev.Kind == llm.EventUsage {
		s.usage = *ev.Usage
		return dst
	}
	if ev.Kind == llm.EventPing || ev.Kind == llm.EventRaw || s.finished {
		return dst
	}
	dst = s.begin(dst, ev)
	switch ev.Kind {
	case llm.EventText:
		return s.stringDelta(dst, `{"content":`, ev.Text)
	case llm.EventRefusal:
		return s.stringDelta(dst, `{"refusal":`, ev.Text)
	case llm.EventReasoning:
		return s.reasoning(dst, ev)
	case llm.EventToolCall:
		return s.toolCall(dst, ev)
	case llm.EventFinish:
		return s.finish(dst, ev.Finish)
	}
	return dst
}

// begin fixes what the chunks share and sends the role, once.
func (s *streamEncoder) begin(dst []byte, ev *llm.Event) []byte {
	if s.head != nil {
		return dst
	}
	id, model := s.o.ID, s.o.Model
	if ev.Kind == llm.EventStart {
		id, model = or(ev.ID, id), or(ev.Model, model)
	}
	b := wire.Str([]byte(`data: {`), "id", id)
	b = wire.Str(b, "object", "chat.completion.chunk")
	b = wire.Num(b, "created", createdAt(s.o.Created))
	b = wire.Str(b, "model", model)
	s.head = append(b, `,"choices":[`...)
	return s.stringDelta(dst, `{"role":"assistant","content":`, "")
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// open begins a chunk up to its delta; shut ends it.
func (s *streamEncoder) open(dst []byte) []byte {
	return append(append(dst, s.head...), `{"index":0,"delta":`...)
}

func (s *streamEncoder) shut(dst []byte) []byte {
	if s.o.IncludeUsage {
		return append(dst, tailUsage...)
	}
	return append(dst, tailPlain...)
}

func (s *streamEncoder) stringDelta(dst []byte, open, value string) []byte {
	dst = append(s.open(dst), open...)
	return s.shut(append(jsonedit.AppendString(dst, value), '}'))
}

// reasoning sends the text both as reasoning_content and as a piece of its
// block, so that a signature that follows finds its text.
func (s *streamEncoder) reasoning(dst []byte, ev *llm.Event) []byte {
	dst = append(s.open(dst), '{')
	dst = wire.StrIf(dst, "reasoning_content", ev.Text)
	dst = append(wire.Key(dst, "reasoning_details"), '[')
	dst = appendDetail(dst, &llm.Reasoning{Text: ev.Text, Signature: ev.Signature, Redacted: ev.Redacted,
		ID: ev.ID, Origin: ev.Origin}, ev.Block)
	return s.shut(append(dst, `]}`...))
}

func (s *streamEncoder) toolCall(dst []byte, ev *llm.Event) []byte {
	if ev.Index < 0 {
		return dst
	}
	first := ev.Index >= len(s.calls)
	for ev.Index >= len(s.calls) {
		s.calls = append(s.calls, false)
		s.silent++
	}
	if ev.Text != "" && !s.calls[ev.Index] {
		s.calls[ev.Index] = true
		s.silent--
	}
	dst = append(s.open(dst), `{"tool_calls":[{`...)
	dst = wire.Num(dst, "index", int64(ev.Index))
	if first || ev.ID != "" {
		dst = appendCallHead(dst, ev.ID, ev.Name, ev.Text)
	} else {
		dst = wire.Str(append(wire.Key(dst, "function"), '{'), "arguments", ev.Text)
	}
	dst = appendSignature(append(dst, '}'), ev.Signature)
	return s.shut(append(dst, `}]}`...))
}

// finish sends {} as the arguments of calls that came without any, as clients
// parse what they were sent, and then the finish reason.
func (s *streamEncoder) finish(dst []byte, reason llm.FinishReason) []byte {
	for i := range s.calls {
		if s.silent > 0 && !s.calls[i] {
			dst = s.toolCall(dst, &llm.Event{Index: i, Text: "{}"})
		}
	}
	s.finished = true
	dst = append(s.open(dst), `{},"logprobs":null,"finish_reason":`...)
	dst = append(append(append(dst, '"'), reason...), `"}]`...)
	if s.o.IncludeUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

// AppendEnd appends the usage chunk, when the client asked for it, and [DONE].
func (s *streamEncoder) AppendEnd(dst []byte, f *dialect.Facts) []byte {
	if !s.finished {
		dst = s.finish(s.begin(dst, &llm.Event{}), llm.FinishStop)
	}
	usage := usageOf(s.usage, f)
	if s.o.IncludeUsage && usage.Source != llm.UsageUnknown {
		dst = append(append(dst, s.head...), `],"usage":`...)
		dst = append(appendUsage(dst, &usage), "}\n\n"...)
	}
	return append(dst, doneEvent...)
}

const doneEvent = "data: [DONE]\n\n"
