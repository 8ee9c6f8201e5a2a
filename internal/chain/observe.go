package chain

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// CallObserver watches the calls to one target, retries included as one.
// CallStarted and CallEnded come in pairs, so that their difference is what is
// in flight; CallEnded comes when the call has really ended, a stream with its
// last event. Neither may block; both may be called from several goroutines.
type CallObserver interface {
	CallStarted(c *llm.Call)

	// CallEnded gets the outcome with its usage, the time from the call's start
	// to its end, and the time from the start to the first piece of a stream's
	// answer, 0 when none came. Time per output token is (took - firstToken) /
	// (d.Usage.Output - 1).
	CallEnded(c *llm.Call, d llm.Done, took, firstToken time.Duration)
}

// ObserveOptions makes an Observe.
type ObserveOptions struct {
	Observer CallObserver // must not be nil
}

// Observe is the outermost decorator: it reports each call once at its start
// and once at its end.
type Observe struct {
	next llm.Provider
	o    ObserveOptions
}

// NewObserve decorates a provider.
func NewObserve(next llm.Provider, o ObserveOptions) *Observe {
	return &Observe{next: next, o: o}
}

// Do performs the call and reports it.
func (o *Observe) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	start := time.Now()
	o.o.Observer.CallStarted(c)
	reply, err := o.next.Do(ctx, c)
	if d, over := llm.Settled(reply, err); over {
		o.o.Observer.CallEnded(c, d, time.Since(start), 0)
		return reply, err
	}
	llm.OnDone(reply, nil, func(d llm.Done) {
		var first time.Duration
		if !d.FirstAt.IsZero() {
			first = d.FirstAt.Sub(start)
		}
		o.o.Observer.CallEnded(c, d, time.Since(start), first)
	})
	return reply, nil
}
