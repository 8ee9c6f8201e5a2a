package anthropic

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// NewStreamDecoder starts reading one stream.
func (k Codec) NewStreamDecoder() dialect.StreamDecoder { return &streamDecoder{tool: -1, thought: -1} }

// streamDecoder holds the state of one stream: no part of the answer, but for
// the whole input of a tool call that some hosts send at its start.
type streamDecoder struct {
	started bool
	stopped bool // message_stop has been seen

	kind    blockKind // the block that is open
	index   int64     // its index
	tool    int       // running number of the tool call
	thought int       // running number of the reasoning block
	pieces  bool      // the open call has sent a piece of its input
	input   string    // the input that the open call began with

	spoke    bool // something of the answer has been seen
	native   string
	sequence string
	refusal  string
	usage    usage
	told     llm.Usage // the count told last

	form     lenient.Form // of the last delta
	formType string       // its type
}

type blockKind uint8

const (
	blockNone blockKind = iota
	blockText
	blockThinking
	blockTool
	blockOther // of a hosted tool, or unknown
)

var eventNames = jsonedit.NewNames("type", "index", "message", "content_block", "delta", "usage", "error")

const (
	evType = iota
	evIndex
	evMessage
	evBlock
	evDelta
	evUsage
	evError
	evCount
)

// eventTypes are the types of events, the most frequent first.
var eventTypes = []string{"content_block_delta", "content_block_start", "content_block_stop", "ping",
	"message_delta", "message_start", "message_stop", "error"}

// Decode reads one event. Unknown events, blocks and deltas are ignored, as
// Anthropic's versioning policy demands; comments are signs of life.
func (d *streamDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return append(dst, llm.Event{Kind: llm.EventPing}), nil
	}
	if d.stopped || string(data) == "[DONE]" { // some hosts end as OpenAI does
		return dst, nil
	}
	if d.kind != blockOther {
		if text, ok := d.form.Text(data); ok {
			return d.said(dst, d.formType, text), nil
		}
	}
	var at [evCount]jsonedit.Span
	if err := lenient.Find(data, eventNames, at[:]); err != nil {
		if string(ev.Name) == "error" {
			return dst, Codec{}.DecodeError(0, data)
		}
		return dst, lenient.Malformed("stream event", err)
	}
	return d.event(dst, data, &at)
}

func (d *streamDecoder) event(dst []llm.Event, data []byte, at *[evCount]jsonedit.Span) ([]llm.Event, error) {
	switch lenient.Word(data, at[evType], eventTypes) {
	case "content_block_delta":
		return d.delta(dst, data, at), nil
	case "content_block_start":
		return d.blockStart(dst, data, at), nil
	case "content_block_stop":
		return d.blockStop(dst), nil
	case "message_start":
		return d.messageStart(dst, lenient.Present(data, at[evMessage])), nil
	case "message_delta":
		return d.messageDelta(dst, data, at), nil
	case "message_stop":
		return d.messageStop(dst), nil
	case "ping":
		return append(dst, llm.Event{Kind: llm.EventPing}), nil
	case "error":
		return dst, Codec{}.DecodeError(0, data)
	}
	if lenient.Present(data, at[evError]) != nil {
		return dst, Codec{}.DecodeError(0, data)
	}
	return dst, nil
}

// messageStart begins the answer. Some hosts send it twice; of the second only
// the count is taken. Its output count is a placeholder: until message_delta
// the count is an estimate.
func (d *streamDecoder) messageStart(dst []llm.Event, v []byte) []llm.Event {
	var at [msgCount]jsonedit.Span
	lenient.Members(v, messageNames, at[:])
	if !d.started {
		d.started = true
		dst = append(dst, llm.Event{Kind: llm.EventStart, ID: lenient.Text(v, at[msgID]), Model: lenient.Text(v, at[msgModel])})
	}
	d.usage.set(lenient.Present(v, at[msgUsage]))
	return d.tell(dst, llm.UsageEstimated)
}

func (d *streamDecoder) tell(dst []llm.Event, source llm.UsageSource) []llm.Event {
	u := d.usage.canonical(source)
	if u == d.told {
		return dst
	}
	d.told = u
	return append(dst, llm.Event{Kind: llm.EventUsage, Usage: &u})
}

func (d *streamDecoder) blockStart(dst []llm.Event, data []byte, ev *[evCount]jsonedit.Span) []llm.Event {
	dst = d.blockStop(dst) // in case its stop was lost
	v := lenient.Present(data, ev[evBlock])
	p, ok := block(v)
	d.index = lenient.Count(data, ev[evIndex])
	if !ok {
		d.kind = blockOther
		return dst
	}
	switch p.Type {
	case llm.PartText:
		d.kind = blockText
		return d.text(dst, p.Text)
	case llm.PartReasoning:
		d.thought++
		d.kind = blockThinking
		return d.think(dst, p.Reasoning)
	}
	d.kind, d.pieces, d.spoke = blockTool, false, true
	d.tool++
	d.input = p.ToolCall.Arguments
	return append(dst, llm.Event{Kind: llm.EventToolCall, Index: d.tool, ID: p.ToolCall.ID, Name: p.ToolCall.Name})
}

