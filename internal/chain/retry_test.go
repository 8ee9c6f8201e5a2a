package chain

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

// The ends of the jitter's range.
func longest(n int64) int64                      { return n - 1 }
func shortest(int64) int64                       { return 0 }
func jitter(f func(int64) int64) backoff.Backoff { return backoff.Backoff{Rand: f} }

// retryLog collects what a RetryObserver is told, and when.
type retryLog struct {
	mu    sync.Mutex
	kinds []llm.Kind
}

func (l *retryLog) Retried(k llm.Kind) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds = append(l.kinds, k)
}

// retried is the usual pair under test: retries around single attempts.
func retried(next do, o RetryOptions) *Retry {
	return NewRetry(NewAttempts(next, AttemptsOptions{Provider: "p"}), o)
}

func TestWhatIsRetried(t *testing.T) {
	for k := range llm.KindCount {
		for _, permanent := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var log retryLog
				up := plays(func(context.Context, *llm.Call) (*llm.Reply, error) {
					return nil, &llm.Error{Kind: k, Status: 500, Permanent: permanent}
				})
				start := time.Now()
				_, err := retried(up.Do, RetryOptions{Observer: &log}).Do(t.Context(), unaryCall())
				want := 1
				if (k.Traits().Retryable || k == llm.KindUpstreamAuth) && !permanent {
					want = 3
				}
				if e := failed(t, err, k); up.asked() != want || e.Attempts != want || e.Provider != "p" {
					t.Errorf("%v, permanent %v: %d attempts, error %+v", k, permanent, up.asked(), e)
				}
				if len(log.kinds) != want-1 || want == 1 && time.Since(start) != 0 {
					t.Errorf("%v: told %v, took %v", k, log.kinds, time.Since(start))
				}
			})
		}
	}
}

func TestSuccessAfterRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log retryLog
		up := plays(late(sec, fails(llm.KindUpstreamError)), late(2*sec, fails(llm.KindTimeout)), late(4*sec, answers))
		r, err := retried(up.Do, RetryOptions{Backoff: jitter(longest), Observer: &log}).Do(t.Context(), unaryCall())
		succeeded(t, r, err)
		if r.Attempts != 3 || r.Upstream != 7*sec+750*time.Millisecond {
			t.Errorf("%d attempts, %v upstream", r.Attempts, r.Upstream)
		}
		if !slices.Equal(log.kinds, []llm.Kind{llm.KindUpstreamError, llm.KindTimeout}) {
			t.Errorf("told %v", log.kinds)
		}
	})
}

// TestSchedule looks at when each attempt was made.
func TestSchedule(t *testing.T) {
	ms := time.Millisecond
	for _, tc := range []struct {
		name string
		o    RetryOptions
		next do
		want []time.Duration
	}{
		{"longest", RetryOptions{Max: 7, Backoff: jitter(longest)}, fails(llm.KindUpstreamError),
			[]time.Duration{0, 250 * ms, 750 * ms, 1750 * ms, 3750 * ms, 7750 * ms, 15750 * ms, 23750 * ms}},
		{"shortest", RetryOptions{Max: 2, Backoff: jitter(shortest)}, fails(llm.KindUpstreamError), []time.Duration{0, 0, 0}},
		{"own figures", RetryOptions{Max: 3, Backoff: backoff.Backoff{Base: sec, Cap: 2 * sec, Rand: longest}}, fails(llm.KindUpstreamError),
			[]time.Duration{0, sec, 3 * sec, 5 * sec}},
		{"none", RetryOptions{Max: -1}, fails(llm.KindUpstreamError), []time.Duration{0}},
		{"default number", RetryOptions{Backoff: jitter(shortest)}, fails(llm.KindUpstreamError), []time.Duration{0, 0, 0}},
		{"the provider's wish", RetryOptions{Backoff: jitter(shortest)}, failsAfter(llm.KindUpstreamRateLimited, 1200*ms),
			[]time.Duration{0, 1200 * ms, 2400 * ms}},
		{"the provider's wish, spread", RetryOptions{Backoff: jitter(longest)}, failsAfter(llm.KindUpstreamRateLimited, 1200*ms),
			[]time.Duration{0, 1450 * ms, 2900 * ms}},
		{"a small wish is not rounded up", RetryOptions{Max: 1, Backoff: jitter(shortest)}, failsAfter(llm.KindUpstreamRateLimited, ms), []time.Duration{0, ms}},
		{"the longest wish", RetryOptions{Max: 1, Backoff: jitter(shortest)}, failsAfter(llm.KindUpstreamError, 10*sec), []time.Duration{0, 10 * sec}},
		{"too long a wish", RetryOptions{}, failsAfter(llm.KindUpstreamError, 10*sec+1), []time.Duration{0}},
		{"own limit of wishes", RetryOptions{MaxRetryAfter: sec}, failsAfter(llm.KindUpstreamError, 2*sec), []time.Duration{0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var got []time.Duration
				p := retried(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
					got = append(got, time.Since(start))
					return tc.next(ctx, c)
				}, tc.o)
				_, err := p.Do(t.Context(), unaryCall())
				if err == nil || !slices.Equal(got, tc.want) {
					t.Errorf("attempts at %v, want %v (%v)", got, tc.want, err)
				}
				if e := llm.AsError(err); e.Upstream != tc.want[len(tc.want)-1] {
					t.Errorf("upstream time %v", e.Upstream)
				}
				if took := time.Since(start); took != tc.want[len(tc.want)-1] {
					t.Errorf("gave up after %v", took)
				}
			})
		})
	}
}

func TestOwnRandomnessStaysInRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewRetryBudget(BudgetOptions{Min: 1 << 40})
		p := retried(fails(llm.KindUpstreamError), RetryOptions{Max: 1, Budget: b})
		var least, most = time.Hour, time.Duration(0)
		for range 300 {
			start := time.Now()
			_, _ = p.Do(t.Context(), unaryCall())
			least, most = min(least, time.Since(start)), max(most, time.Since(start))
		}
		if least > 25*time.Millisecond || most < 225*time.Millisecond || most > 250*time.Millisecond {
			t.Errorf("waits from %v to %v", least, most)
		}
	})
}

func TestRetriesStayInsideTheDeadline(t *testing.T) {
	for _, tc := range []struct {
		name     string
		deadline time.Duration
		next     do
		attempts int
	}{
		{"time for one", 400 * time.Millisecond, fails(llm.KindUpstreamError), 2},
		{"time for none", 250 * time.Millisecond, fails(llm.KindUpstreamError), 1},
		{"time for all", 751 * time.Millisecond, fails(llm.KindUpstreamError), 3},
		{"a wish beyond it", 5 * sec, failsAfter(llm.KindUpstreamError, 6*sec), 1},
		{"no time left at all", sec, late(sec, fails(llm.KindUpstreamError)), 1},
	} {
		for _, where := range []string{"call", "context"} {
			t.Run(tc.name+" by the "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					up := plays(tc.next)
					c, ctx := unaryCall(), t.Context()
					start := time.Now()
					if where == "call" {
						c.Deadline = start.Add(tc.deadline)
					} else {
						c.Deadline = start.Add(time.Hour)
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tc.deadline)
						defer cancel()
					}
					_, err := retried(up.Do, RetryOptions{Backoff: jitter(longest)}).Do(ctx, c)
					if e := llm.AsError(err); e == nil || up.asked() != tc.attempts || e.Attempts != tc.attempts {
						t.Errorf("%d attempts, %+v", up.asked(), err)
					}
					if time.Since(start) > tc.deadline {
						t.Errorf("came back after %v", time.Since(start))
					}
				})
			})
		}
	}
}

func TestGivingUpReturnsTheFailureItself(t *testing.T) {
	shared := &llm.Error{Kind: llm.KindUpstreamRateLimited, Message: "slow down", Status: 429, RetryAfter: time.Minute, Code: "x"}
	p := retried(func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, shared }, RetryOptions{})
	_, err := p.Do(t.Context(), unaryCall())
	e := failed(t, err, llm.KindUpstreamRateLimited)
	if e.RetryAfter != time.Minute || e.Message != "slow down" || e.Status != 429 || e.Code != "x" {
		t.Errorf("got %+v", e)
	}
	if shared.Attempts != 0 || shared.Provider != "" {
		t.Error("a shared error was written to")
	}
}

func TestTheClientLeavesDuringBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		up := plays(late(50*time.Millisecond, fails(llm.KindUpstreamError)))
		start := time.Now()
		_, err := retried(up.Do, RetryOptions{Backoff: jitter(longest)}).Do(ctx, unaryCall())
		e := failed(t, err, llm.KindCanceled)
		if up.asked() != 1 || e.Attempts != 1 || e.Upstream != 100*time.Millisecond || time.Since(start) != 100*time.Millisecond {
			t.Errorf("%d attempts, %+v", up.asked(), e)
		}
	})
}

func TestTheContextEndsDuringAnAttempt(t *testing.T) {
	own := llm.Errorf(llm.KindOverloaded, "shutting down")
	for _, tc := range []struct {
		name  string
		cause error
		kind  llm.Kind
	}{
		{"the client left", nil, llm.KindCanceled},
		{"a reason of the gateway's own", own, llm.KindOverloaded},
		{"a foreign reason", errors.New("?"), llm.KindCanceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			up := plays(func(context.Context, *llm.Call) (*llm.Reply, error) {
				cancel(tc.cause)
				return nil, &llm.Error{Kind: llm.KindUpstreamError, Status: 503}
			})
			for _, tries := range []int{2, -1} {
				var log retryLog
				up.calls = 0
				_, err := retried(up.Do, RetryOptions{Max: tries, Observer: &log}).Do(ctx, unaryCall())
				if e := failed(t, err, tc.kind); up.asked() != 1 || e.Attempts != 1 || len(log.kinds) != 0 {
					t.Errorf("%d attempts, told %v, %+v", up.asked(), log.kinds, e)
				}
			}
		})
	}
	if own.Attempts != 0 {
		t.Error("a shared error was written to")
	}
}

func TestRefusalsByTheGatewayAreNotRetried(t *testing.T) {
	calls := 0
	p := NewRetry(do(func(context.Context, *llm.Call) (*llm.Reply, error) {
		calls++
		return nil, &llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: time.Millisecond}
	}), RetryOptions{})
	_, err := p.Do(t.Context(), unaryCall())
	if e := failed(t, err, llm.KindUpstreamRateLimited); calls != 1 || e.Attempts != 0 {
		t.Errorf("%d calls, %+v", calls, e)
	}
}

func TestStreamsAreRetriedUntilTheirFirstContent(t *testing.T) {
	cut := func() error { return llm.Errorf(llm.KindUpstreamError, "cut") }
	for _, tc := range []struct {
		name     string
		first    []step
		attempts int
		text     string
		failed   bool
	}{
		{"good at once", []step{kind(llm.EventStart), text("a")}, 1, "a", false},
		{"cut before anything", []step{ends(cut())}, 2, "second", false},
		{"cut after a preamble", []step{kind(llm.EventStart), kind(llm.EventPing), ends(cut())}, 2, "second", false},
		{"empty", nil, 2, "second", false},
		{"only a preamble", []step{kind(llm.EventStart)}, 2, "second", false},
		{"cut after content", []step{text("a"), ends(cut())}, 1, "a", true},
		{"a finish is content", []step{{ev: llm.Event{Kind: llm.EventFinish, Finish: llm.FinishContentFilter}}, ends(cut())}, 1, "", true},
		{"not retryable", []step{ends(llm.Errorf(llm.KindInvalidRequest, "no"))}, 1, "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closed := 0
				up := plays(func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
					return &llm.Reply{Stream: &feed{ctx: ctx, steps: tc.first, closes: &closed}}, nil
				}, streams(text("second")))
				var seen attempts
				p := NewRetry(NewAttempts(up, AttemptsOptions{Provider: "p", Observer: &seen}), RetryOptions{})
				r, err := p.Do(t.Context(), streamCall())
				if up.asked() != tc.attempts {
					t.Errorf("%d attempts, want %d", up.asked(), tc.attempts)
				}
				if tc.attempts == 2 {
					if got := seen.outcomes(); closed != 1 || len(got) != 1 || got[0] != "upstream_error" {
						t.Errorf("the first was closed %d times, recorded %v", closed, got)
					}
				}
				if err != nil {
					if e := llm.AsError(err); !tc.failed || e.Attempts != 1 || e.Provider != "p" {
						t.Errorf("got %+v", e)
					}
					return
				}
				if r.Attempts != tc.attempts {
					t.Errorf("reply says %d attempts", r.Attempts)
				}
				s, err := drain(r)
				if s != tc.text || tc.failed != (err != io.EOF) {
					t.Errorf("read %q, %v", s, err)
				}
				_ = r.Close()
			})
		})
	}
}

