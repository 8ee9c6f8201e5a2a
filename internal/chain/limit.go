package chain

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Pass is an attempt that its provider account has admitted. Spend is called
// exactly once, when the attempt has ended: how, and what it has cost.
type Pass interface {
	Spend(d llm.Done, cost llm.Money)
}

// LimitObserver is told when an attempt could not be made at once: which limit
// (concurrency, tpm, rps) held it last, how long it waited, and whether it was
// made then.
type LimitObserver interface {
	LimitHeld(limit string, waited time.Duration, passed bool)
}

// The names of the limits that can be waited for.
const (
	LimitSlots  = "concurrency"
	LimitTokens = "tpm"
	LimitPace   = "rps"
)

// LimitOptions makes a Limit.
type LimitOptions struct {
	// Admit reserves for an attempt what the account allows, all or nothing. It
	// refuses with an *llm.Error, and held names the limit that is worth waiting
	// for, at least the error's RetryAfter; "" = none is. nil = no limits.
	Admit func(ctx context.Context, c *llm.Call) (p Pass, held string, err error)
	// Cost says what an attempt has cost: 0 for nothing, and for nobody knows.
	// nil = the account has no budget.
	Cost func(c *llm.Call, d llm.Done) llm.Money

	Gate     *Gate         // where attempts wait; nil = one of this Limit's own
	Pace     time.Duration // between two requests at the account's rate; 0 = it has none
	Poll     time.Duration // between two looks for what other processes give back; 0 = there are none
	MaxWait  time.Duration // longest wait for all limits together; 0 = 1 s, negative = none
	Observer LimitObserver // nil = nobody
}

// Limit keeps a provider account's limits, attempt by attempt: a retry, a hedge
// and the copy of a call use the account, too. What it refuses has not reached
// the provider (Attempts is 0): it is not tried again, since the bounded wait
// here was the patience there is; it is no failure of the target and costs
// nothing; the service goes to the next one.
type Limit struct {
	next llm.Provider
	o    LimitOptions
}

// NewLimit decorates a provider.
func NewLimit(next llm.Provider, o LimitOptions) *Limit {
	if o.Gate == nil {
		o.Gate = NewGate()
	}
	if o.MaxWait == 0 {
		o.MaxWait = time.Second
	}
	return &Limit{next: next, o: o}
}

// errPanicked settles an attempt that a panic has ended: it used nothing.
var errPanicked = llm.Errorf(llm.KindInternal, "a panic ended the attempt")

// Do performs the call when the account lets it. It counts as in flight until it
// has ended.
func (l *Limit) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	p, held, err := l.o.Admit(ctx, c)
	var waited time.Duration
	if err != nil {
		if held == "" {
			return nil, err
		}
		if p, waited, err = l.queue(ctx, c, held, err); err != nil {
			return nil, err
		}
	}
	returned := false
	defer func() {
		if !returned { // a panic on the way
			l.leave(p, c, llm.Done{Err: errPanicked})
		}
	}()
	reply, err := l.next.Do(ctx, c)
	returned = true
	if waited > 0 {
		err = addWait(reply, err, waited)
	}
	if d, over := llm.Settled(reply, err); over {
		l.leave(p, c, d)
		return reply, err
	}
	llm.OnDone(reply, nil, func(d llm.Done) { l.leave(p, c, d) })
	return reply, nil
}

func (l *Limit) leave(p Pass, c *llm.Call, d llm.Done) {
	cost := llm.Money(0)
	if l.o.Cost != nil {
		cost = l.o.Cost(c, d)
	}
	p.Spend(d, cost)
	l.o.Gate.freed()
}

// queue waits for an account that has just refused an attempt, and tells of it.
func (l *Limit) queue(ctx context.Context, c *llm.Call, held string, refusal error) (Pass, time.Duration, error) {
	start := time.Now()
	patience := max(l.o.MaxWait, 0)
	if left, ok := remaining(ctx, c); ok {
		patience = min(patience, left)
	}
	w := &waiter{Limit: l, c: c, until: start.Add(patience), held: held, refusal: llm.AsError(refusal)}
	p, err := w.wait(ctx)
	took := time.Since(start)
	if l.o.Observer != nil {
		l.o.Observer.LimitHeld(w.held, took, err == nil)
	}
	return p, took, err
}

// addWait counts the time at the gate as time spent waiting for the upstream.
func addWait(r *llm.Reply, err error, d time.Duration) error {
	if err == nil {
		r.Upstream += d
		return nil
	}
	e := *llm.AsError(err)
	e.Upstream += d
	return &e
}
