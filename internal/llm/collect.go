package llm

import (
	"errors"
	"io"
)

// partSize is what a part of an answer takes in memory beside its text.
const partSize = 256

// Collect reads a canonical stream to its end and returns the whole answer. It
// does not close the stream.
func Collect(st Stream) (*Response, error) {
	var c Collector
	for {
		ev, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return c.Response(), nil
		}
		if err != nil {
			return nil, err
		}
		c.Add(ev)
	}
}

// Collector puts the events of a stream together into the answer that they
// make. The zero value is ready. Texts grow in buffers, as strings would be
// copied whole with each piece.
//
// Text that follows text of its kind belongs to the same part; pieces of
// reasoning are told apart by their Block and those of tool calls by their
// Index, so that they may come interleaved. Bytes that pass through are not
// looked into: of an EventRaw only Usage and Finish count.
type Collector struct {
	resp   Response
	texts  [][]byte    // the text of each part
	tools  map[int]int // Index of a tool call → its part
	blocks map[int]int // Block of reasoning → its part
	size   int
}

// Add takes one event, of which it keeps no memory but its strings.
func (c *Collector) Add(ev *Event) {
	if ev.Usage != nil {
		c.resp.Usage = *ev.Usage
	}
	if ev.Finish != "" {
		c.resp.Finish = ev.Finish
	}
	switch ev.Kind {
	case EventStart:
		c.resp.ID, c.resp.Model = ev.ID, ev.Model
	case EventText:
		c.text(PartText, ev.Text)
	case EventRefusal:
		c.text(PartRefusal, ev.Text)
	case EventReasoning:
		c.reasoning(ev)
	case EventToolCall:
		c.tool(ev)
	case EventFinish:
		c.resp.NativeFinish, c.resp.StopSequence = ev.Native, ev.StopSequence
	}
}

// Size returns about how many bytes of memory the parts of the answer take so
// far; 0 means that there are none.
func (c *Collector) Size() int { return c.size }

// Response returns the answer. It shares the collector's memory: events that
// are added later may or may not show in it.
func (c *Collector) Response() *Response {
	for i := range c.resp.Parts {
		p, s := &c.resp.Parts[i], string(c.texts[i])
		switch p.Type {
		case PartReasoning:
			p.Reasoning.Text = s
		case PartToolCall:
			p.ToolCall.Arguments = s
		default:
			p.Text = s
		}
	}
	return &c.resp
}

// part appends a part and returns its place.
func (c *Collector) part(p Part) int {
	c.resp.Parts = append(c.resp.Parts, p)
	c.texts = append(c.texts, nil)
	c.size += partSize
	return len(c.texts) - 1
}

// grow appends a piece to the text of a part.
func (c *Collector) grow(part int, s string) {
	c.texts[part] = append(c.texts[part], s...)
	c.size += len(s)
}

func (c *Collector) text(t PartType, s string) {
	n := len(c.texts) - 1
	if n < 0 || c.resp.Parts[n].Type != t {
		n = c.part(Part{Type: t})
	}
	c.grow(n, s)
}

func (c *Collector) reasoning(ev *Event) {
	i, ok := c.blocks[ev.Block]
	if !ok {
		i = c.part(Part{Type: PartReasoning, Reasoning: &Reasoning{}})
		c.blocks = put(c.blocks, ev.Block, i)
	}
	c.grow(i, ev.Text)
	r := c.resp.Parts[i].Reasoning
	if ev.Signature != "" || ev.Redacted != "" {
		r.Signature, r.Redacted = ev.Signature, ev.Redacted
		c.size += len(ev.Signature) + len(ev.Redacted)
	}
	if ev.Origin != 0 {
		r.Origin = ev.Origin
	}
	if ev.ID != "" {
		r.ID = ev.ID
	}
}

func (c *Collector) tool(ev *Event) {
	i, ok := c.tools[ev.Index]
	if !ok {
		i = c.part(Part{Type: PartToolCall, ToolCall: &ToolCall{}})
		c.tools = put(c.tools, ev.Index, i)
	}
	c.grow(i, ev.Text)
	tc := c.resp.Parts[i].ToolCall
	if ev.ID != "" {
		tc.ID = ev.ID
	}
	if ev.Name != "" {
		tc.Name = ev.Name
	}
	if ev.Signature != "" {
		tc.Signature = ev.Signature
		c.size += len(ev.Signature)
	}
}

func put(m map[int]int, k, v int) map[int]int {
	if m == nil {
		m = map[int]int{}
	}
	m[k] = v
	return m
}
