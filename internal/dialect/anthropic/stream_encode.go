package anthropic

import (
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// NewStreamEncoder starts a stream of Messages events to one client.
func (Codec) NewStreamEncoder(o dialect.StreamOptions) dialect.StreamEncoder {
	return &streamEncoder{id: o.ID, model: o.Model, block: -1}
}

// streamEncoder writes the events of one message. message_start is held back
// until something else comes, so that it can tell the input count.
type streamEncoder struct {
	id, model string
	started   bool

	kind    blockKind // the block that is open
	block   int       // index of the latest block
	thought int       // number of the reasoning block that is open
	tools   []toolBlock
	usage   llm.Usage

	finish       llm.FinishReason
	native       string
	stopSequence string
}

// toolBlock is where a tool call stands in the message.
type toolBlock struct {
	index int // of the call
	block int
	id    string
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
		return dst
	case llm.EventUsage:
		if ev.Usage != nil {
			e.usage = *ev.Usage
		}
		return dst
	case llm.EventFinish:
		e.finish, e.native, e.stopSequence = ev.Finish, ev.Native, ev.StopSequence
		return dst
	case llm.EventRaw:
		return append(dst, ev.Raw...)
	}
	return e.content(e.start(dst), ev)
}

func (e *streamEncoder) content(dst []byte, ev *llm.Event) []byte {
	switch ev.Kind {
	case llm.EventText, llm.EventRefusal:
		if ev.Text == "" {
			return dst
		}
		if e.kind != blockText {
			dst = e.open(dst, blockText, `{"type":"text","text":""}`)
		}
		return appendDelta(dst, e.block, "text_delta", "text", ev.Text)
	case llm.EventReasoning:
		return e.reasoning(dst, ev)
	case llm.EventToolCall:
		return e.toolCall(dst, ev)
	case llm.EventPing:
		return append(dst, "event: ping\ndata: {\"type\":\"ping\"}\n\n"...)
	}
	return dst
}

// start appends message_start, once.
func (e *streamEncoder) start(dst []byte) []byte {
	if e.started {
		return dst
	}
	e.started = true
	dst = append(dst, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"...)
	dst = wire.Str(dst, "id", e.id)
	dst = append(dst, `,"type":"message","role":"assistant"`...)
	dst = wire.Str(dst, "model", e.model)
	dst = append(dst, `,"content":[],"stop_reason":null,"stop_sequence":null,"usage":`...)
	dst = appendUsage(dst, &e.usage, "")
	return append(dst, "}}\n\n"...)
}

// open closes the block before and opens one; head is its content_block.
func (e *streamEncoder) open(dst []byte, kind blockKind, head string) []byte {
	dst = e.close(dst)
	e.kind = kind
	e.block++
	dst = append(dst, "event: content_block_start\ndata: {\"type\":\"content_block_start\""...)
	dst = wire.Num(dst, "index", int64(e.block))
	return append(wire.Lit(dst, "content_block", head), "}\n\n"...)
}

func (e *streamEncoder) close(dst []byte) []byte {
	if e.kind == blockNone {
		return dst
	}
	e.kind = blockNone
	dst = append(dst, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\""...)
	return append(wire.Num(dst, "index", int64(e.block)), "}\n\n"...)
}

func appendDelta(dst []byte, block int, typ, name, value string) []byte {
	dst = append(dst, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"...)
	dst = strconv.AppendInt(dst, int64(block), 10)
	dst = append(dst, `,"delta":{"type":"`...)
	dst = append(append(dst, typ...), '"')
	return append(wire.Str(dst, name, value), "}}\n\n"...)
}

// reasoning appends thinking. A signature closes its block; opaque thinking is
// a block of its own.
func (e *streamEncoder) reasoning(dst []byte, ev *llm.Event) []byte {
	if e.kind == blockThinking && ev.Block != e.thought {
		dst = e.close(dst)
	}
	if ev.Redacted != "" {
		r := llm.Reasoning{Redacted: ev.Redacted, Origin: ev.Origin, ID: ev.ID}
		return e.close(e.open(dst, blockThinking, string(appendThought(nil, &r))))
	}
	if e.kind != blockThinking {
		e.thought = ev.Block
		dst = e.open(dst, blockThinking, `{"type":"thinking","thinking":"","signature":""}`)
	}
	if ev.Text != "" {
		dst = appendDelta(dst, e.block, "thinking_delta", "thinking", ev.Text)
	}
	if ev.Signature != "" {
		r := llm.Reasoning{Signature: ev.Signature, Origin: ev.Origin, ID: ev.ID}
		dst = e.close(appendDelta(dst, e.block, "signature_delta", "signature", signature(&r)))
	}
	return dst
}

// toolCall appends a piece of a call. Calls that a provider sends in turns,
// which none has been seen to do, are told apart by their blocks' indexes.
func (e *streamEncoder) toolCall(dst []byte, ev *llm.Event) []byte {
	t := e.toolBlock(ev.Index)
	switch {
	case t == nil:
		id := callID(ev.ID, ev.Index)
		dst = e.toolState(dst, ev.Signature, id)
		head := wire.Str([]byte(`{"type":"tool_use"`), "id", id)
		dst = e.open(dst, blockTool, string(append(wire.Str(head, "name", ev.Name), `,"input":{}}`...)))
		t = e.remember(toolBlock{ev.Index, e.block, id})
	case ev.Signature != "":
		dst = e.toolState(dst, ev.Signature, t.id)
	}
	if ev.Text == "" {
		return dst
	}
	return appendDelta(dst, t.block, "input_json_delta", "partial_json", ev.Text)
}

// maxTools bounds how many calls are remembered.
const maxTools = 128

func (e *streamEncoder) remember(t toolBlock) *toolBlock {
	if len(e.tools) == maxTools {
		e.tools = e.tools[:copy(e.tools, e.tools[1:])]
	}
	e.tools = append(e.tools, t)
	return &e.tools[len(e.tools)-1]
}

func (e *streamEncoder) toolBlock(index int) *toolBlock {
	for i := len(e.tools) - 1; i >= 0; i-- {
		if e.tools[i].index == index {
			return &e.tools[i]
		}
	}
	return nil
}

// toolState appends the block that carries the state of a call.
func (e *streamEncoder) toolState(dst []byte, state, id string) []byte {
	if state == "" {
		return dst
	}
	dst = e.open(dst, blockThinking, `{"type":"thinking","thinking":"","signature":""}`)
	return e.close(appendDelta(dst, e.block, "signature_delta", "signature", toolSignature(state, id)))
}

// AppendEnd appends the end of a complete message: its stop reason and count.
func (e *streamEncoder) AppendEnd(dst []byte, f *dialect.Facts) []byte {
	if e.usage.Source != llm.UsageReported && f != nil && f.Usage.Source != llm.UsageUnknown {
		e.usage = f.Usage
	}
	if e.id == "" && f != nil {
		e.id = messageID(f.RequestID)
	}
	dst = e.close(e.start(dst))
	dst = append(dst, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"...)
	dst = wire.Str(dst, "stop_reason", stopReason(e.finish, e.native, e.stopSequence))
	dst = append(wire.StrOrNull(dst, "stop_sequence", e.stopSequence), `},"usage":`...)
	dst = appendUsage(dst, &e.usage, "")
	return append(dst, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"...)
}
