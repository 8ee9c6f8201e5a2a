package chain

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// AttemptObserver is told of every attempt once it has ended: at a stream's
// end, not at its start. AttemptEnded must not block; it may be called from
// several goroutines at once.
type AttemptObserver interface {
	AttemptEnded(a Attempt)
}

// Attempt is one exchange with a provider and how it ended.
type Attempt struct {
	Call       *llm.Call
	Provider   string
	UpstreamID string // the provider's request id; "" when it gave none

	Start      time.Time
	Answered   time.Duration // from Start until the provider returned: error, whole answer or head of a stream
	FirstToken time.Duration // from Start until the first piece of a stream's answer; 0 when none came
	Took       time.Duration // from Start until the attempt had ended
	Done       llm.Done
}

// AttemptsOptions makes an Attempts.
type AttemptsOptions struct {
	Provider string          // the provider's name, for errors and replies that do not say it
	Observer AttemptObserver // nil = nobody
}

// Attempts is the innermost decorator. It makes a provider keep the contract of
// llm.Provider whatever it does: foreign errors become *llm.Error, the echo of
// an ended context becomes the context's reason, a panic becomes an internal
// error. It counts one attempt and reports it when it ends.
type Attempts struct {
	next llm.Provider
	o    AttemptsOptions
}

// NewAttempts decorates a provider.
func NewAttempts(next llm.Provider, o AttemptsOptions) *Attempts {
	return &Attempts{next: next, o: o}
}

// Do makes one attempt.
func (a *Attempts) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	start := time.Now()
	reply, err := a.call(ctx, c)
	took := time.Since(start)
	if err != nil {
		err = a.blame(ctx, err, took)
		a.settle(Attempt{Call: c, Start: start, Answered: took, Took: took, Done: llm.Done{Err: llm.AsError(err)}})
		return nil, err
	}
	a.sign(reply, c, took)
	rec := Attempt{Call: c, Start: start, Answered: took, Took: took, UpstreamID: reply.ID}
	var over bool
	if rec.Done, over = llm.Settled(reply, nil); over {
		a.settle(rec)
		return reply, nil
	}
	a.follow(ctx, reply, rec)
	return reply, nil
}

// call asks the provider and holds it to its contract.
func (a *Attempts) call(ctx context.Context, c *llm.Call) (reply *llm.Reply, err error) {
	defer rescue(&err)
	reply, err = a.next.Do(ctx, c)
	switch {
	case err != nil && reply != nil:
		_ = reply.Close() // err already says what went wrong
		reply = nil
	case err == nil && reply == nil:
		err = llm.Errorf(llm.KindInternal, "the provider returned neither an answer nor an error")
	}
	return reply, err
}

// blame returns the *llm.Error of a failed attempt: a copy, as the original may
// be shared.
func (a *Attempts) blame(ctx context.Context, err error, took time.Duration) *llm.Error {
	e := *verdict(ctx, err)
	if e.Provider == "" {
		e.Provider = a.o.Provider
	}
	e.Attempts, e.Upstream = 1, took
	return &e
}

// sign fills in what the provider did not say.
func (a *Attempts) sign(r *llm.Reply, c *llm.Call, took time.Duration) {
	if r.Provider == "" {
		r.Provider = a.o.Provider
	}
	if r.Model == "" {
		r.Model = c.Model
	}
	r.Attempts, r.Upstream = 1, took
}

func (a *Attempts) settle(rec Attempt) {
	if a.o.Observer != nil {
		rec.Provider = a.o.Provider
		a.o.Observer.AttemptEnded(rec)
	}
}

// follow guards a stream and settles the attempt when the stream ends.
func (a *Attempts) follow(ctx context.Context, r *llm.Reply, rec Attempt) {
	llm.Wrap(r, func(st llm.Stream) llm.Stream {
		return &guarded{inner: st, ctx: ctx, provider: a.o.Provider}
	})
	if a.o.Observer == nil {
		return
	}
	llm.OnDone(r, nil, func(d llm.Done) {
		rec.Done = d
		rec.Took = time.Since(rec.Start)
		if !d.FirstAt.IsZero() {
			rec.FirstToken = d.FirstAt.Sub(rec.Start)
		}
		a.settle(rec)
	})
}

// guarded holds a provider's stream to the contract of llm.Stream.
type guarded struct {
	inner    llm.Stream
	ctx      context.Context // the attempt's; a stream lives as long as it
	provider string
}

// Recv returns io.EOF or an *llm.Error that names the provider.
func (g *guarded) Recv() (ev *llm.Event, err error) {
	defer g.check(&err)
	return g.inner.Recv()
}

// check is deferred by Recv; it catches a panic and holds err to the contract.
func (g *guarded) check(err *error) {
	if v := recover(); v != nil {
		*err = panicError(v)
	}
	if *err == nil || *err == io.EOF {
		return
	}
	e := *verdict(g.ctx, *err)
	if e.Provider == "" {
		e.Provider = g.provider
	}
	*err = &e
}

// Close closes the provider's stream.
func (g *guarded) Close() (err error) {
	defer rescue(&err)
	return g.inner.Close()
}

// panicked is the cause of an internal error that was a panic.
type panicked struct {
	value any
	stack []byte
}

// Error returns the panic's value and stack, for logs.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// rescue turns a panic into an error. It must be deferred itself.
func rescue(err *error) {
	if v := recover(); v != nil {
		*err = panicError(v)
	}
}

func panicError(v any) *llm.Error {
	return &llm.Error{Kind: llm.KindInternal, Message: "internal error", Err: &panicked{v, debug.Stack()}}
}
