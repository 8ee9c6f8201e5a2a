package chain

import (
	"testing"
	"testing/synctest"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// TestAnAttemptIsSpentExactlyOnce: however it ends, with what it has cost.
func TestAnAttemptIsSpentExactlyOnce(t *testing.T) {
	usage := step{ev: llm.Event{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 40, Output: 30, Source: llm.UsageReported}}}
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	end := func(r *llm.Reply) { _, _ = drain(r) }
	for _, tc := range []struct {
		name string
		next do
		use  func(r *llm.Reply)
		cost llm.Money
	}{
		{"whole answer", answers, nil, 7},
		{"error", fails(llm.KindUpstreamError), nil, 0},
		{"panic", panics, nil, 0},
		{"end of the stream", streams(text("abc"), usage), end, 73},
		{"cut", streams(text("abc"), ends(cut)), end, 3},
		{"panic in the stream", streams(text("abc"), step{panic: "bug"}), end, 3},
		{"left", streams(text("abc"), usage), func(r *llm.Reply) { _, _ = r.Stream.Recv(); _ = r.Close() }, 3},
		{"left at once, twice", streams(text("abc")), func(r *llm.Reply) { _ = r.Close(); _ = r.Close() }, 0},
		{"end, then close", streams(text("abc"), usage), func(r *llm.Reply) { end(r); _ = r.Close(); end(r) }, 73},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newAccount(rule{Money: 1000})
			r, err := NewLimit(NewAttempts(tc.next, AttemptsOptions{}), p.limit(LimitOptions{})).Do(t.Context(), streamCall())
			if tc.use != nil {
				if succeeded(t, r, err); p.flying != 1 || p.spent != 0 {
					t.Fatalf("%d in flight, %d spent during the stream", p.flying, p.spent)
				}
				tc.use(r)
			}
			if p.flying != 0 || p.ended != 1 || p.spent != tc.cost {
				t.Errorf("%d in flight, %d ended, %d spent, want %d", p.flying, p.ended, p.spent, tc.cost)
			}
		})
	}
}

// TestPanicGivesBack: of what stands below it in the chain.
func TestPanicGivesBack(t *testing.T) {
	p := newAccount(rule{Money: 1})
	func() {
		defer func() { _ = recover() }()
		_, _ = NewLimit(do(panics), p.limit(LimitOptions{})).Do(t.Context(), unaryCall())
		t.Error("no panic")
	}()
	if p.flying != 0 || p.ended != 1 {
		t.Errorf("%d in flight, %d ended", p.flying, p.ended)
	}
}

// TestSpentMoneyIsNobodysFailure: no attempt, no retry, no failure of the target
// for its circuit, no wait; another target may be asked.
func TestSpentMoneyIsNobodysFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		p, circuit := newAccount(rule{Money: 1}), breaker.New(breaker.Options{MinRequests: 1})
		p.spent = 1
		up := plays(answers)
		c := w.build(up, func(o *Options) {
			o.Circuit, o.Limit = circuit, p.limit(LimitOptions{})
		})
		for range 10 {
			_, err := c.Do(t.Context(), unaryCall())
			if e := failed(t, err, llm.KindBudgetExceeded); e.Attempts != 0 || e.Upstream != 0 || !e.Kind.Traits().NextTarget || e.Message != errSpent.Message {
				t.Fatalf("%+v", e)
			}
		}
		if s := circuit.Snapshot(); up.asked() != 0 || len(w.attempts.list)+len(w.retries.kinds) != 0 || s.State != breaker.Closed || s.Failures != 0 {
			t.Errorf("asked %d times, %d attempts, %d retries, circuit %+v", up.asked(), len(w.attempts.list), len(w.retries.kinds), s)
		}
		p.spent = 0
		r, err := c.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
	})
}

// TestEveryAttemptIsSpent: a retry is admitted and settled by itself, and none is
// made when the money has run out meanwhile.
func TestEveryAttemptIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		halfway := streams(kind(llm.EventStart), step{ev: llm.Event{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 10, Source: llm.UsageReported}}}, ends(llm.Errorf(llm.KindUpstreamError, "cut")))
		for _, tc := range []struct {
			most  llm.Money
			asked int
			spent llm.Money
		}{{1000, 3, 27}, {20, 2, 20}, {10, 1, 10}} {
			p, up := newAccount(rule{Money: tc.most}), plays(halfway, halfway, answers)
			c := w.build(up, func(o *Options) { o.Limit = p.limit(LimitOptions{}); o.Retry.Backoff = jitter(shortest) })
			_, err := c.Do(t.Context(), streamCall())
			if up.asked() != tc.asked || p.spent != tc.spent || p.flying != 0 || p.ended != tc.asked {
				t.Errorf("budget %d: asked %d times, %d spent by %d, %d in flight: %v", tc.most, up.asked(), p.spent, p.ended, p.flying, err)
			}
			if tc.asked < 3 {
				if e := failed(t, err, llm.KindBudgetExceeded); e.Attempts != tc.asked {
					t.Errorf("budget %d: %+v", tc.most, e)
				}
			}
		}
	})
}

// TestLimitAllocatesNothing of its own for a whole answer.
func TestLimitAllocatesNothing(t *testing.T) {
	p := newAccount(rule{Money: 1 << 60, RPS: 1e9, Concurrency: 9, Tokens: 1 << 60, Each: 1})
	next, c := unaryStub(), unaryCall()
	s := NewLimit(next, p.limit(LimitOptions{}))
	bare := testing.AllocsPerRun(200, func() { doUnary(t, next, t.Context(), c) })
	if n := testing.AllocsPerRun(200, func() { doUnary(t, s, t.Context(), c) }); n > bare {
		t.Errorf("%v allocations, %v without", n, bare)
	}
}
