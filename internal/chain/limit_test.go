package chain

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// heldLog collects what a LimitObserver is told.
type heldLog struct {
	mu   sync.Mutex
	list []held
}

type held struct {
	limit  string
	waited time.Duration
	passed bool
}

func (h *heldLog) LimitHeld(limit string, waited time.Duration, passed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.list = append(h.list, held{limit, waited, passed})
}

func TestSlotIsFreedExactlyOnce(t *testing.T) {
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	end := func(r *llm.Reply) { _, _ = drain(r) }
	for _, tc := range []struct {
		name string
		next do
		use  func(r *llm.Reply)
	}{
		{"whole answer", answers, nil},
		{"error", fails(llm.KindUpstreamError), nil},
		{"panic", panics, nil},
		{"end of the stream", streams(text("a")), end},
		{"cut", streams(text("a"), ends(cut)), end},
		{"panic in the stream", streams(text("a"), step{panic: "bug"}), end},
		{"close", streams(text("a")), func(r *llm.Reply) { _ = r.Close() }},
		{"end, then close twice", streams(text("a")), func(r *llm.Reply) { end(r); _ = r.Close(); _ = r.Close() }},
		{"close twice", streams(text("a")), func(r *llm.Reply) { _ = r.Close(); _ = r.Close() }},
		{"cut, then close", streams(ends(cut)), func(r *llm.Reply) { end(r); _ = r.Close() }},
		{"peek, then end and close", streams(kind(llm.EventStart), text("a")), func(r *llm.Reply) { _ = llm.Prime(r); end(r); _ = r.Close() }},
		{"peek, then close", streams(text("a")), func(r *llm.Reply) { _ = llm.Prime(r); _ = r.Close() }},
		{"peek at nothing, then close", streams(kind(llm.EventStart)), func(r *llm.Reply) { _ = llm.Prime(r); _ = r.Close() }},
		{"reading on after the end", streams(text("a")), func(r *llm.Reply) { end(r); end(r); _ = r.Close(); end(r) }},
		{"reading on after close", streams(text("a")), func(r *llm.Reply) { _ = r.Close(); end(r) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newAccount(rule{Concurrency: 3})
			p := NewLimit(NewAttempts(tc.next, AttemptsOptions{}), g.limit(LimitOptions{MaxWait: -1}))
			other, err := NewLimit(streams(text("x")), g.limit(LimitOptions{})).Do(t.Context(), streamCall())
			succeeded(t, other, err) // holds a slot of its own, which must stay held
			r, err := p.Do(t.Context(), streamCall())
			if tc.use != nil {
				if g.inFlight() != 2 {
					t.Fatalf("%d in flight during the stream", g.inFlight())
				}
				tc.use(succeeded(t, r, err))
			}
			if g.inFlight() != 1 {
				t.Errorf("%d in flight, want the other one alone", g.inFlight())
			}
			_ = other.Close()
			if g.inFlight() != 0 {
				t.Errorf("%d in flight at the end", g.inFlight())
			}
		})
	}
}

func TestWaitForASlotIsBounded(t *testing.T) {
	for _, tc := range []struct {
		name    string
		maxWait time.Duration
		frees   time.Duration // when the slot becomes free
		limit   func(c *llm.Call, ctx context.Context) (context.Context, context.CancelFunc)
		after   time.Duration
		kind    llm.Kind // KindInternal = it passes
	}{
		{"free in time", 0, 900 * time.Millisecond, nil, 900 * time.Millisecond, 0},
		{"default wait", 0, 5 * sec, nil, sec, llm.KindUpstreamRateLimited},
		{"own wait", 3 * sec, 5 * sec, nil, 3 * sec, llm.KindUpstreamRateLimited},
		{"no wait", -1, 5 * sec, nil, 0, llm.KindUpstreamRateLimited},
		{"the deadline is nearer", 4 * sec, 9 * sec, func(c *llm.Call, ctx context.Context) (context.Context, context.CancelFunc) {
			c.Deadline = time.Now().Add(2 * sec)
			return ctx, func() {}
		}, 2 * sec, llm.KindUpstreamRateLimited},
		{"the client leaves", 4 * sec, 9 * sec, func(_ *llm.Call, ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(2*sec, cancel)
			return ctx, cancel
		}, 2 * sec, llm.KindCanceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log heldLog
				g := newAccount(rule{Concurrency: 1})
				p := NewLimit(NewAttempts(streams(text("a")), AttemptsOptions{}), g.limit(LimitOptions{MaxWait: tc.maxWait, Observer: &log}))
				first, err := p.Do(t.Context(), streamCall())
				succeeded(t, first, err)
				time.AfterFunc(tc.frees, func() { _ = first.Close() })
				c, ctx, start := streamCall(), t.Context(), time.Now()
				if tc.limit != nil {
					var cancel context.CancelFunc
					ctx, cancel = tc.limit(c, ctx)
					defer cancel()
				}
				r, err := p.Do(ctx, c)
				if took := time.Since(start); took != tc.after {
					t.Errorf("after %v, want %v", took, tc.after)
				}
				if want := []held{{"concurrency", tc.after, tc.kind == 0}}; !slices.Equal(log.list, want) {
					t.Errorf("told %+v, want %+v", log.list, want)
				}
				if tc.kind == 0 {
					if succeeded(t, r, err).Upstream != tc.after {
						t.Errorf("upstream time %v", r.Upstream)
					}
					_ = r.Close()
				} else if e := failed(t, err, tc.kind); tc.kind == llm.KindUpstreamRateLimited &&
					(e.RetryAfter != sec || e.Provider != "p" || e.Attempts != 0 || e.Message != "concurrency") {
					t.Errorf("got %+v", e)
				}
				pass(tc.frees)
				synctest.Wait()
				if g.inFlight() != 0 {
					t.Errorf("%d in flight", g.inFlight())
				}
			})
		})
	}
}

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log heldLog
		g := newAccount(rule{RPS: 2, Burst: 2, Concurrency: 10})
		p := NewLimit(NewAttempts(do(answers), AttemptsOptions{}), g.limit(LimitOptions{MaxWait: 600 * time.Millisecond, Observer: &log}))
		start := time.Now()
		for i, want := range []time.Duration{0, 0, 500 * time.Millisecond, sec} {
			r, err := p.Do(t.Context(), unaryCall())
			if succeeded(t, r, err); time.Since(start) != want {
				t.Errorf("call %d passed after %v, want %v", i, time.Since(start), want)
			}
		}
		if want := (held{"rps", 500 * time.Millisecond, true}); len(log.list) != 2 || log.list[0] != want {
			t.Errorf("told %+v", log.list)
		}
	})
}

