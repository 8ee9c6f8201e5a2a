package service

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Result is a whole answer with all that the gateway knows of it.
type Result struct {
	Response *llm.Response
	Provider string
	Model    string // the upstream's model that was asked
	Attempts int
	Cache    string
	Usage    llm.Usage
	Cost     *llm.Money // nil when the model has no price
	Latency  time.Duration
	Dropped  []string
}

// CallLLM sends one prompt to the default model and returns the answer's text.
// It is the shortest way to use the gateway from Go.
func (s *Service) CallLLM(ctx context.Context, prompt string) (string, error) {
	req := &llm.Request{Messages: []llm.Message{{
		Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: prompt}},
	}}}
	res, err := s.Generate(ctx, NewCall(req))
	if err != nil {
		return "", err
	}
	return res.Response.Text(), nil
}

// NewCall makes the call for a request that was built in the program rather
// than read from a client.
func NewCall(req *llm.Request) *llm.Call {
	return &llm.Call{
		Op: llm.OpChat, Dialect: llm.DialectNative, Model: req.Model, Stream: req.Stream,
		Request: func() (*llm.Request, error) { return req, nil },
		Meta:    &llm.Meta{RequestID: newID(), Caller: &llm.Caller{}, Tags: req.Tags},
	}
}

// Generate performs c and returns the whole answer, also when c is a stream:
// then it is collected. c must be of a dialect that is translated (native), as
// an answer that passes through has no canonical form.
func (s *Service) Generate(ctx context.Context, c *llm.Call) (*Result, error) {
	start := time.Now()
	reply, err := s.Do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer reply.Close()
	resp := reply.Response
	if reply.Stream != nil {
		if resp, err = Collect(reply.Stream); err != nil {
			return nil, err
		}
	}
	if resp == nil {
		return nil, llm.Errorf(llm.KindInternal, "the reply has no canonical form")
	}
	return newResult(reply, resp, time.Since(start)), nil
}

func newResult(reply *llm.Reply, resp *llm.Response, took time.Duration) *Result {
	res := &Result{
		Response: resp, Provider: reply.Provider, Model: reply.Model, Attempts: reply.Attempts,
		Cache: reply.Cache, Usage: resp.Usage, Latency: took, Dropped: reply.Dropped,
	}
	if reply.Price != nil && resp.Usage.Source != llm.UsageUnknown {
		if cost, ok := reply.Price.Cost(resp.Usage); ok {
			res.Cost = &cost
		}
	}
	return res
}

// Collect reads a canonical stream to its end into a whole answer.
func Collect(st llm.Stream) (*llm.Response, error) {
	c := collector{resp: &llm.Response{}, tools: map[int]int{}, blocks: map[int]int{}}
	for {
		ev, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return c.resp, nil
		}
		if err != nil {
			return nil, err
		}
		c.add(ev)
	}
}

type collector struct {
	resp   *llm.Response
	tools  map[int]int // tool index → index into resp.Parts
	blocks map[int]int // reasoning block → index into resp.Parts
}

func (c *collector) add(ev *llm.Event) {
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
		c.toolCall(ev)
	case llm.EventFinish:
		c.resp.Finish, c.resp.NativeFinish, c.resp.StopSequence = ev.Finish, ev.Native, ev.StopSequence
	case llm.EventUsage:
		c.resp.Usage = *ev.Usage
	}
}

// text joins text that follows text of the same kind.
func (c *collector) text(t llm.PartType, s string) {
	if n := len(c.resp.Parts); n > 0 && c.resp.Parts[n-1].Type == t {
		c.resp.Parts[n-1].Text += s
		return
	}
	c.resp.Parts = append(c.resp.Parts, llm.Part{Type: t, Text: s})
}

func (c *collector) reasoning(ev *llm.Event) {
	i, ok := c.blocks[ev.Block]
	if !ok {
		i = len(c.resp.Parts)
		c.blocks[ev.Block] = i
		c.resp.Parts = append(c.resp.Parts, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{}})
	}
	r := c.resp.Parts[i].Reasoning
	r.Text += ev.Text
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

func (c *collector) toolCall(ev *llm.Event) {
	i, ok := c.tools[ev.Index]
	if !ok {
		i = len(c.resp.Parts)
		c.tools[ev.Index] = i
		c.resp.Parts = append(c.resp.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{}})
	}
	tc := c.resp.Parts[i].ToolCall
	tc.Arguments += ev.Text
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
