package responses

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// NewStreamEncoder starts a stream of response events.
func (Codec) NewStreamEncoder(o dialect.StreamOptions) dialect.StreamEncoder {
	return &streamEncoder{o: o}
}

// streamEncoder keeps the whole answer, as each item is repeated when it is
// done and all of them in the terminal event. At most one of words and thought
// is open; function calls stay open until the end, so that their pieces may
// come in any order.
type streamEncoder struct {
	o     dialect.StreamOptions
	obj   object
	begun bool
	seq   int64
	usage llm.Usage

	ids     itemWriter
	items   [][]byte // by output index, in their final form; nil while open
	words   *wordsItem
	thought *thoughtItem
	calls   []*callItem

	scratch []byte // the event being written
}

type wordsItem struct {
	index int
	id    string
	parts []llm.Part
	text  []byte // of the open part, which is the last; a part gets its Text when it is closed
}

type thoughtItem struct {
	index int
	block int
	id    string
	llm.Reasoning
	text []byte // what becomes Text
}

type callItem struct {
	index int
	id    string
	llm.ToolCall
	arguments []byte
}

// Append appends the events that ev becomes.
func (s *streamEncoder) Append(dst []byte, ev *llm.Event) []byte {
	switch ev.Kind {
	case llm.EventStart:
		return s.begin(dst, ev.Model)
	case llm.EventText:
		return s.say(dst, llm.PartText, ev.Text)
	case llm.EventRefusal:
		return s.say(dst, llm.PartRefusal, ev.Text)
	case llm.EventReasoning:
		return s.think(dst, ev)
	case llm.EventToolCall:
		return s.toolCall(dst, ev)
	case llm.EventFinish:
		s.obj.finish = ev.Finish
	case llm.EventUsage:
		s.usage = *ev.Usage
	}
	return dst
}

// begin opens the stream, once.
func (s *streamEncoder) begin(dst []byte, model string) []byte {
	if s.begun {
		return dst
	}
	s.begun = true
	if model == "" {
		model = s.o.Model
	}
	s.obj = object{id: s.o.ID, model: model, created: createdAt(s.o.Created), status: statusRunning, finish: s.obj.finish}
	s.ids = itemWriter{suffix: idSuffix(s.o.ID)}
	dst = s.whole(dst, "response.created")
	return s.whole(dst, "response.in_progress")
}

// idSuffix takes the prefix off the answer's id, for the ids of its items.
func idSuffix(id string) string {
	const prefix = "resp_"
	if len(id) > len(prefix) && id[:len(prefix)] == prefix {
		return id[len(prefix):]
	}
	return id
}

// open begins an event; emit ends it and gives it its number.
func (s *streamEncoder) open(name string) []byte {
	b := wire.Str(append(s.scratch[:0], '{'), "type", name)
	b = wire.Num(b, "sequence_number", s.seq)
	s.seq++
	return b
}

func (s *streamEncoder) emit(dst []byte, name string, b []byte) []byte {
	s.scratch = append(b, '}')
	return sse.AppendEvent(dst, name, s.scratch)
}

// whole sends an event that holds the response object.
func (s *streamEncoder) whole(dst []byte, name string) []byte {
	b := s.obj.begin(wire.Key(s.open(name), "response"))
	for _, item := range s.items {
		if item != nil {
			b = append(wire.Sep(b), item...)
		}
	}
	return s.emit(dst, name, s.obj.end(b))
}

// place gives a new item its output index.
func (s *streamEncoder) place() int {
	s.items = append(s.items, nil)
	return len(s.items) - 1
}

// added announces an item, done repeats it in its final form and keeps it.
func (s *streamEncoder) added(dst []byte, index int, item []byte) []byte {
	b := wire.Num(s.open(evItemAdded), "output_index", int64(index))
	return s.emit(dst, evItemAdded, wire.Lit(b, "item", item))
}

func (s *streamEncoder) done(dst []byte, index int, item []byte) []byte {
	s.items[index] = item
	b := wire.Num(s.open(evItemDone), "output_index", int64(index))
	return s.emit(dst, evItemDone, wire.Lit(b, "item", item))
}

const (
	evItemAdded   = "response.output_item.added"
	evItemDone    = "response.output_item.done"
	evPartAdded   = "response.content_part.added"
	evPartDone    = "response.content_part.done"
	evTextDelta   = "response.output_text.delta"
	evTextDone    = "response.output_text.done"
	evRefuseDelta = "response.refusal.delta"
	evRefuseDone  = "response.refusal.done"
	evArgsDelta   = "response.function_call_arguments.delta"
	evArgsDone    = "response.function_call_arguments.done"
	evSumAdded    = "response.reasoning_summary_part.added"
	evSumDone     = "response.reasoning_summary_part.done"
	evSumDelta    = "response.reasoning_summary_text.delta"
	evSumText     = "response.reasoning_summary_text.done"
)

// inItem begins an event about a part of an item.
func (s *streamEncoder) inItem(name, id string, index int) []byte {
	b := wire.Str(s.open(name), "item_id", id)
	return wire.Num(b, "output_index", int64(index))
}

// AppendEnd closes what is open and sends the terminal event.
func (s *streamEncoder) AppendEnd(dst []byte, f *dialect.Facts) []byte {
	dst = s.begin(dst, "")
	dst = s.closeWords(s.closeThought(dst))
	for _, c := range s.calls {
		dst = s.closeCall(dst, c)
	}
	s.obj.status = statusOf(s.obj.finish)
	s.obj.usage = usageOf(&s.usage, f)
	return s.whole(dst, "response."+s.obj.status)
}

// AppendStreamError appends the terminal error event. Its members stand both
// at the top, as the API's document has them, and under error, as its servers
// send them. The encoder's sequence is not known here, so the number is 0.
func (Codec) AppendStreamError(dst []byte, e *llm.Error, _ *dialect.Facts) []byte {
	typ, code := openai.ErrorWords(e)
	words := func(b []byte) []byte {
		b = wire.StrOrNull(b, "code", code)
		b = wire.Str(b, "message", e.Message)
		return wire.StrOrNull(b, "param", e.Param)
	}
	b := words(append(dst, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0"...))
	b = wire.Str(append(b, `,"error":{`...), "type", typ)
	return append(words(b), "}}\n\n"...)
}
