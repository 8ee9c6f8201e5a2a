package gemini

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// NewStreamDecoder starts reading one stream of chunks.
func (k Codec) NewStreamDecoder() dialect.StreamDecoder { return &streamDecoder{codec: k, thought: -1} }

// streamDecoder holds the state of one stream and no part of the answer. The
// finish is held back until the end, as some models say STOP on every chunk.
type streamDecoder struct {
	codec   Codec
	id      string
	started bool
	spoke   bool // something of the answer has been seen

	native  string // the last finishReason, or why the prompt was blocked
	blocked bool
	calls   int
	partial *partial // arguments that come in pieces; nil when none do

	thought  int  // running number of the reasoning block
	thinking bool // the block may go on

	usage llm.Usage // told last
}

// Decode reads one chunk.
func (d *streamDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return d.noData(dst, ev.Raw)
	}
	var at [bodyCount]jsonedit.Span
	if err := lenient.Find(data, bodyNames, at[:]); err != nil {
		return dst, lenient.Malformed("stream event", err)
	}
	if lenient.Present(data, at[bodyError]) != nil {
		return dst, d.codec.DecodeError(0, data)
	}
	dst = d.start(dst, data, &at)
	if c := first(lenient.Present(data, at[bodyCandidates])); c != nil {
		dst = d.candidate(dst, c)
	}
	if f := lenient.Present(data, at[bodyFeedback]); f != nil {
		dst = d.feedback(dst, f)
	}
	return d.count(dst, lenient.Present(data, at[bodyUsage])), nil
}

// noData reads an event without data: a comment, or the bare JSON with which
// Google breaks a stream off.
func (d *streamDecoder) noData(dst []llm.Event, raw []byte) ([]llm.Event, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && (raw[0] == '{' || raw[0] == '[') {
		return dst, d.codec.DecodeError(0, raw)
	}
	return append(dst, llm.Event{Kind: llm.EventPing}), nil
}

func (d *streamDecoder) start(dst []llm.Event, data []byte, at *[bodyCount]jsonedit.Span) []llm.Event {
	if d.started {
		return dst
	}
	d.started = true
	d.id = lenient.Text(data, at[bodyID])
	return append(dst, llm.Event{Kind: llm.EventStart, ID: d.id, Model: lenient.Text(data, at[bodyModel])})
}

func (d *streamDecoder) candidate(dst []llm.Event, v []byte) []llm.Event {
	var at [candCount]jsonedit.Span
	lenient.Members(v, candidateNames, at[:])
	eachPart(lenient.Present(v, at[candContent]), func(p *part) { dst = d.part(dst, p) })
	if s := lenient.Text(v, at[candFinish]); s != "" && s != "FINISH_REASON_UNSPECIFIED" {
		d.native = s
	}
	return dst
}

func (d *streamDecoder) part(dst []llm.Event, p *part) []llm.Event {
	switch {
	case p.call != nil:
		d.thinking = false
		return d.call(dst, p)
	case p.thought:
		d.spoke = true
		if !d.thinking {
			d.thought++
			d.thinking = true
		}
		if p.text != "" {
			dst = append(dst, llm.Event{Kind: llm.EventReasoning, Block: d.thought, Text: p.text})
		}
		return d.sign(dst, p.signature)
	case p.text != "":
		d.thinking, d.spoke = false, true
		dst = append(dst, llm.Event{Kind: llm.EventText, Text: p.text})
	}
	if p.signature != "" {
		d.thought++
	}
	return d.sign(dst, p.signature)
}

// sign closes a reasoning block with its signature.
func (d *streamDecoder) sign(dst []llm.Event, signature string) []llm.Event {
	if signature == "" {
		return dst
	}
	d.thinking = false
	return append(dst, llm.Event{Kind: llm.EventReasoning, Block: d.thought, Signature: signature, Origin: llm.DialectGemini})
}

// call reads a call, which comes whole unless its arguments come in pieces.
func (d *streamDecoder) call(dst []llm.Event, p *part) []llm.Event {
	var at [callCount]jsonedit.Span
	lenient.Members(p.call, callNames, at[:])
	more := lenient.True(p.call, at[callMore])
	if d.partial != nil && !at[callName].Present() {
		return d.pieces(dst, p.call, &at, more)
	}
	dst = d.endCall(dst)
	c := readCall(p.call, d.id, d.calls)
	ev := llm.Event{Kind: llm.EventToolCall, Index: d.calls, ID: c.ID, Name: c.Name, Signature: p.signature}
	d.calls++
	d.spoke = true
	if !more {
		ev.Text = c.Arguments
		return append(dst, ev)
	}
	d.partial = &partial{}
	return d.pieces(append(dst, ev), p.call, &at, true)
}

func (d *streamDecoder) pieces(dst []llm.Event, v []byte, at *[callCount]jsonedit.Span, more bool) []llm.Event {
	var b []byte
	lenient.Elems(lenient.Present(v, at[callPartial]), func(v []byte) { b = d.partial.add(b, v) })
	if !more {
		b = d.partial.end(b)
		d.partial = nil
	}
	if len(b) == 0 {
		return dst
	}
	return append(dst, llm.Event{Kind: llm.EventToolCall, Index: d.calls - 1, Text: string(b)})
}

// endCall closes a call whose last piece never came.
func (d *streamDecoder) endCall(dst []llm.Event) []llm.Event {
	if d.partial == nil {
		return dst
	}
	return d.pieces(dst, nil, &[callCount]jsonedit.Span{}, false)
}

// feedback takes notice of a prompt that was blocked.
func (d *streamDecoder) feedback(dst []llm.Event, v []byte) []llm.Event {
	reason, message := blockReason(v)
	if reason == "" {
		return dst
	}
	d.blocked, d.native = true, reason
	if message == "" || d.spoke {
		return dst
	}
	d.spoke = true
	return append(dst, llm.Event{Kind: llm.EventRefusal, Text: message})
}

// count tells the running count. Only the one of the last chunk is exact, so
// before a finish reason it is an estimate.
func (d *streamDecoder) count(dst []llm.Event, v []byte) []llm.Event {
	u := usageOf(v)
	if u.Source == llm.UsageUnknown {
		return dst
	}
	if d.native == "" {
		u.Source = llm.UsageEstimated
	}
	if u == d.usage {
		return dst
	}
	d.usage = u
	return append(dst, llm.Event{Kind: llm.EventUsage, Usage: &u})
}

// End gives the finish that was held back. A stream that told none was cut;
// one in which the model failed before it said anything is an error.
func (d *streamDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	switch {
	case d.native == "":
		return dst, errCut()
	case broken[d.native] && !d.spoke:
		return dst, errBroken(d.native)
	}
	dst = d.endCall(dst)
	finish := finishOf(d.native, d.calls > 0)
	if d.blocked {
		finish = llm.FinishContentFilter
	}
	if u := d.usage; u.Source == llm.UsageEstimated {
		u.Source = llm.UsageReported
		dst = append(dst, llm.Event{Kind: llm.EventUsage, Usage: &u})
	}
	return append(dst, llm.Event{Kind: llm.EventFinish, Finish: finish, Native: d.native}), nil
}
