package service

import (
	"context"
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
		if resp, err = llm.Collect(reply.Stream); err != nil {
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
