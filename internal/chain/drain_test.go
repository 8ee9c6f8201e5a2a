package chain

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// drainLog counts drains.
type drainLog struct {
	mu    sync.Mutex
	begun int
	ended []string
}

func (d *drainLog) DrainStarted() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun++
}

func (d *drainLog) DrainEnded(result string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = append(d.ended, result)
}

func (d *drainLog) results() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.ended)
}

var drainUsage = step{ev: llm.Event{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 9, Output: 30, Source: llm.UsageReported}}}

// left is what became of a stream that its client left after the first event.
type left struct {
	done  llm.Done
	ended time.Duration // after the client's leaving
	gate  *account
	log   *drainLog
}

// leave has a client read one event and leave in some way.
func leave(t *testing.T, o DrainerOptions, next do, how func(r *llm.Reply, cancel context.CancelFunc)) left {
	t.Helper()
	l := left{gate: newAccount(rule{Concurrency: 1}), log: &drainLog{}}
	o.Observer = l.log
	d := NewDrainer(o)
	defer d.Close(t.Context())
	p := NewDrain(Build(next, Options{Limit: l.gate.limit(LimitOptions{}), Timeout: TimeoutOptions{Idle: time.Hour, Stream: -1}}), d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := p.Do(ctx, streamCall())
	succeeded(t, r, err)
	over := make(chan time.Time, 1)
	llm.OnDone(r, nil, func(done llm.Done) { l.done = done; over <- time.Now() })
	if _, err := r.Stream.Recv(); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	how(r, cancel)
	l.ended = (<-over).Sub(at)
	synctest.Wait()
	return l
}

func closes(r *llm.Reply, cancel context.CancelFunc) { cancel(); synctest.Wait(); _ = r.Close() }

func TestDrain(t *testing.T) {
	many := func(n int, every time.Duration) (steps []step) {
		for range n {
			steps = append(steps, text("abcd").in(every))
		}
		return append(steps, drainUsage)
	}
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	for _, tc := range []struct {
		name   string
		o      DrainerOptions
		steps  []step
		how    func(r *llm.Reply, cancel context.CancelFunc)
		after  time.Duration
		source llm.UsageSource
		want   []string
	}{
		{"to its end", DrainerOptions{}, many(10, sec), closes, 9 * sec, llm.UsageReported, []string{DrainComplete}},
		{"closed before the context ends", DrainerOptions{}, many(10, sec), func(r *llm.Reply, cancel context.CancelFunc) { _ = r.Close(); _ = r.Close(); cancel() }, 9 * sec, llm.UsageReported, []string{DrainComplete}},
		{"cut", DrainerOptions{}, append(many(2, sec)[:2], ends(cut).in(sec)), closes, 2 * sec, llm.UsageUnknown, []string{DrainCut}},
		{"too long", DrainerOptions{Time: 5 * sec}, many(10, sec), closes, 5 * sec, llm.UsageUnknown, []string{DrainBound}},
		{"silent", DrainerOptions{}, append(many(1, 0)[:1], drainUsage.in(time.Hour/2)), closes, time.Minute, llm.UsageUnknown, []string{DrainBound}},
		{"too much", DrainerOptions{Bytes: 12}, many(10, sec), closes, 3 * sec, llm.UsageUnknown, []string{DrainBound}},
		{"whoever reads has not noticed", DrainerOptions{Time: 3 * sec}, many(2, 10*sec), func(r *llm.Reply, cancel context.CancelFunc) {
			cancel()
			_, err := r.Stream.Recv()
			if failed := llm.AsError(err); failed == nil || failed.Kind != llm.KindCanceled {
				t.Errorf("%v", err)
			}
			_ = r.Close()
		}, 3 * sec, llm.UsageUnknown, nil},
		{"read to its end all the same", DrainerOptions{}, many(3, sec), func(r *llm.Reply, cancel context.CancelFunc) { cancel(); _, _ = drain(r); _ = r.Close() }, 2 * sec, llm.UsageReported, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := leave(t, tc.o, streams(tc.steps...), tc.how)
				gone := tc.want != nil || tc.source == llm.UsageUnknown
				if l.done.Usage.Source != tc.source || (l.done.Outcome() == "client_gone") != gone || l.ended != tc.after {
					t.Errorf("%s with %+v after %v", l.done.Outcome(), l.done.Usage, l.ended)
				}
				if !slices.Equal(l.log.results(), tc.want) || l.log.begun != len(tc.want) || l.gate.inFlight() != 0 {
					t.Errorf("%v, %d begun, %d in flight", l.log.ended, l.log.begun, l.gate.inFlight())
				}
			})
		})
	}
}

