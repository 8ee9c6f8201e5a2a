package dashscope

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// NewStreamDecoder starts reading one stream, which must have been asked to be
// incremental.
func (k Codec) NewStreamDecoder() dialect.StreamDecoder { return &streamDecoder{} }

// streamDecoder holds the state of one stream and no part of the answer.
type streamDecoder struct {
	started bool
	native  string // why the model stopped; "" while it has not
	usage   llm.Usage
	calls   []streamCall // the latest
	count   int          // of calls that have begun
}

// streamCall is a tool call that has begun.
type streamCall struct {
	n     int   // its running number
	index int64 // the provider's
	id    string
}

// maxCalls is how many calls are remembered: more than any model makes at
// once.
const maxCalls = 128

// Decode reads one event. Its name says only whether it is an error, which an
// object with a code is too.
func (d *streamDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return append(dst, llm.Event{Kind: llm.EventPing}), nil
	}
	var a answer
	err := a.parse(data)
	switch {
	case string(ev.Name) == "error" || err == nil && a.failed():
		return dst, Codec{}.DecodeError(statusOf(ev.Raw), data)
	case err != nil:
		return dst, lenient.Malformed("stream event", err)
	}
	return d.answer(dst, &a), nil
}

func (d *streamDecoder) answer(dst []llm.Event, a *answer) []llm.Event {
	if !d.started {
		d.started = true
		dst = append(dst, llm.Event{Kind: llm.EventStart, ID: lenient.Text(a.raw, a.at[bodyID])})
	}
	if s := a.reasoning(); s != "" {
		dst = append(dst, llm.Event{Kind: llm.EventReasoning, Text: s})
	}
	if s := a.text(); s != "" {
		dst = append(dst, llm.Event{Kind: llm.EventText, Text: s})
	}
	if calls := a.calls(); calls != nil {
		lenient.Elems(calls, func(v []byte) { dst = d.call(dst, decodeCall(v)) })
	}
	if s := a.native(); s != "" {
		d.native = s
	}
	u, ok := decodeUsage(lenient.Present(a.raw, a.at[bodyUsage]))
	if ok && u != d.usage {
		d.usage = u
		dst = append(dst, llm.Event{Kind: llm.EventUsage, Usage: &u})
	}
	return dst
}

// call gives a piece of a tool call the running number that clients rely on.
// A piece belongs to the latest call of its index, unless it has an id of its
// own that is new. Empty ids and names say nothing.
func (d *streamDecoder) call(dst []llm.Event, c wireCall) []llm.Event {
	i := len(d.calls) - 1
	for i >= 0 && d.calls[i].index != c.index {
		i--
	}
	if i < 0 || c.id != "" && c.id != d.calls[i].id {
		return d.begin(dst, c)
	}
	if c.arguments == "" {
		return dst
	}
	return append(dst, llm.Event{Kind: llm.EventToolCall, Index: d.calls[i].n, Text: c.arguments})
}

func (d *streamDecoder) begin(dst []llm.Event, c wireCall) []llm.Event {
	if len(d.calls) == maxCalls {
		d.calls = append(d.calls[:0], d.calls[1:]...)
	}
	known := streamCall{n: d.count, index: c.index, id: c.callID()}
	d.calls = append(d.calls, known)
	d.count++
	return append(dst, llm.Event{Kind: llm.EventToolCall, Index: known.n, ID: known.id, Name: c.name, Text: c.arguments})
}

// End gives the finish. A stream is complete when it has told why the model
// stopped: the last event of the answer says so, or an empty one behind it.
func (d *streamDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	switch {
	case !d.started:
		return dst, llm.Errorf(llm.KindUpstreamError, "the provider sent an empty stream")
	case d.native == "":
		return dst, llm.Errorf(llm.KindUpstreamError, "the provider's stream ended before the answer was complete")
	}
	return append(dst, llm.Event{Kind: llm.EventFinish, Finish: finishOf(d.native, d.count > 0), Native: d.native}), nil
}

// statusMarks begin the lines that say an event's HTTP status: a comment as
// recorded, and a field that DashScope's own SDK knows.
var statusMarks = [...][]byte{[]byte(":HTTP_STATUS/"), []byte("status:")}

// statusOf finds the HTTP status of an event, 0 when it says none.
func statusOf(raw []byte) int {
	for len(raw) > 0 {
		i := bytes.IndexAny(raw, "\r\n")
		line := raw
		if i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			raw = nil
		}
		for _, mark := range statusMarks {
			if rest, ok := bytes.CutPrefix(line, mark); ok {
				return status(bytes.TrimSpace(rest))
			}
		}
	}
	return 0
}

func status(digits []byte) int {
	n := 0
	for _, c := range digits {
		if c < '0' || c > '9' || n > 599 {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	if n < 400 || n > 599 {
		return 0
	}
	return n
}
