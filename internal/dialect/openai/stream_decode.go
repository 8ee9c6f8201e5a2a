package openai

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// NewStreamDecoder starts reading one stream of chunks.
func (k Codec) NewStreamDecoder() dialect.StreamDecoder { return &streamDecoder{codec: k} }

// streamDecoder holds the state of one stream. The finish is held back until
// the stream ends, as some providers repeat it or send content along with it.
type streamDecoder struct {
	codec   Codec
	started bool
	content bool // something of the answer has been seen
	done    bool // [DONE] has been seen
	closed  bool // the finish event has been given

	native   string // the last finish_reason
	finished bool

	calls []streamCall
	block int  // running number of the reasoning block
	index int  // the provider's number of it
	open  bool // the block may go on
	usage llm.Usage

	said []byte       // the content of the last chunk, when that is a string
	form lenient.Form // of the last chunk that was nothing but content
}

// streamCall is a tool call of which pieces have come.
type streamCall struct {
	id    string
	index int // the provider's number of it, -1 when it gives none
}

// Decode reads one event. Comments are signs of life.
func (d *streamDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	data := bytes.TrimSpace(ev.Data)
	switch {
	case len(data) == 0:
		return append(dst, llm.Event{Kind: llm.EventPing}), nil
	case d.done:
		return dst, nil
	case bytes.HasPrefix(data, doneMark):
		d.done = true
		if !d.finished && !d.content {
			return dst, nil // End says that the stream was empty
		}
		return d.finish(dst), nil
	}
	if text, ok := d.form.Text(data); ok && string(ev.Name) != "error" {
		d.content = true
		return append(dst, llm.Event{Kind: llm.EventText, Text: text}), nil
	}
	var a answer
	err := a.parse(data)
	switch {
	case string(ev.Name) == "error" || err == nil && a.fault() != nil:
		return d.usageEvent(dst, &a), d.codec.DecodeError(0, data)
	case err != nil:
		return dst, lenient.Malformed("stream event", err)
	}
	return d.chunk(dst, &a), nil
}

var doneMark = []byte("[DONE]")

func (d *streamDecoder) chunk(dst []llm.Event, a *answer) []llm.Event {
	plain := d.started && d.form.Learns()
	if !d.started {
		id, model := lenient.Text(a.raw, a.at[bodyID]), lenient.Text(a.raw, a.at[bodyModel])
		if id != "" || model != "" || a.choice != nil {
			d.started = true
			dst = append(dst, llm.Event{Kind: llm.EventStart, ID: id, Model: model})
		}
	}
	before := len(dst)
	dst = d.delta(dst, a.message())
	said := d.said
	d.said = nil // it belongs to the event
	if s := a.native(); s != "" {
		d.native, d.finished = s, true
		plain = false
	}
	var u llm.Usage
	if a.usage(&u) {
		return d.count(dst, u)
	}
	if plain && len(dst) == before+1 && dst[before].Kind == llm.EventText {
		d.form.Learn(a.raw, said)
	}
	return dst
}

func (d *streamDecoder) usageEvent(dst []llm.Event, a *answer) []llm.Event {
	var u llm.Usage
	if !a.usage(&u) {
		return dst
	}
	return d.count(dst, u)
}

func (d *streamDecoder) count(dst []llm.Event, u llm.Usage) []llm.Event {
	if u == d.usage {
		return dst
	}
	d.usage = u
	told := u // a copy, so that u need not be on the heap
	return append(dst, llm.Event{Kind: llm.EventUsage, Usage: &told})
}

func (d *streamDecoder) delta(dst []llm.Event, v []byte) []llm.Event {
	var at [msgCount]jsonedit.Span
	lenient.Members(v, messageNames, at[:])
	before := len(dst)
	d.said = nil
	dst = d.reasoning(dst, v, &at)
	if c := lenient.Present(v, at[msgContent]); len(c) > 2 {
		dst = d.words(dst, c)
	}
	if s := lenient.Text(v, at[msgRefusal]); s != "" {
		dst = append(dst, llm.Event{Kind: llm.EventRefusal, Text: s})
	}
	calls := lenient.Present(v, at[msgCalls])
	for c, i := element(calls, 0); c != nil; c, i = element(calls, i) {
		dst = d.call(dst, decodeCall(c))
	}
	d.content = d.content || len(dst) > before
	return dst
}

