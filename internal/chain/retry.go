package chain

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

// RetryObserver is told of every repeated attempt before it is made, with the
// kind of the failure that caused it.
type RetryObserver interface {
	Retried(reason llm.Kind)
}

// RetryOptions makes a Retry. Zero fields have the defaults of contract §7.
type RetryOptions struct {
	Max     int             // retries after the first try; 0 = 2, negative = none
	Backoff backoff.Backoff // default: full jitter from 250 ms to 8 s

	// MaxRetryAfter is the longest wait that a provider may ask for and get;
	// when it asks for more, the caller better goes elsewhere; default 10 s.
	MaxRetryAfter time.Duration

	Budget   *RetryBudget  // the provider's; nil = one for this chain alone
	Observer RetryObserver // nil = nobody
	Events   EventTracer   // nil = nobody
}

// Retry repeats attempts that failed in a way that another one may not, within
// the number of tries, the call's deadline and the budget. A stream that fails
// before its first piece of content is repeated, later it is not. What could
// not be repeated is returned as it is, at once, so that the service can ask
// the next target: also when the provider wants a longer wait than it may have, or
// any wait for its rate limit while another target is free (Call.Elsewhere).
//
// The reply or error says how many attempts were made and how long the caller
// waited for them and between them.
type Retry struct {
	next llm.Provider
	o    RetryOptions
}

// NewRetry decorates a provider, which must count its attempts: an error with
// none is a refusal by the gateway itself and is never repeated.
func NewRetry(next llm.Provider, o RetryOptions) *Retry {
	if o.Max == 0 {
		o.Max = 2
	}
	if o.MaxRetryAfter <= 0 {
		o.MaxRetryAfter = 10 * time.Second
	}
	if o.Budget == nil {
		o.Budget = NewRetryBudget(BudgetOptions{})
	}
	return &Retry{next: next, o: o}
}

// Do performs the call, if need be more than once.
func (r *Retry) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	r.o.Budget.Request()
	var sum spent
	for n := 0; ; n++ {
		reply, e := r.try(ctx, c)
		if e == nil {
			reply.Attempts += sum.attempts
			reply.Upstream += sum.upstream
			return reply, nil
		}
		sum.attempts += e.Attempts
		sum.upstream += e.Upstream
		if ended := llm.ContextError(ctx); ended != nil && e.Retryable() {
			return nil, sum.of(ended)
		}
		delay, again := r.plan(ctx, c, n, e)
		if !again {
			return nil, sum.of(e)
		}
		if r.o.Observer != nil {
			r.o.Observer.Retried(e.Kind)
		}
		if r.o.Events != nil {
			r.o.Events.Retrying(ctx, e.Kind, delay)
		}
		start := time.Now()
		err := backoff.Wait(ctx, delay)
		sum.upstream += time.Since(start)
		if err != nil {
			return nil, sum.of(llm.ContextError(ctx))
		}
	}
}

// try makes one attempt, for a stream up to its first piece of content.
func (r *Retry) try(ctx context.Context, c *llm.Call) (*llm.Reply, *llm.Error) {
	reply, err := r.next.Do(ctx, c)
	if err != nil {
		return nil, llm.AsError(err)
	}
	if err := prime(reply); err != nil {
		_ = reply.Close() // err already says what went wrong
		e := *llm.AsError(err)
		e.Attempts, e.Upstream = reply.Attempts, reply.Upstream
		if e.Provider == "" {
			e.Provider = reply.Provider
		}
		return nil, &e
	}
	return reply, nil
}

// plan decides whether try n, which failed with e, is followed by another, and
// after what wait. Callers that a provider told to wait equally long are spread
// out, too.
func (r *Retry) plan(ctx context.Context, c *llm.Call, n int, e *llm.Error) (time.Duration, bool) {
	if n >= r.o.Max || e.Attempts == 0 || !e.Retryable() && !nextCredential(e) {
		return 0, false
	}
	delay := r.o.Backoff.Delay(n)
	if nextCredential(e) {
		delay = 0 // what another credential is refused says nothing of this one
	}
	if e.RetryAfter > 0 {
		if e.RetryAfter > r.o.MaxRetryAfter || c.Elsewhere && e.Kind == llm.KindUpstreamRateLimited {
			return 0, false
		}
		delay = e.RetryAfter + r.o.Backoff.Jitter(r.o.Backoff.Ceiling(0))
	}
	if left, limited := remaining(ctx, c); limited && delay >= left {
		return 0, false
	}
	return delay, r.o.Budget.Take()
}

// nextCredential reports whether a refused credential has been set aside and
// another takes its place. A provider that has none left says Permanent.
func nextCredential(e *llm.Error) bool { return e.Kind == llm.KindUpstreamAuth && !e.Permanent }

// spent is what the tries so far have cost.
type spent struct {
	attempts int
	upstream time.Duration
}

// of returns a copy of e that carries the sum.
func (s *spent) of(e *llm.Error) *llm.Error {
	c := *e
	c.Attempts, c.Upstream = s.attempts, s.upstream
	return &c
}
