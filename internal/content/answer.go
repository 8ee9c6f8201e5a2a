package content

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/responses"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// reader reads answers that pass through untranslated.
type reader interface {
	DecodeResponse(op llm.Op, body []byte) (*llm.Response, error)
	NewStreamDecoder() dialect.StreamDecoder
}

// readerOf returns the reader of a dialect in which answers can pass through;
// nil for the others.
func readerOf(d llm.Dialect) reader {
	switch d {
	case llm.DialectOpenAI:
		return openai.Codec{}
	case llm.DialectAnthropic:
		return anthropic.Codec{}
	case llm.DialectResponses:
		return responses.Codec{}
	}
	return nil
}

// partSize is what a part takes in memory and in JSON beside its text.
const partSize = 48

// answer gathers the answer to one call, up to a bound.
type answer struct {
	max    int // bytes
	size   int
	parts  []piece
	tools  map[int]int // tool index → part
	blocks map[int]int // reasoning block → part
	finish llm.FinishReason
	over   bool // there is more than was gathered

	dec    dialect.StreamDecoder // of a stream that passes through
	events []llm.Event           // its scratch
}

// piece is one part of an answer.
type piece struct {
	kind     llm.PartType
	id, name string // of a tool call
	text     []byte
}

func newAnswer(limit int) *answer { return &answer{max: limit} }

// passes says in which dialect the stream's raw events are.
func (a *answer) passes(d llm.Dialect) {
	if r := readerOf(d); r != nil {
		a.dec = r.NewStreamDecoder()
	}
}

// whole takes a whole answer.
func (a *answer) whole(op llm.Op, r *llm.Reply) {
	resp := r.Response
	a.finish = r.Finish
	if op != llm.OpChat {
		return // vectors and counts are nobody's words
	}
	if resp == nil {
		var err error
		read := readerOf(r.Dialect)
		if read == nil {
			a.over = true
			return
		}
		if resp, err = read.DecodeResponse(op, r.Raw); err != nil {
			a.over = true
			return
		}
	}
	for i := range resp.Parts {
		a.part(&resp.Parts[i])
	}
}

func (a *answer) part(p *llm.Part) {
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		a.write(a.open(piece{kind: p.Type}), p.Text)
	case llm.PartReasoning:
		a.write(a.open(piece{kind: p.Type}), p.Reasoning.Text)
	case llm.PartToolCall:
		a.write(a.open(piece{kind: p.Type, id: p.ToolCall.ID, name: p.ToolCall.Name}), p.ToolCall.Arguments)
	}
}

// add takes one event of a stream.
func (a *answer) add(ev *llm.Event) {
	if ev.Finish != "" {
		a.finish = ev.Finish
	}
	switch {
	case a.over:
	case ev.Kind == llm.EventRaw:
		a.raw(ev.Raw)
	default:
		a.canonical(ev)
	}
}

// raw reads the events whose bytes pass through.
func (a *answer) raw(b []byte) {
	if a.dec == nil {
		return
	}
	rd := sse.NewReader(bytes.NewReader(b), sse.Options{Buffer: len(b) + 1})
	defer rd.Release()
	for !a.over {
		ev, err := rd.Next()
		if err != nil {
			return
		}
		if ev.Data == nil {
			continue
		}
		a.events, err = a.dec.Decode(a.events[:0], ev)
		for i := range a.events {
			a.canonical(&a.events[i])
		}
		if err != nil {
			a.dec = nil // the end, or nothing that can be read
			return
		}
	}
}

func (a *answer) canonical(ev *llm.Event) {
	switch ev.Kind {
	case llm.EventText:
		a.write(a.same(llm.PartText), ev.Text)
	case llm.EventRefusal:
		a.write(a.same(llm.PartRefusal), ev.Text)
	case llm.EventReasoning:
		i, ok := a.blocks[ev.Block]
		if !ok {
			i = a.open(piece{kind: llm.PartReasoning})
			a.blocks = put(a.blocks, ev.Block, i)
		}
		a.write(i, ev.Text)
	case llm.EventToolCall:
		a.tool(ev)
	}
}

func (a *answer) tool(ev *llm.Event) {
	i, ok := a.tools[ev.Index]
	if !ok {
		i = a.open(piece{kind: llm.PartToolCall})
		a.tools = put(a.tools, ev.Index, i)
	}
	if i < 0 {
		return
	}
	if ev.ID != "" {
		a.parts[i].id = ev.ID
	}
	if ev.Name != "" {
		a.parts[i].name = ev.Name
	}
	a.write(i, ev.Text)
}

// same returns the last part if it is of a kind, else a new one.
func (a *answer) same(kind llm.PartType) int {
	if n := len(a.parts) - 1; n >= 0 && a.parts[n].kind == kind {
		return n
	}
	return a.open(piece{kind: kind})
}

// open begins a part and returns its place, -1 when there is no room for it.
func (a *answer) open(p piece) int {
	if a.size += partSize; a.size > a.max {
		a.over = true
		return -1
	}
	a.parts = append(a.parts, p)
	return len(a.parts) - 1
}

// write adds to a part what there is room for.
func (a *answer) write(i int, s string) {
	if i < 0 {
		return
	}
	if room := a.max - a.size; len(s) > room {
		s, a.over = s[:max(room, 0)], true
	}
	a.size += len(s)
	a.parts[i].text = append(a.parts[i].text, s...)
}

func put(m map[int]int, k, v int) map[int]int {
	if m == nil {
		m = map[int]int{}
	}
	m[k] = v
	return m
}

// render returns the answer as a list of one message, nothing when it has no
// words.
func (a *answer) render(limit int) rendered {
	if len(a.parts) == 0 {
		return rendered{cut: a.over}
	}
	m := message{role: llm.RoleAssistant, finish: a.finish}
	for i := range a.parts {
		p := &a.parts[i]
		m.parts = append(m.parts, part{kind: p.kind, id: p.id, name: p.name, text: string(p.text)})
	}
	out := renderMessages([]message{m}, limit)
	out.cut = out.cut || a.over
	return out
}
