package cache

import (
	"encoding/json"
	"io"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// pieceSize is how much of a kept stream makes a piece of its own: as much is
// written to a client at once when it is given again.
const pieceSize = 32 << 10

// partSize is what a part of a canonical answer takes beside its text.
const partSize = 256

// recorder gathers a stream that passes by, up to a size.
type recorder struct {
	c      *llm.Call
	e      entry
	max    int // bytes of an entry
	over   bool
	raw    bool
	answer collector
	usage  llm.Usage
	finish llm.FinishReason
}

func newRecorder(c *llm.Call, r *llm.Reply, limit int) *recorder {
	return &recorder{c: c, e: about(r), max: limit}
}

// add takes one event, whose bytes are copied.
func (r *recorder) add(ev *llm.Event) {
	if ev.Usage != nil {
		r.usage = *ev.Usage
	}
	if ev.Finish != "" {
		r.finish = ev.Finish
	}
	if r.over {
		return
	}
	if ev.Kind == llm.EventRaw {
		r.raw = true
		r.piece(ev.Raw)
	} else {
		r.answer.add(ev)
	}
	if len(r.e.body)+r.answer.size > r.max {
		r.over, r.e.body, r.e.pieces, r.answer = true, nil, nil, collector{}
	}
}

func (r *recorder) piece(b []byte) {
	n := len(r.e.pieces)
	switch {
	case len(b) == 0:
		return
	case n > 0 && r.e.pieces[n-1]+len(b) <= pieceSize:
		r.e.pieces[n-1] += len(b)
	default:
		r.e.pieces = append(r.e.pieces, len(b))
	}
	r.e.body = append(r.e.body, b...)
}

// entry returns the bytes of the entry of a stream that has come to its end,
// nil when it must not be kept.
func (r *recorder) entry() []byte {
	if r.over || !worth(r.c, r.finish) {
		return nil
	}
	r.e.usage, r.e.finish = r.usage, r.finish
	if r.raw {
		r.e.kind = kindStream
		if len(r.e.body) == 0 || r.answer.size > 0 {
			return nil // of both kinds: nothing that could be given again
		}
		return r.e.append(make([]byte, 0, len(r.e.body)+headRoom))
	}
	resp := r.answer.response()
	resp.Usage, resp.Finish, resp.Created = r.usage, r.finish, time.Now().Unix()
	b, err := json.Marshal(resp)
	if err != nil {
		return nil
	}
	r.e.kind, r.e.body, r.e.dialect = kindResponse, b, 0
	return r.e.append(make([]byte, 0, len(b)+headRoom))
}

// collector makes a whole answer of canonical events. Texts grow in buffers, as
// strings would be copied with each piece.
type collector struct {
	resp   llm.Response
	texts  [][]byte    // the text of each part
	tools  map[int]int // tool index → part
	blocks map[int]int // reasoning block → part
	size   int
}

func (c *collector) add(ev *llm.Event) {
	c.size += len(ev.Text) + len(ev.Signature) + len(ev.Redacted)
	switch ev.Kind {
	case llm.EventStart:
		c.resp.ID, c.resp.Model = ev.ID, ev.Model
	case llm.EventText:
		c.text(llm.PartText, ev.Text)
	case llm.EventRefusal:
		c.text(llm.PartRefusal, ev.Text)
	case llm.EventReasoning:
		c.reasoning(ev)
	case llm.EventToolCall:
		c.tool(ev)
	case llm.EventFinish:
		c.resp.NativeFinish, c.resp.StopSequence = ev.Native, ev.StopSequence
	}
}

// part appends a part and returns its place.
func (c *collector) part(p llm.Part) int {
	c.resp.Parts = append(c.resp.Parts, p)
	c.texts = append(c.texts, nil)
	c.size += partSize
	return len(c.texts) - 1
}

func (c *collector) text(t llm.PartType, s string) {
	n := len(c.texts) - 1
	if n < 0 || c.resp.Parts[n].Type != t {
		n = c.part(llm.Part{Type: t})
	}
	c.texts[n] = append(c.texts[n], s...)
}

func (c *collector) reasoning(ev *llm.Event) {
	i, ok := c.blocks[ev.Block]
	if !ok {
		i = c.part(llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{}})
		c.blocks = put(c.blocks, ev.Block, i)
	}
	r := c.resp.Parts[i].Reasoning
	c.texts[i] = append(c.texts[i], ev.Text...)
	if ev.Signature != "" || ev.Redacted != "" {
		r.Signature, r.Redacted = ev.Signature, ev.Redacted
	}
	if ev.Origin != 0 {
		r.Origin = ev.Origin
	}
	if ev.ID != "" {
		r.ID = ev.ID
	}
}

func (c *collector) tool(ev *llm.Event) {
	i, ok := c.tools[ev.Index]
	if !ok {
		i = c.part(llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{}})
		c.tools = put(c.tools, ev.Index, i)
	}
	tc := c.resp.Parts[i].ToolCall
	c.texts[i] = append(c.texts[i], ev.Text...)
	if ev.ID != "" {
		tc.ID = ev.ID
	}
	if ev.Name != "" {
		tc.Name = ev.Name
	}
	if ev.Signature != "" {
		tc.Signature = ev.Signature
	}
}

func put(m map[int]int, k, v int) map[int]int {
	if m == nil {
		m = map[int]int{}
	}
	m[k] = v
	return m
}

// response returns the answer. It is called once.
func (c *collector) response() *llm.Response {
	for i := range c.resp.Parts {
		p, s := &c.resp.Parts[i], string(c.texts[i])
		switch p.Type {
		case llm.PartReasoning:
			p.Reasoning.Text = s
		case llm.PartToolCall:
			p.ToolCall.Arguments = s
		default:
			p.Text = s
		}
	}
	return &c.resp
}

// recorded is a stream that a recorder watches on its way to the one reader.
type recorded struct {
	llm.Stream
	rec  *recorder
	keep func(value []byte)
}

// Recv passes an event on.
func (s *recorded) Recv() (*llm.Event, error) {
	ev, err := s.Stream.Recv()
	switch {
	case s.rec == nil:
	case err == nil:
		s.rec.add(ev)
	default:
		if err == io.EOF {
			s.keep(s.rec.entry())
		}
		s.rec = nil
	}
	return ev, err
}