// TestDrainHoldsItsSlots: what a call holds is held until its drain has ended,
// and beyond the bound streams are cancelled as without drains.
func TestDrainHoldsItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &drainLog{}
		d := NewDrainer(DrainerOptions{Most: 2, Observer: log})
		g := newAccount(rule{Concurrency: 9})
		p := NewDrain(NewLimit(NewAttempts(streams(text("a"), drainUsage.in(10*sec)), AttemptsOptions{}), g.limit(LimitOptions{})), d)
		var told []string
		var mu sync.Mutex
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			r, err := p.Do(ctx, streamCall())
			succeeded(t, r, err)
			_, _ = r.Stream.Recv()
			llm.OnDone(r, nil, func(done llm.Done) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, done.Outcome()+" "+done.Usage.Source.String())
			})
			cancel()
			synctest.Wait()
			_ = r.Close()
			if _, err := r.Stream.Recv(); err == nil {
				t.Error("a stream that was closed goes on")
			}
		}
		mu.Lock()
		if g.inFlight() != 2 || !slices.Equal(told, []string{"client_gone unknown"}) {
			t.Errorf("%d in flight; %v", g.inFlight(), told)
		}
		mu.Unlock()
		time.Sleep(11 * sec)
		synctest.Wait()
		if g.inFlight() != 0 || len(told) != 3 || told[1] != "client_gone reported" || len(d.slots) != 0 {
			t.Errorf("%d in flight; %v; %d slots", g.inFlight(), told, len(d.slots))
		}
		d.Close(t.Context())
		if got := log.results(); !slices.Equal(got, []string{DrainRefused, DrainComplete, DrainComplete}) && !slices.Equal(got, []string{DrainRefused, DrainRefused, DrainComplete, DrainComplete}) {
			t.Errorf("%v", got)
		}
	})
}

// TestDrainIsForClientsThatLeftAlone: the server's end, a deadline and a client
// that leaves before the answer begins cancel the upstream at once.
func TestDrainIsForClientsThatLeftAlone(t *testing.T) {
	for _, tc := range []struct {
		name string
		ctx  func(ctx context.Context) (context.Context, context.CancelFunc)
		next do
		kind llm.Kind
	}{
		{"the server ends", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cut := context.WithCancelCause(ctx)
			time.AfterFunc(sec, func() { cut(llm.Errorf(llm.KindOverloaded, "the server stops")) })
			return ctx, func() { cut(nil) }
		}, streams(text("a"), text("b").in(time.Hour)), llm.KindOverloaded},
		{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, sec) },
			streams(text("a"), text("b").in(time.Hour)), llm.KindTimeout},
		{"no answer yet", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(sec, cancel)
			return ctx, cancel
		}, hangs, llm.KindCanceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := NewDrainer(DrainerOptions{})
				defer d.Close(t.Context())
				ctx, cancel := tc.ctx(t.Context())
				defer cancel()
				began := time.Now()
				r, err := NewDrain(NewAttempts(tc.next, AttemptsOptions{}), d).Do(ctx, streamCall())
				if err == nil {
					_, err = drain(r)
					_ = r.Close()
				}
				if e := llm.AsError(err); e.Kind != tc.kind || time.Since(began) != sec {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		})
	}
}

// TestDrainsEndWithTheProgram: they are waited for as long as there is time.
func TestDrainsEndWithTheProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &drainLog{}
		d := NewDrainer(DrainerOptions{Observer: log})
		p := NewDrain(NewAttempts(do(plays(streams(text("a"), drainUsage.in(2*sec)), streams(text("a"), drainUsage.in(30*sec)), streams(text("a"), drainUsage.in(sec))).Do), AttemptsOptions{}), d)
		open := func() *llm.Reply {
			r, err := p.Do(t.Context(), streamCall())
			succeeded(t, r, err)
			_, _ = r.Stream.Recv()
			return r
		}
		a, b, c := open(), open(), open()
		_, _ = a.Close(), b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 5*sec)
		defer cancel()
		began := time.Now()
		d.Close(ctx)
		if took := time.Since(began); took != 5*sec || !slices.Equal(log.results(), []string{DrainComplete, DrainBound}) {
			t.Errorf("after %v: %v", took, log.results())
		}
		_ = c.Close() // too late for a drain
		if _, err := c.Stream.Recv(); err == nil || len(log.results()) != 2 {
			t.Errorf("%v, %v", err, log.results())
		}
	})
}

// TestDrainLeavesTheRestAlone: whole answers and errors.
func TestDrainLeavesTheRestAlone(t *testing.T) {
	d := NewDrainer(DrainerOptions{})
	defer d.Close(t.Context())
	for _, c := range []*llm.Call{unaryCall(), streamCall()} {
		c.Loan = &llm.Loan{}
		if r, err := NewDrain(do(answers), d).Do(t.Context(), c); err != nil || r.Raw == nil {
			t.Errorf("%v, %v", r, err)
		}
		if c.Loan.Kept() != c.Stream {
			t.Errorf("a stream may be read on, and what it asked for with it: kept %v", c.Loan.Kept())
		}
		var e *llm.Error
		if _, err := NewDrain(fails(llm.KindUpstreamError), d).Do(t.Context(), c); !errors.As(err, &e) {
			t.Errorf("%v", err)
		}
	}
}
