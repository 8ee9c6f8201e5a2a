package chain

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestTokensAreWaitedFor: until an attempt gives some back, at most MaxWait; not
// at all where the account says that it takes longer.
func TestTokensAreWaitedFor(t *testing.T) {
	for _, tc := range []struct {
		name    string
		maxWait time.Duration
		ends    time.Duration // of the attempt that has the tokens
		after   time.Duration
		refused bool
	}{
		{"given back", sec, 300 * time.Millisecond, 300 * time.Millisecond, false},
		{"not given back", sec, time.Hour, 800 * time.Millisecond, true}, // asked again then
		{"too late", sec / 2, 300 * time.Millisecond, 0, true},
		{"no patience", -1, 300 * time.Millisecond, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log heldLog
				a := newAccount(rule{Tokens: 10, Each: 10})
				p := NewLimit(streams(text("a")), a.limit(LimitOptions{MaxWait: tc.maxWait, Observer: &log}))
				first, err := p.Do(t.Context(), streamCall())
				succeeded(t, first, err)
				time.AfterFunc(tc.ends, func() { _ = first.Close() })
				began := time.Now()
				r, err := p.Do(t.Context(), streamCall())
				if took := time.Since(began); took != tc.after {
					t.Errorf("after %v", took)
				}
				if tc.refused {
					if e := failed(t, err, llm.KindUpstreamRateLimited); e.RetryAfter != 800*time.Millisecond || e.Attempts != 0 {
						t.Errorf("got %+v", e)
					}
				} else {
					_ = succeeded(t, r, err).Close()
				}
				if want := []held{{LimitTokens, tc.after, !tc.refused}}; !slices.Equal(log.list, want) {
					t.Errorf("told %v", log.list)
				}
				_ = first.Close()
			})
		})
	}
}

// TestOtherProcessesAreLookedFor: what they give back, nobody here is told of.
func TestOtherProcessesAreLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(rule{Concurrency: 1})
		a.flying = 1
		time.AfterFunc(500*time.Millisecond, func() { a.Spend(llm.Done{}, 0) })
		p := NewLimit(do(answers), a.limit(LimitOptions{Poll: 20 * time.Millisecond}))
		began := time.Now()
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
		if took := time.Since(began); took < 500*time.Millisecond || took > 540*time.Millisecond {
			t.Errorf("after %v", took)
		}
		if a.asked > 27 {
			t.Errorf("asked %d times", a.asked)
		}
	})
}

// TestOnlyOneWaiterAsks: however many wait, the account is asked as often as by
// one, and each passes in its turn.
func TestOnlyOneWaiterAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const waiters = 50
		a := newAccount(rule{Concurrency: 1})
		p := NewLimit(do(late(10*time.Millisecond, answers)), a.limit(LimitOptions{Poll: 20 * time.Millisecond, MaxWait: 5 * sec}))
		a.flying = 1 // another process's
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range waiters {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Microsecond)
				r, err := p.Do(t.Context(), unaryCall())
				succeeded(t, r, err)
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
			})
		}
		time.Sleep(sec)
		synctest.Wait()
		a.mu.Lock()
		asked := a.asked
		a.mu.Unlock()
		if asked > 2*waiters+50 {
			t.Errorf("asked %d times within a second of waiting", asked)
		}
		a.Spend(llm.Done{}, 0)
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != waiters || a.inFlight() != 0 {
			t.Errorf("%v, %d in flight", order, a.inFlight())
		}
	})
}

// TestPaceCountsWhoIsAhead: who cannot pass in time goes on at once to another
// target, and is told when its turn would come.
func TestPaceCountsWhoIsAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(rule{RPS: 2, Burst: 1})
		p := NewLimit(do(answers), a.limit(LimitOptions{MaxWait: 1200 * time.Millisecond}))
		type outcome struct {
			after time.Duration
			retry time.Duration
		}
		var mu sync.Mutex
		got := map[outcome]int{}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				time.Sleep(time.Duration(i)) // in this order
				_, err := p.Do(t.Context(), unaryCall())
				o := outcome{after: time.Since(began).Round(time.Millisecond)}
				if err != nil {
					o.retry = llm.AsError(err).RetryAfter.Round(time.Millisecond)
				}
				mu.Lock()
				defer mu.Unlock()
				got[o]++
			})
		}
		wg.Wait()
		want := map[outcome]int{{0, 0}: 1, {sec / 2, 0}: 1, {sec, 0}: 1, {0, 1500 * time.Millisecond}: 3}
		for o, n := range want {
			if got[o] != n {
				t.Errorf("%v: %d, want %d; all: %v", o, got[o], n, got)
			}
		}
	})
}

// TestWaitersLeave: whose client has gone, whether it has its turn or not.
func TestWaitersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAccount(rule{Concurrency: 1})
		a.flying = 1
		p := NewLimit(do(answers), a.limit(LimitOptions{MaxWait: time.Hour}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(sec, cancel)
		began := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := p.Do(ctx, unaryCall())
				failed(t, err, llm.KindCanceled)
			})
		}
		wg.Wait()
		if took := time.Since(began); took != sec || a.gate.waiting.Load() != 0 || len(a.gate.turn) != 0 {
			t.Errorf("after %v; %d wait, %d have the turn", took, a.gate.waiting.Load(), len(a.gate.turn))
		}
	})
}