func (d *streamDecoder) text(dst []llm.Event, s string) []llm.Event {
	if s == "" {
		return dst
	}
	d.spoke = true
	return append(dst, llm.Event{Kind: llm.EventText, Text: s})
}

func (d *streamDecoder) think(dst []llm.Event, r *llm.Reasoning) []llm.Event {
	n := max(d.thought, 0)
	if r.Text != "" {
		dst = append(dst, llm.Event{Kind: llm.EventReasoning, Block: n, Text: r.Text})
	}
	if r.Signature != "" || r.Redacted != "" {
		dst = append(dst, llm.Event{Kind: llm.EventReasoning, Block: n,
			Signature: r.Signature, Redacted: r.Redacted, Origin: llm.DialectAnthropic})
	}
	return dst
}

var deltaNames = jsonedit.NewNames("type", "text", "partial_json", "thinking", "signature", "stop_reason", "stop_sequence", "stop_details")

const (
	dltType = iota
	dltText
	dltJSON
	dltThinking
	dltSignature
	dltStop
	dltSequence
	dltDetails
	dltCount
)

var deltaTypes = []string{"text_delta", "input_json_delta", "thinking_delta", "signature_delta"}

func (d *streamDecoder) delta(dst []llm.Event, data []byte, ev *[evCount]jsonedit.Span) []llm.Event {
	v := lenient.Present(data, ev[evDelta])
	if d.kind == blockOther || v == nil {
		return dst
	}
	var at [dltCount]jsonedit.Span
	lenient.Members(v, deltaNames, at[:])
	typ, text := lenient.Word(v, at[dltType], deltaTypes), jsonedit.Span{}
	switch typ {
	case "text_delta":
		text = at[dltText]
	case "input_json_delta":
		text = at[dltJSON]
	case "thinking_delta":
		text = at[dltThinking]
	case "signature_delta":
		text = at[dltSignature]
	default:
		return dst
	}
	if t := lenient.Present(v, text); t != nil && d.form.Learns() {
		d.form.Learn(data, t)
		d.formType = typ
	}
	return d.said(dst, typ, lenient.Text(v, text))
}

// said gives the text of a delta.
func (d *streamDecoder) said(dst []llm.Event, typ, text string) []llm.Event {
	switch typ {
	case "text_delta":
		return d.text(dst, text)
	case "input_json_delta":
		return d.piece(dst, text)
	case "thinking_delta":
		return d.think(dst, &llm.Reasoning{Text: text})
	}
	return d.think(dst, &llm.Reasoning{Signature: text})
}

func (d *streamDecoder) piece(dst []llm.Event, s string) []llm.Event {
	if s == "" || d.kind != blockTool {
		return dst
	}
	d.pieces = true
	return append(dst, llm.Event{Kind: llm.EventToolCall, Index: d.tool, Text: s})
}

// blockStop closes the open block. A call that sent no piece of its input has
// the one that it began with, mostly {}.
func (d *streamDecoder) blockStop(dst []llm.Event) []llm.Event {
	if d.kind == blockTool && !d.pieces {
		dst = append(dst, llm.Event{Kind: llm.EventToolCall, Index: d.tool, Text: d.input})
	}
	d.kind, d.input = blockNone, ""
	return dst
}

// messageDelta brings the stop reason and the running totals of the count.
func (d *streamDecoder) messageDelta(dst []llm.Event, data []byte, ev *[evCount]jsonedit.Span) []llm.Event {
	v := lenient.Present(data, ev[evDelta])
	var at [dltCount]jsonedit.Span
	lenient.Members(v, deltaNames, at[:])
	if s := lenient.Text(v, at[dltStop]); s != "" {
		d.native = s
	}
	if s := lenient.Text(v, at[dltSequence]); s != "" {
		d.sequence = s
	}
	if s := refusalText(lenient.Present(v, at[dltDetails])); s != "" {
		d.refusal = s
	}
	u := lenient.Present(data, ev[evUsage])
	if u == nil {
		return dst
	}
	d.usage.set(u)
	return d.tell(dst, llm.UsageReported)
}

func (d *streamDecoder) messageStop(dst []llm.Event) []llm.Event {
	dst = d.blockStop(dst)
	d.stopped = true
	if d.refusal != "" && !d.spoke {
		dst = append(dst, llm.Event{Kind: llm.EventRefusal, Text: d.refusal})
	}
	return append(dst, llm.Event{Kind: llm.EventFinish, Finish: finishOf(d.native), Native: d.native, StopSequence: d.sequence})
}

// End says that a stream without message_stop was cut, whatever came before.
func (d *streamDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	if d.stopped {
		return dst, nil
	}
	return dst, errCut()
}

func errCut() *llm.Error {
	return llm.Errorf(llm.KindUpstreamError, "the provider's stream broke off before its end")
}