func TestWaitingForTheFirstContentIsUpstreamTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := ends(llm.Errorf(llm.KindUpstreamError, "cut"))
		up := plays(late(sec, streams(kind(llm.EventStart).in(2*sec), cut.in(4*sec))), late(8*sec, streams(text("a").in(16*sec), text("b").in(32*sec))))
		r, err := retried(up.Do, RetryOptions{Backoff: jitter(shortest)}).Do(t.Context(), streamCall())
		if succeeded(t, r, err).Upstream != 31*sec || r.Attempts != 2 {
			t.Errorf("%v in %d attempts", r.Upstream, r.Attempts)
		}
		_ = r.Close()
		up = plays(late(sec, streams(cut.in(2*sec))))
		_, err = retried(up.Do, RetryOptions{Max: -1}).Do(t.Context(), streamCall())
		if e := failed(t, err, llm.KindUpstreamError); e.Upstream != 3*sec || e.Attempts != 1 {
			t.Errorf("%+v", e)
		}
	})
}

func TestTheBudgetIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewRetryBudget(BudgetOptions{})
		var asked atomic.Int64
		down := func(context.Context, *llm.Call) (*llm.Reply, error) {
			asked.Add(1)
			pass(sec) // until all callers are there
			return nil, &llm.Error{Kind: llm.KindUpstreamError, Status: 503, Message: "down"}
		}
		// Two targets of one provider, a hundred callers, all at once.
		chains := []*Retry{retried(down, RetryOptions{Budget: b}), retried(down, RetryOptions{Budget: b})}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				_, err := chains[i%2].Do(t.Context(), unaryCall())
				if e := llm.AsError(err); e == nil || !strings.Contains(e.Message, "down") {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if n := asked.Load(); n != 120 {
			t.Errorf("%d attempts for 100 requests", n)
		}
	})
}

func TestABudgetOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := plays(fails(llm.KindUpstreamError))
		p := retried(up.Do, RetryOptions{Backoff: jitter(shortest)})
		for range 20 {
			_, _ = p.Do(t.Context(), unaryCall())
		}
		if up.asked() != 30 {
			t.Errorf("%d attempts for 20 requests", up.asked())
		}
	})
}

// TestRateLimitGoesElsewhereAtOnce: a wait that the provider asks for is worth
// it only when nobody else can be asked.
func TestRateLimitGoesElsewhereAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name      string
		elsewhere bool
		err       *llm.Error
		asked     int
	}{
		{"nobody else", false, &llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: sec}, 3},
		{"another target", true, &llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: sec}, 1},
		{"another target, another key", true, &llm.Error{Kind: llm.KindUpstreamRateLimited}, 3},
		{"another target, no rate limit", true, &llm.Error{Kind: llm.KindUpstreamError, RetryAfter: sec}, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			up := plays(func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, tc.err })
			c := *unaryCall()
			c.Elsewhere = tc.elsewhere
			start := time.Now()
			_, err := retried(up.Do, RetryOptions{}).Do(t.Context(), &c)
			if failed(t, err, tc.err.Kind); up.asked() != tc.asked || tc.asked == 1 && time.Since(start) != 0 {
				t.Errorf("%s: asked %d times in %v", tc.name, up.asked(), time.Since(start))
			}
		})
	}
}
