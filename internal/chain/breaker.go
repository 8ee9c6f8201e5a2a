package chain

import (
	"context"
	"errors"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// BreakerOptions makes a Breaker.
type BreakerOptions struct {
	Provider string
	Circuit  *breaker.Breaker // the target's; must not be nil
	Events   EventTracer      // nil = nobody
}

// Breaker refuses calls to a target that fails, with KindOverloaded and the
// time until the circuit is half-open. The outcome of a call is reported when
// it has ended: a stream that was cut is a failure. Only kinds that trip
// (llm.Traits) count as failures; everything else that is no success says
// nothing about the target: cancellation, a client that left, the caller's own
// faults, and a deadline that the caller set.
type Breaker struct {
	next llm.Provider
	o    BreakerOptions
}

// NewBreaker decorates a provider.
func NewBreaker(next llm.Provider, o BreakerOptions) *Breaker {
	return &Breaker{next: next, o: o}
}

// Do performs the call if the circuit lets it pass.
func (b *Breaker) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	ticket, wait, ok := b.allow(ctx)
	if !ok {
		return nil, &llm.Error{
			Kind: llm.KindOverloaded, Message: "the provider is failing, its circuit is open",
			Provider: b.o.Provider, RetryAfter: wait,
		}
	}
	reply, err := b.next.Do(ctx, c)
	if d, over := llm.Settled(reply, err); over {
		b.report(ctx, ticket, judge(ctx, c, d))
		return reply, err
	}
	b.follow(ctx, c, reply, ticket)
	return reply, nil
}

// follow reports a stream's outcome at its end. A probe is different: streams
// last minutes, and no one may wait so long to learn that the target works
// again. Its first piece of content is the success; what comes later belongs
// to an old generation.
func (b *Breaker) follow(ctx context.Context, c *llm.Call, r *llm.Reply, ticket breaker.Ticket) {
	reported := false
	llm.OnDone(r, nil, func(d llm.Done) {
		if !reported {
			reported = true
			b.report(ctx, ticket, judge(ctx, c, d))
		}
	})
	if ticket.Probe() && prime(r) == nil && !reported {
		reported = true
		b.report(ctx, ticket, breaker.Success)
	}
}

// allow asks the circuit for permission.
func (b *Breaker) allow(ctx context.Context) (breaker.Ticket, time.Duration, bool) {
	if b.o.Events == nil {
		return b.o.Circuit.Allow()
	}
	before := b.o.Circuit.State()
	ticket, wait, ok := b.o.Circuit.Allow()
	b.trace(ctx, before, !ok)
	return ticket, wait, ok
}

// report tells the circuit how a call ended.
func (b *Breaker) report(ctx context.Context, t breaker.Ticket, r breaker.Result) {
	if b.o.Events == nil {
		b.o.Circuit.Report(t, r)
		return
	}
	before := b.o.Circuit.State()
	b.o.Circuit.Report(t, r)
	b.trace(ctx, before, false)
}

// trace notes a change of state on the span of the call under whose hands it
// happened. Of two calls that end at the same moment both may see it; the
// metrics count it once.
func (b *Breaker) trace(ctx context.Context, before breaker.State, refused bool) {
	if now := b.o.Circuit.State(); now != before || refused {
		b.o.Events.CircuitChanged(ctx, before.String(), now.String())
	}
}

// judge says what a call's outcome means for the circuit.
func judge(ctx context.Context, c *llm.Call, d llm.Done) breaker.Result {
	switch {
	case d.Gone:
		return breaker.Ignored
	case d.Err == nil:
		return breaker.Success
	case !d.Err.Kind.Traits().Trips || callersDeadline(ctx, c, d.Err):
		return breaker.Ignored
	}
	return breaker.Failure
}

// callersDeadline reports whether a failure is only the end of the time that
// the caller gave: its deadline has passed, or its context has ended for a
// reason that is no clock of the gateway (an *llm.Error as the cause). One
// impatient caller must not close a target to all.
func callersDeadline(ctx context.Context, c *llm.Call, e *llm.Error) bool {
	if e.Status != 0 {
		return false
	}
	if !c.Deadline.IsZero() && e.Kind == llm.KindTimeout && !time.Now().Before(c.Deadline) {
		return true
	}
	var ours *llm.Error
	return ctx.Err() != nil && !errors.As(context.Cause(ctx), &ours)
}
