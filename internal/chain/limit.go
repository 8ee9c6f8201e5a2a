package chain

import (
	"context"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/backoff"
	"github.com/llm-gateway/llm-gateway/pkg/bucket"
)

// GateOptions sets the limits of one provider account.
type GateOptions struct {
	RPS         float64 // requests per second; 0 = no limit
	Burst       int     // requests at once after a rest; 0 = RPS, rounded up
	Concurrency int     // requests under way at once, streams until their end; 0 = no limit
	TPM         int64   // tokens per minute; 0 = no limit; see LimitOptions.Estimate
}

// Gate holds the state of a provider account's limits. All chains that lead to
// the account share it. It is safe for concurrent use.
type Gate struct {
	pace   *rate.Limiter  // nil = no limit
	slots  chan struct{}  // holds one element for each request under way; nil = no limit
	tokens *bucket.Bucket // nil = no limit
}

// NewGate makes a Gate.
func NewGate(o GateOptions) *Gate {
	g := &Gate{}
	if o.RPS > 0 {
		burst := o.Burst
		if burst <= 0 {
			burst = int(math.Ceil(min(o.RPS, math.MaxInt32)))
		}
		g.pace = rate.NewLimiter(rate.Limit(o.RPS), burst)
	}
	if o.Concurrency > 0 {
		g.slots = make(chan struct{}, o.Concurrency)
	}
	if o.TPM > 0 {
		g.tokens = bucket.New(bucket.Options{Limit: o.TPM, Per: time.Minute})
	}
	return g
}

// InFlight returns how many requests hold a slot; always 0 without a limit.
func (g *Gate) InFlight() int { return len(g.slots) }

func (g *Gate) release() {
	if g.slots != nil {
		<-g.slots
	}
}

// LimitObserver is told when a request could not pass a gate at once: which
// limit (concurrency, tpm, rps) held it, how long it waited, and whether it passed.
type LimitObserver interface {
	LimitHeld(limit string, waited time.Duration, passed bool)
}

// The names of the limits.
const (
	limitSlots  = "concurrency"
	limitTokens = "tpm"
	limitPace   = "rps"
)

// LimitOptions makes a Limit.
type LimitOptions struct {
	Provider string
	Gate     *Gate         // nil = no limits
	MaxWait  time.Duration // longest wait for all limits together; 0 = 1 s, negative = none
	Observer LimitObserver // nil = nobody

	// Estimate says about how many tokens a call's prompt has and the most that
	// its answer can have (below 0 = it does not say). It is asked only for a
	// gate that limits tokens; nil = each call takes one.
	Estimate func(c *llm.Call) (prompt, output int64)
}

// Limit keeps a provider account's own limits, attempt by attempt. A request
// that cannot pass within MaxWait is refused with KindUpstreamRateLimited, as
// the provider itself would do: the service goes to the next target, the client
// sees 429 with Retry-After. Since nothing reached the provider (Attempts is 0),
// Retry does not try again: the bounded wait here was the patience there is.
type Limit struct {
	next llm.Provider
	o    LimitOptions
}

// NewLimit decorates a provider.
func NewLimit(next llm.Provider, o LimitOptions) *Limit {
	if o.Gate == nil {
		o.Gate = &Gate{}
	}
	if o.MaxWait == 0 {
		o.MaxWait = time.Second
	}
	return &Limit{next: next, o: o}
}

// Do performs the call when the gate lets it pass. The slot is free again when
// the call has ended.
func (l *Limit) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	g := l.o.Gate
	var waited time.Duration
	var t claim
	if g.tokens != nil {
		t = l.demand(c)
	}
	if !g.enter(t) {
		var e *llm.Error
		if waited, e = l.queue(ctx, c, t); e != nil {
			return nil, e
		}
	}
	reply, err := l.next.Do(ctx, c)
	if waited > 0 {
		err = addWait(reply, err, waited)
	}
	if d, over := llm.Settled(reply, err); over {
		g.leave(t, &d)
		return reply, err
	}
	llm.OnDone(reply, nil, func(d llm.Done) { g.leave(t, &d) })
	return reply, nil
}

// enter passes the gate if that is possible without waiting.
func (g *Gate) enter(t claim) bool {
	if g.slots != nil {
		select {
		case g.slots <- struct{}{}:
		default:
			return false
		}
	}
	if g.tokens != nil {
		if _, ok := g.tokens.Reserve(t.tokens); !ok {
			g.release()
			return false
		}
	}
	if g.pace != nil && !g.pace.Allow() {
		g.giveBack(t)
		g.release()
		return false
	}
	return true
}

// queue waits for a slot, then for tokens, then for the pace. A slot that waits
// for its turn is held meanwhile: when the pace is what limits, slots are not
// scarce.
func (l *Limit) queue(ctx context.Context, c *llm.Call, t claim) (time.Duration, *llm.Error) {
	start := time.Now()
	patience := max(l.o.MaxWait, 0)
	if left, ok := remaining(ctx, c); ok {
		patience = min(patience, left)
	}
	held, e := limitSlots, l.waitSlot(ctx, patience)
	if e == nil {
		if waited, err := l.waitTokens(ctx, t, patience-time.Since(start)); waited || err != nil {
			held, e = limitTokens, err
		}
	}
	if e == nil {
		if waited, err := l.waitPace(ctx, patience-time.Since(start)); waited || err != nil {
			held, e = limitPace, err
			if err != nil {
				l.o.Gate.giveBack(t)
			}
		}
	}
	took := time.Since(start)
	if l.o.Observer != nil {
		l.o.Observer.LimitHeld(held, took, e == nil)
	}
	return took, e
}

// waitSlot takes a slot within d.
func (l *Limit) waitSlot(ctx context.Context, d time.Duration) *llm.Error {
	g := l.o.Gate
	if g.slots == nil {
		return nil
	}
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	if d <= 0 {
		return l.refusal(limitSlots, time.Second)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-t.C:
		// When a slot becomes free no one knows; a second is what clients of a
		// busy provider are commonly told.
		return l.refusal(limitSlots, time.Second)
	case <-ctx.Done():
		return llm.ContextError(ctx)
	}
}

// waitPace takes a turn within d, or gives the slot back.
func (l *Limit) waitPace(ctx context.Context, d time.Duration) (waited bool, e *llm.Error) {
	g := l.o.Gate
	if g.pace == nil || g.pace.Allow() {
		return false, nil
	}
	turn := g.pace.Reserve()
	delay := turn.Delay()
	if delay > d {
		e = l.refusal(limitPace, delay)
	} else if backoff.Wait(ctx, delay) != nil {
		e = llm.ContextError(ctx)
	}
	if e != nil {
		turn.Cancel()
		g.release()
	}
	return true, e
}

func (l *Limit) refusal(limit string, retryAfter time.Duration) *llm.Error {
	what := "concurrent requests"
	switch limit {
	case limitPace:
		what = "requests per second"
	case limitTokens:
		what = "tokens per minute"
	}
	e := llm.Errorf(llm.KindUpstreamRateLimited, "the limit of %s for this provider account is reached", what)
	e.Provider, e.RetryAfter = l.o.Provider, retryAfter
	return e
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
