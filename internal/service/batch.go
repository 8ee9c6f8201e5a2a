package service

import (
	"context"
	"sync"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Batch performs calls, at most concurrency of them at once, and tells each
// outcome to done as it comes. done is called once for every call, from the
// caller's goroutine, in order of completion. When ctx ends, calls under way
// are cancelled and those not yet begun fail with ctx's error.
func (s *Service) Batch(ctx context.Context, calls []*llm.Call, concurrency int, done func(i int, r *Result, err error)) {
	type outcome struct {
		i   int
		r   *Result
		err error
	}
	next := make(chan int)
	outcomes := make(chan outcome)
	var workers sync.WaitGroup
	for range min(max(concurrency, 1), len(calls)) {
		workers.Go(func() {
			for i := range next {
				r, err := s.batchItem(ctx, calls[i])
				outcomes <- outcome{i, r, err}
			}
		})
	}
	workers.Go(func() {
		defer close(next)
		for i := range calls {
			next <- i
		}
	})
	for range calls {
		o := <-outcomes
		done(o.i, o.r, o.err)
	}
	workers.Wait()
}

func (s *Service) batchItem(ctx context.Context, c *llm.Call) (*Result, error) {
	if e := llm.ContextError(ctx); e != nil {
		return nil, e
	}
	return s.Generate(ctx, c)
}
