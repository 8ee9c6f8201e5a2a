package responses

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// say adds a piece of text or refusal to the open message.
func (s *streamEncoder) say(dst []byte, t llm.PartType, text string) []byte {
	if text == "" {
		return dst
	}
	dst = s.closeThought(s.begin(dst, ""))
	if s.words == nil {
		s.words = &wordsItem{index: s.place(), id: s.ids.newID("msg_")}
		head := appendMessageHead(nil, s.words.id, statusRunning)
		dst = s.added(dst, s.words.index, append(head, `]}`...))
	}
	w := s.words
	if n := len(w.parts); n == 0 || w.parts[n-1].Type != t {
		dst = s.closePart(dst)
		w.parts = append(w.parts, llm.Part{Type: t})
		dst = s.part(dst, evPartAdded, "")
	}
	w.text = append(w.text, text...)
	name := evTextDelta
	if t == llm.PartRefusal {
		name = evRefuseDelta
	}
	b := wire.Num(s.inItem(name, w.id, w.index), "content_index", int64(len(w.parts)-1))
	b = wire.Str(b, "delta", text)
	if t == llm.PartText {
		b = append(b, `,"logprobs":[]`...)
	}
	return s.emit(dst, name, b)
}

// part sends an event that holds the open part of the message.
func (s *streamEncoder) part(dst []byte, name, text string) []byte {
	w := s.words
	last := len(w.parts) - 1
	b := wire.Num(s.inItem(name, w.id, w.index), "content_index", int64(last))
	return s.emit(dst, name, appendPart(wire.Key(b, "part"), w.parts[last].Type, text))
}

// closePart ends the open part of the message.
func (s *streamEncoder) closePart(dst []byte) []byte {
	w := s.words
	last := len(w.parts) - 1
	if last < 0 {
		return dst
	}
	p := &w.parts[last]
	p.Text, w.text = string(w.text), w.text[:0]
	name, member := evTextDone, "text"
	if p.Type == llm.PartRefusal {
		name, member = evRefuseDone, "refusal"
	}
	b := wire.Num(s.inItem(name, w.id, w.index), "content_index", int64(last))
	b = wire.Str(b, member, p.Text)
	if p.Type == llm.PartText {
		b = append(b, `,"logprobs":[]`...)
	}
	dst = s.emit(dst, name, b)
	return s.part(dst, evPartDone, p.Text)
}

func (s *streamEncoder) closeWords(dst []byte) []byte {
	w := s.words
	if w == nil {
		return dst
	}
	dst = s.closePart(dst)
	item := appendMessageHead(nil, w.id, statusOf(s.obj.finish))
	for i := range w.parts {
		item = appendPart(wire.Sep(item), w.parts[i].Type, w.parts[i].Text)
	}
	dst = s.done(dst, w.index, append(item, `]}`...))
	s.words = nil
	return dst
}

// think adds a piece to the open reasoning item, or to a new one when another
// block begins.
func (s *streamEncoder) think(dst []byte, ev *llm.Event) []byte {
	dst = s.closeWords(s.begin(dst, ""))
	if s.thought != nil && s.thought.block != ev.Block {
		dst = s.closeThought(dst)
	}
	if s.thought == nil {
		id := ev.ID
		if id == "" {
			id = s.ids.newID("rs_")
		}
		s.thought = &thoughtItem{index: s.place(), block: ev.Block, id: id}
		dst = s.added(dst, s.thought.index, appendReasoning(nil, id, &llm.Reasoning{}))
	}
	t := s.thought
	t.Signature, t.Redacted = t.Signature+ev.Signature, t.Redacted+ev.Redacted
	t.Origin = max(t.Origin, ev.Origin)
	if ev.Text == "" {
		return dst
	}
	if len(t.text) == 0 {
		dst = s.summary(dst, evSumAdded, "")
	}
	t.text = append(t.text, ev.Text...)
	b := wire.Num(s.inItem(evSumDelta, t.id, t.index), "summary_index", 0)
	return s.emit(dst, evSumDelta, wire.Str(b, "delta", ev.Text))
}

// summary sends an event that holds the part of the summary.
func (s *streamEncoder) summary(dst []byte, name, text string) []byte {
	t := s.thought
	b := wire.Num(s.inItem(name, t.id, t.index), "summary_index", 0)
	return s.emit(dst, name, appendSummary(wire.Key(b, "part"), text))
}

func (s *streamEncoder) closeThought(dst []byte) []byte {
	t := s.thought
	if t == nil {
		return dst
	}
	if t.Text = string(t.text); t.Text != "" {
		b := wire.Num(s.inItem(evSumText, t.id, t.index), "summary_index", 0)
		dst = s.emit(dst, evSumText, wire.Str(b, "text", t.Text))
		dst = s.summary(dst, evSumDone, t.Text)
	}
	dst = s.done(dst, t.index, appendReasoning(nil, t.id, &t.Reasoning))
	s.thought = nil
	return dst
}

// toolCall adds a piece to a function call, or begins it.
func (s *streamEncoder) toolCall(dst []byte, ev *llm.Event) []byte {
	if ev.Index < 0 || ev.Index > len(s.calls) {
		return dst // the events number calls from 0 without gaps
	}
	dst = s.closeWords(s.closeThought(s.begin(dst, "")))
	if ev.Signature != "" {
		dst = s.carry(dst, ev)
	}
	if ev.Index == len(s.calls) {
		c := &callItem{index: s.place(), id: s.ids.newID("fc_"), ToolCall: llm.ToolCall{ID: ev.ID, Name: ev.Name}}
		s.calls = append(s.calls, c)
		dst = s.added(dst, c.index, appendCall(nil, c.id, &c.ToolCall, statusRunning))
	}
	c := s.calls[ev.Index]
	if ev.Text == "" {
		return dst
	}
	c.arguments = append(c.arguments, ev.Text...)
	b := s.inItem(evArgsDelta, c.id, c.index)
	return s.emit(dst, evArgsDelta, wire.Str(b, "delta", ev.Text))
}

// carry sends the item that holds the state of a function call.
func (s *streamEncoder) carry(dst []byte, ev *llm.Event) []byte {
	id := ev.ID
	if ev.Index < len(s.calls) {
		id = s.calls[ev.Index].ID
	}
	item := appendReasoning(nil, s.ids.newID("rs_"), carrier(&llm.ToolCall{ID: id, Signature: ev.Signature}))
	index := s.place()
	return s.done(s.added(dst, index, item), index, item)
}

func (s *streamEncoder) closeCall(dst []byte, c *callItem) []byte {
	c.Arguments = string(c.arguments)
	if c.Arguments == "" {
		c.Arguments = "{}"
	}
	b := wire.Str(s.inItem(evArgsDone, c.id, c.index), "name", c.Name)
	dst = s.emit(dst, evArgsDone, wire.Str(b, "arguments", c.Arguments))
	return s.done(dst, c.index, appendCall(nil, c.id, &c.ToolCall, statusCompleted))
}