func (d *streamDecoder) words(dst []llm.Event, content []byte) []llm.Event {
	if content[0] == '"' {
		d.said = content
		return d.textEvent(dst, lenient.Text(content, jsonedit.Span{Start: 0, End: len(content)}))
	}
	said, thought := contentParts(content)
	for _, p := range thought {
		dst = d.think(dst, detail{index: d.index, Reasoning: llm.Reasoning{Text: p.Reasoning.Text}})
	}
	for _, p := range said {
		if p.Type == llm.PartRefusal {
			dst = append(dst, llm.Event{Kind: llm.EventRefusal, Text: p.Text})
			continue
		}
		dst = d.textEvent(dst, p.Text)
	}
	return dst
}

func (d *streamDecoder) textEvent(dst []llm.Event, s string) []llm.Event {
	if s == "" {
		return dst
	}
	return append(dst, llm.Event{Kind: llm.EventText, Text: s})
}

func (d *streamDecoder) reasoning(dst []llm.Event, v []byte, at *[msgCount]jsonedit.Span) []llm.Event {
	if !at[msgReasoningContent].Present() && !at[msgReasoning].Present() && !at[msgDetails].Present() {
		return dst
	}
	f := reasoningOf(v, at)
	for _, b := range f.whole() {
		dst = d.think(dst, b)
	}
	if len(f.blocks) == 0 && f.text != "" {
		dst = d.think(dst, detail{index: d.index, Reasoning: llm.Reasoning{Text: f.text}})
	}
	return dst
}

// think gives one piece of reasoning. A new block begins when the provider
// numbers it so, and after a signature or an opaque block.
func (d *streamDecoder) think(dst []llm.Event, p detail) []llm.Event {
	r := &p.Reasoning
	if r.Text == "" && r.Signature == "" && r.Redacted == "" {
		return dst
	}
	if p.index < 0 {
		p.index = d.index
	}
	if d.open && (p.index != d.index || p.encrypted) {
		d.block++
	}
	closes := r.Signature != "" || r.Redacted != ""
	dst = append(dst, llm.Event{Kind: llm.EventReasoning, Text: r.Text, Block: d.block, ID: r.ID,
		Signature: r.Signature, Redacted: r.Redacted, Origin: r.Origin})
	if closes {
		d.block++
	}
	d.open, d.index = !closes, p.index
	return dst
}

// call gives a piece of a tool call the running number that clients rely on.
func (d *streamDecoder) call(dst []llm.Event, c wireCall) []llm.Event {
	n := d.find(&c)
	if n < 0 {
		n = len(d.calls)
		if c.id == "" {
			c.id = newCallID()
		}
		d.calls = append(d.calls, streamCall{id: c.id, index: c.index})
		return append(dst, llm.Event{Kind: llm.EventToolCall, Index: n, ID: c.id, Name: c.name, Text: c.arguments, Signature: c.signature})
	}
	if c.arguments == "" && c.signature == "" {
		return dst
	}
	return append(dst, llm.Event{Kind: llm.EventToolCall, Index: n, Text: c.arguments, Signature: c.signature})
}

// find returns the call that a piece belongs to, -1 for a new one. An id that
// has not been seen always begins a call, also under an index already in use.
func (d *streamDecoder) find(c *wireCall) int {
	for i := len(d.calls) - 1; i >= 0; i-- {
		known := &d.calls[i]
		switch {
		case c.id != "" && c.index < 0:
			if known.id == c.id {
				return i
			}
		case c.index < 0:
			if c.name != "" {
				return -1
			}
			return i // neither id nor index: the call that came last goes on
		case known.index == c.index:
			if c.id == "" || c.id == known.id {
				return i
			}
			return -1
		}
	}
	return -1
}

func (d *streamDecoder) finish(dst []llm.Event) []llm.Event {
	if d.closed {
		return dst
	}
	d.closed = true
	return append(dst, llm.Event{Kind: llm.EventFinish, Finish: finishOf(d.native, len(d.calls) > 0), Native: d.native})
}

// End gives the finish and says whether the stream was complete: it must have
// told why the model stopped, or have ended with [DONE] after some content.
func (d *streamDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	switch {
	case d.finished, d.done && d.content:
		return d.finish(dst), nil
	case !d.started && !d.content:
		return dst, llm.Errorf(llm.KindUpstreamError, "the provider sent an empty stream")
	}
	return dst, errCut()
}

func errCut() *llm.Error {
	return llm.Errorf(llm.KindUpstreamError, "the provider's stream ended before the answer was complete")
}
