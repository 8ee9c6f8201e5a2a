package chain

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Gate is where the attempts wait that a provider account has refused for the
// moment. All chains that lead to the account share it. One waiter at a time, in
// the order in which they came, asks the account again, so that however many
// wait, the counters, which may be in another process, are asked a few times and
// not by all at once. It is safe for concurrent use.
type Gate struct {
	turn    chan struct{} // held by the waiter who asks
	free    chan struct{} // signalled when an attempt has ended
	waiting atomic.Int64
}

// NewGate makes a Gate.
func NewGate() *Gate {
	return &Gate{turn: make(chan struct{}, 1), free: make(chan struct{}, 1)}
}

// freed tells the waiter who asks that something was given back.
func (g *Gate) freed() {
	select {
	case g.free <- struct{}{}:
	default: // told already
	}
}

// waiter is one attempt that waits.
type waiter struct {
	*Limit
	c       *llm.Call
	until   time.Time
	held    string // the limit that refused it last
	refusal *llm.Error
}

// wait asks the account until it admits the attempt or refuses it for good.
func (w *waiter) wait(ctx context.Context) (Pass, error) {
	g := w.o.Gate
	ahead := g.waiting.Add(1) - 1
	defer g.waiting.Add(-1)
	if w.hopeless(ahead) {
		return nil, w.refusal
	}
	asked := ahead == 0
	if err := w.take(ctx, g); err != nil {
		return nil, err
	}
	defer func() { <-g.turn }()
	for {
		if asked {
			if w.hopeless(0) {
				return nil, w.refusal
			}
			if err := w.pause(ctx, g); err != nil {
				return nil, err
			}
		}
		p, held, err := w.o.Admit(ctx, w.c)
		if err == nil || held == "" {
			return p, err
		}
		w.held, w.refusal, asked = held, llm.AsError(err), true
	}
}

// hopeless reports whether waiting is in vain with so many others ahead. When a
// slot becomes free no one knows. Of the rate it is known; what the refusal says
// then holds for this waiter.
func (w *waiter) hopeless(ahead int64) bool {
	left := time.Until(w.until)
	if left <= 0 {
		return true
	}
	if w.held == LimitPace && ahead > 0 {
		e := *w.refusal
		e.RetryAfter += time.Duration(ahead) * w.o.Pace
		w.refusal = &e
	}
	return w.held != LimitSlots && w.refusal.RetryAfter > left
}

// take waits for the turn to ask.
func (w *waiter) take(ctx context.Context, g *Gate) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	default:
	}
	t := time.NewTimer(time.Until(w.until))
	defer t.Stop()
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-t.C:
		return w.refusal
	case <-ctx.Done():
		return llm.ContextError(ctx)
	}
}

// pause waits until there is a reason to ask again: the time that the refusal
// named has passed, an attempt has given something back, or other processes may
// have.
func (w *waiter) pause(ctx context.Context, g *Gate) error {
	d, free := time.Until(w.until), g.free
	switch {
	case w.held == LimitPace:
		d, free = min(d, w.refusal.RetryAfter), nil // nobody gives time back
	case w.held == LimitTokens:
		d = min(d, w.refusal.RetryAfter)
	}
	if w.o.Poll > 0 && free != nil {
		d = min(d, w.o.Poll+rand.N(w.o.Poll)) //nolint:gosec // jitter
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-free:
		return nil
	case <-t.C:
		return nil
	case <-ctx.Done():
		return llm.ContextError(ctx)
	}
}
