package gemini

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// NewStreamEncoder starts a stream of chunks to one client.
func (Codec) NewStreamEncoder(o dialect.StreamOptions) dialect.StreamEncoder {
	return &streamEncoder{id: o.ID, model: o.Model, index: -1}
}

// streamEncoder writes one chunk for each piece of text. A function call is
// held until it is whole, as Gemini's clients get it: its arguments are the
// only part of an answer that is kept.
type streamEncoder struct {
	id, model string
	usage     llm.Usage
	finish    llm.FinishReason
	native    string

	thinking bool // the piece before was an unsigned thought
	block    int  // the number of its reasoning block

	index int // of the call that is held; -1 when none is
	call  llm.ToolCall
	args  []byte
}

// Append appends what ev becomes.
func (e *streamEncoder) Append(dst []byte, ev *llm.Event) []byte {
	switch ev.Kind {
	case llm.EventStart:
		if ev.ID != "" {
			e.id = ev.ID
		}
		if ev.Model != "" {
			e.model = ev.Model
		}
	case llm.EventUsage:
		if ev.Usage != nil {
			e.usage = *ev.Usage
		}
	case llm.EventFinish:
		e.finish, e.native = ev.Finish, ev.Native
	case llm.EventToolCall:
		return e.toolCall(dst, ev)
	case llm.EventRaw:
		return append(dst, ev.Raw...)
	case llm.EventPing:
		return append(dst, ": ping\n\n"...)
	default:
		return e.content(dst, ev)
	}
	return dst
}

func (e *streamEncoder) content(dst []byte, ev *llm.Event) []byte {
	if ev.Kind == llm.EventReasoning {
		return e.reasoning(dst, ev)
	}
	if ev.Text == "" {
		return dst
	}
	e.thinking = false
	return e.chunk(e.flush(dst), append(wire.Str([]byte{'{'}, "text", ev.Text), '}'), "")
}

// reasoning writes a thought. A signature stands with an empty text: with a
// thought's when it is the thought's, else that of the text before it. State of
// other providers has no place here.
func (e *streamEncoder) reasoning(dst []byte, ev *llm.Event) []byte {
	signature := ev.Signature
	if ev.Origin != llm.DialectGemini {
		signature = ""
	}
	if ev.Text == "" && signature == "" {
		return dst
	}
	thought := ev.Text != "" || e.thinking && ev.Block == e.block
	e.thinking, e.block = thought && signature == "", ev.Block
	part := wire.Str([]byte{'{'}, "text", ev.Text)
	if thought {
		part = wire.Boolean(part, "thought", true)
	}
	return e.chunk(e.flush(dst), append(wire.StrIf(part, "thoughtSignature", signature), '}'), "")
}

func (e *streamEncoder) chunk(dst, parts []byte, finish string) []byte {
	c := chunk{id: e.id, model: e.model, finish: finish, usage: &e.usage}
	return append(c.append(append(dst, "data: "...), parts), "\r\n\r\n"...)
}

// toolCall holds the pieces of a call.
func (e *streamEncoder) toolCall(dst []byte, ev *llm.Event) []byte {
	if ev.Index != e.index {
		dst = e.flush(dst)
		e.index, e.call, e.args = ev.Index, llm.ToolCall{}, e.args[:0]
	}
	if ev.ID != "" {
		e.call.ID = ev.ID
	}
	if ev.Name != "" {
		e.call.Name = ev.Name
	}
	if ev.Signature != "" {
		e.call.Signature = ev.Signature
	}
	e.args = append(e.args, ev.Text...)
	return dst
}

// flush writes the call that is held.
func (e *streamEncoder) flush(dst []byte) []byte {
	if e.index < 0 {
		return dst
	}
	e.index = -1
	e.call.Arguments = string(e.args)
	c := chunk{id: e.id, model: e.model}
	return append(c.append(append(dst, "data: "...), appendCall(nil, &e.call)), "\r\n\r\n"...)
}

// AppendEnd appends the last chunk: the finish reason and the count.
func (e *streamEncoder) AppendEnd(dst []byte, f *dialect.Facts) []byte {
	if e.usage.Source != llm.UsageReported && f != nil && f.Usage.Source != llm.UsageUnknown {
		e.usage = f.Usage
	}
	return e.chunk(e.flush(dst), nil, finishReason(e.finish, e.native))
}
