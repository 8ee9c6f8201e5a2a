package cache

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// reader is one call's part in a flight: it waits for the head, and is the
// call's stream from then on. But for cut, read and next, which the flight's
// lock guards, it belongs to the call's goroutine.
type reader struct {
	f      *flight
	leader bool          // it has begun the flight
	wake   chan struct{} // capacity 1: something has come
	ctx    context.Context
	stop   context.CancelFunc
	left   bool
	landed bool // the head of the answer came

	cut  bool // it was too far behind
	next int  // number of the event to read
	ev   llm.Event
	read int // bytes read
}

// await waits for the head of the answer, until ctx or the deadline ends; zero
// = none. A whole answer and an error end the reader's part in the flight.
func (r *reader) await(ctx context.Context, deadline time.Time, stream bool) (reply *llm.Reply, err error) {
	r.ctx, r.stop = ctx, func() {}
	if !deadline.IsZero() {
		r.ctx, r.stop = context.WithDeadlineCause(ctx, deadline, llm.Errorf(llm.KindTimeout, "the deadline passed while the answer was awaited"))
	}
	done := false
	defer func() {
		if !done {
			r.leave()
		}
	}()
	start := time.Now()
	for {
		reply, ok, err := r.head(stream)
		if err != nil {
			return nil, err
		}
		if ok {
			if !r.leader {
				reply.Upstream = time.Since(start)
			}
			done = reply.Stream != nil
			return reply, nil
		}
		select {
		case <-r.wake:
		case <-r.ctx.Done():
			return nil, llm.ContextError(r.ctx)
		}
	}
}

// head returns the reply when it is there. Each reader has its own.
func (r *reader) head(stream bool) (*llm.Reply, bool, error) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.head {
		return nil, false, nil
	}
	r.landed = true
	if f.err != nil {
		return nil, false, r.share(f.err)
	}
	if r.leader {
		reply := *f.reply
		if stream {
			reply.Stream = r
		}
		return &reply, true, nil
	}
	if !stream {
		e, err := parse(f.value)
		if err != nil {
			return nil, false, llm.Errorf(llm.KindInternal, "the answer cannot be shared")
		}
		reply, err := e.reply(false)
		return reply, err == nil, err
	}
	e := &f.about
	return &llm.Reply{Dialect: e.dialect, Stream: r, Provider: e.provider, Model: e.model, Dropped: e.dropped, Price: Free{}}, true, nil
}

// share returns the reader's own copy of an error: the attempts are those of
// the call that has begun the flight.
func (r *reader) share(e *llm.Error) *llm.Error {
	own := *e
	if !r.leader {
		own.Attempts = 0
	}
	return &own
}

// Recv returns the next event.
func (r *reader) Recv() (*llm.Event, error) {
	for {
		if e := llm.ContextError(r.ctx); e != nil {
			return nil, e
		}
		if ev, err := r.take(); ev != nil || err != nil {
			return ev, err
		}
		select {
		case <-r.wake:
		case <-r.ctx.Done():
		}
	}
}

// take returns the next event if it is there.
func (r *reader) take() (*llm.Event, error) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.cut:
		return nil, llm.Errorf(llm.KindTimeout, "the answer was read too slowly to be shared with others")
	case r.next < f.first+len(f.events):
		r.ev = f.events[r.next-f.first] // the flight lets go of its own
		r.next++
		r.ev.More = r.next < f.first+len(f.events) || f.end != nil
		r.read += sizeOf(&r.ev)
		nudge(f.wake)
		return &r.ev, nil
	case f.end == nil:
		return nil, nil
	}
	if e, ok := f.end.(*llm.Error); ok { //nolint:errorlint // it is one of two, unwrapped
		return nil, r.share(e)
	}
	return nil, f.end
}

// Close leaves the flight.
func (r *reader) Close() error {
	r.leave()
	return nil
}

func (r *reader) leave() {
	if r.left {
		return
	}
	r.left = true
	why := llm.ContextError(r.ctx)
	r.stop()
	if why == nil {
		why = llm.Errorf(llm.KindCanceled, "the client went away")
	}
	r.f.leave(r, why)
}
