package chain

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TimeoutOptions sets the clocks of one attempt (contract §7). Zero fields have
// the contract's defaults; a negative one switches that clock off. The connect
// clock is the transport's.
type TimeoutOptions struct {
	FirstByte time.Duration // until the provider returns; default 60 s
	Idle      time.Duration // between two events of a stream, pings included; default 60 s
	Unary     time.Duration // the whole of an attempt that is no stream; default 120 s
	Stream    time.Duration // the whole of a stream; default 600 s
}

// never is what a clock that is switched off is set to.
const never = time.Duration(1<<63 - 1)

func (o *TimeoutOptions) setDefaults() {
	for _, f := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&o.FirstByte, 60 * time.Second},
		{&o.Idle, 60 * time.Second},
		{&o.Unary, 120 * time.Second},
		{&o.Stream, 600 * time.Second},
	} {
		switch {
		case *f.d == 0:
			*f.d = f.def
		case *f.d < 0:
			*f.d = never
		}
	}
}

// Timeout bounds an attempt by the clocks of its options and by Call.Deadline.
// The clock that runs out cancels the attempt's context with an *llm.Error of
// KindTimeout that names it, and that error is what the caller gets. The context
// lives until the call has ended (llm.OnDone), so no body is cut while it is
// read; a stream that no one closes is cancelled when its whole time is up.
//
// The idle clock runs only while the caller waits in Recv: a client that reads
// slowly is not the provider's silence.
type Timeout struct {
	next llm.Provider
	o    TimeoutOptions
	idle sync.Pool // of *clock, whose timers are stopped
}

// NewTimeout decorates a provider.
func NewTimeout(next llm.Provider, o TimeoutOptions) *Timeout {
	o.setDefaults()
	return &Timeout{next: next, o: o}
}

// Do performs the call under the clocks.
func (t *Timeout) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	k := t.clock(c)
	if k.whole <= 0 {
		return nil, k.error(deadlineClock)
	}
	ctx = k.run(ctx)
	reply, err := t.next.Do(ctx, c)
	if err != nil {
		err = verdict(ctx, err)
	}
	if _, over := llm.Settled(reply, err); over {
		if k.stop() {
			t.idle.Put(k)
		}
		return reply, err
	}
	k.answered()
	llm.Wrap(reply, func(st llm.Stream) llm.Stream { return &clocked{inner: st, k: k, ctx: ctx} })
	llm.OnDone(reply, nil, func(llm.Done) { k.stop() })
	return reply, nil
}

// clock returns a clock for a call, set but not running. That of a unary call
// is used again when it was stopped in time: then nothing refers to it any more.
func (t *Timeout) clock(c *llm.Call) *clock {
	k, ok := t.idle.Get().(*clock)
	if !ok {
		k = &clock{o: &t.o}
	}
	k.start, k.whole, k.last = time.Now(), t.o.Unary, wholeClock
	if c.Stream {
		k.whole = t.o.Stream
	}
	if !c.Deadline.IsZero() {
		if left := c.Deadline.Sub(k.start); left < k.whole {
			k.whole, k.last = left, deadlineClock
		}
	}
	return k
}

// clocked is a stream that tells the clock when its reader waits.
type clocked struct {
	inner llm.Stream
	k     *clock
	ctx   context.Context // the attempt's
}

// Recv returns the next event; an error is the clock's if that ran out.
func (s *clocked) Recv() (*llm.Event, error) {
	s.k.wait()
	ev, err := s.inner.Recv()
	s.k.rest()
	if err != nil && err != io.EOF {
		err = verdict(s.ctx, err)
	}
	return ev, err
}

// Close closes the inner stream.
func (s *clocked) Close() error { return s.inner.Close() }

// which names a clock.
type which uint8

const (
	firstByteClock which = iota
	idleClock
	wholeClock
	deadlineClock
)

// clock is the one timer of one attempt. It does not set the timer for every
// event: the timer goes off no later than any clock can run out, looks how far
// things are, and is set again. So an event costs one reading of the time.
type clock struct {
	o      *TimeoutOptions
	start  time.Time
	cancel context.CancelCauseFunc
	whole  time.Duration // since start
	last   which         // what whole stands for: its own clock or the call's deadline

	// waiting is when the present wait began, since start and plus one; 0 when
	// no one waits.
	waiting atomic.Int64

	mu    sync.Mutex
	timer *time.Timer
	stage which // firstByteClock; idleClock once a stream has begun
	over  bool
}

// run starts the clock and returns the attempt's context.
func (k *clock) run(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cancel, k.over = cancel, false
	k.waiting.Store(1)
	first := min(k.o.FirstByte, k.whole)
	if k.timer == nil {
		k.timer = time.AfterFunc(first, k.ring)
	} else {
		k.timer.Reset(first)
	}
	return ctx
}

// answered goes over from the first-byte clock to the idle clock.
func (k *clock) answered() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stage = idleClock
	k.waiting.Store(0)
	now := time.Since(k.start)
	k.timer.Reset(min(k.o.Idle, k.whole-now))
}

// wait and rest mark the time that the reader spends waiting for the provider.
func (k *clock) wait() { k.waiting.Store(int64(time.Since(k.start)) + 1) }
func (k *clock) rest() { k.waiting.Store(0) }

// ring is the timer's function.
func (k *clock) ring() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	now := time.Since(k.start)
	end, ran := k.end(now)
	if now < end {
		k.timer.Reset(end - now)
		return
	}
	k.cancel(k.error(ran))
}

// end returns when the next clock can run out at the earliest, and which.
func (k *clock) end(now time.Duration) (time.Duration, which) {
	limit := k.o.Idle
	if k.stage == firstByteClock {
		limit = k.o.FirstByte
	}
	since := now
	if w := k.waiting.Load(); w > 0 {
		since = time.Duration(w - 1)
	}
	if limit >= k.whole-since {
		return k.whole, k.last
	}
	return since + limit, k.stage
}

// stop ends the attempt: its timer and its context. It reports whether ring
// neither runs nor will run, so that the clock can be used again.
func (k *clock) stop() bool {
	k.mu.Lock()
	k.over = true
	idle := k.timer.Stop()
	cancel := k.cancel
	k.cancel = nil
	k.mu.Unlock()
	if cancel != nil {
		cancel(nil)
	}
	return idle
}

func (k *clock) error(w which) *llm.Error {
	switch w {
	case firstByteClock:
		return llm.Errorf(llm.KindTimeout, "first-byte timeout: the provider did not answer within %v", k.o.FirstByte)
	case idleClock:
		return llm.Errorf(llm.KindTimeout, "idle timeout: the provider's stream was silent for %v", k.o.Idle)
	case deadlineClock:
		return llm.Errorf(llm.KindTimeout, "deadline: the time for the whole request is up")
	}
	return llm.Errorf(llm.KindTimeout, "whole-request timeout: the provider's answer was not complete after %v", k.whole)
}