func TestPaceRefusesHonestly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newAccount(rule{RPS: 0.5, Concurrency: 10}) // burst is rounded up to 1
		p := NewLimit(do(answers), g.limit(LimitOptions{}))
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
		start := time.Now()
		for range 5 { // a refusal takes nothing from those who come later
			_, err = p.Do(t.Context(), unaryCall())
			e := failed(t, err, llm.KindUpstreamRateLimited)
			if e.RetryAfter != 2*sec {
				t.Errorf("got %+v", e)
			}
			if g.inFlight() != 0 {
				t.Fatal("a refused call keeps its slot")
			}
		}
		if time.Since(start) != 0 {
			t.Errorf("waited %v for nothing", time.Since(start))
		}
		pass(2 * sec)
		r, err = p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
	})
}

func TestPaceWatchesTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newAccount(rule{RPS: 1, Concurrency: 5})
		p := NewLimit(do(answers), g.limit(LimitOptions{MaxWait: time.Minute}))
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(300*time.Millisecond, cancel)
		start := time.Now()
		_, err = p.Do(ctx, unaryCall())
		failed(t, err, llm.KindCanceled)
		if time.Since(start) != 300*time.Millisecond || g.inFlight() != 0 {
			t.Errorf("%v, %d in flight", time.Since(start), g.inFlight())
		}
		r, err = p.Do(t.Context(), unaryCall()) // the turn was given back
		if succeeded(t, r, err); time.Since(start) != sec {
			t.Errorf("the next passed after %v", time.Since(start))
		}
	})
}

func TestOnePatienceForBothLimits(t *testing.T) {
	for _, tc := range []struct {
		maxWait time.Duration
		kind    llm.Kind
		after   time.Duration
	}{{900 * time.Millisecond, llm.KindUpstreamRateLimited, 0}, {sec, 0, sec}} {
		synctest.Test(t, func(t *testing.T) {
			g := newAccount(rule{RPS: 1, Burst: 2, Concurrency: 1})
			p := NewLimit(streams(text("a")), g.limit(LimitOptions{MaxWait: tc.maxWait}))
			for range 2 { // the slot is free again, the pace used up
				r, err := p.Do(t.Context(), streamCall())
				_ = succeeded(t, r, err).Close()
			}
			g.flying++
			time.AfterFunc(600*time.Millisecond, func() { g.Spend(llm.Done{}, 0); g.gate.freed() })
			start := time.Now()
			r, err := p.Do(t.Context(), streamCall())
			if took := time.Since(start); took != tc.after {
				t.Errorf("after %v, want %v", took, tc.after)
			}
			if tc.kind == 0 {
				_ = succeeded(t, r, err).Close()
				return
			}
			if e := failed(t, err, tc.kind); e.RetryAfter != sec {
				t.Errorf("got %+v", e)
			}
			if pass(sec); g.inFlight() != 0 {
				t.Errorf("%d in flight", g.inFlight())
			}
		})
	}
}

func TestNeverMoreInFlightThanSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slots = 7
		var now, most, served atomic.Int64
		g := newAccount(rule{Concurrency: slots})
		p := NewLimit(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			served.Add(1)
			return late(100*time.Millisecond, answers)(ctx, c)
		}), g.limit(LimitOptions{}))
		var wg sync.WaitGroup
		var refused atomic.Int64
		for range 200 {
			wg.Go(func() {
				if _, err := p.Do(t.Context(), unaryCall()); err != nil {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		// Seven slots for a second at ten rounds a second, and the round that
		// starts at its very end.
		if most.Load() != slots || served.Load() < 70 || served.Load() > 77 || served.Load()+refused.Load() != 200 {
			t.Errorf("%d at once, %d served, %d refused", most.Load(), served.Load(), refused.Load())
		}
		if g.inFlight() != 0 {
			t.Errorf("%d in flight", g.inFlight())
		}
	})
}

func TestTheWaitIsCountedInAnErrorToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &llm.Error{Kind: llm.KindUpstreamError, Upstream: sec}
		g := newAccount(rule{RPS: 1})
		p := NewLimit(do(func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, shared }), g.limit(LimitOptions{MaxWait: 5 * sec}))
		_, _ = p.Do(t.Context(), unaryCall())
		_, err := p.Do(t.Context(), unaryCall())
		if e := failed(t, err, llm.KindUpstreamError); e.Upstream != 2*sec || shared.Upstream != sec {
			t.Errorf("got %v, the provider's own has %v", e.Upstream, shared.Upstream)
		}
	})
}
