package chain

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// purse is a budget for tests: a token costs one, and most is what may be spent.
type purse struct {
	mu     sync.Mutex
	most   llm.Money
	spent  llm.Money
	flying int
	ended  int
}

var errSpent = llm.Errorf(llm.KindBudgetExceeded, "the provider p has spent its budget")

func (p *purse) options() SpendOptions {
	return SpendOptions{
		Admit: func(context.Context, *llm.Call) (Expense, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.spent >= p.most {
				return nil, errSpent
			}
			p.flying++
			return p, nil
		},
		Cost: func(_ *llm.Call, d llm.Done) llm.Money { return llm.Money(d.Usage.Total() + d.TextBytes) },
	}
}

func (p *purse) Spend(cost llm.Money) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying--
	p.ended++
	p.spent += cost
}

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
			p := &purse{most: 1000}
			r, err := NewSpend(NewAttempts(tc.next, AttemptsOptions{}), p.options()).Do(t.Context(), streamCall())
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

// TestSpendGivesBackInAPanic: of what stands below it in the chain.
func TestSpendGivesBackInAPanic(t *testing.T) {
	p := &purse{most: 1}
	func() {
		defer func() { _ = recover() }()
		_, _ = NewSpend(do(panics), p.options()).Do(t.Context(), unaryCall())
		t.Error("no panic")
	}()
	if p.flying != 0 || p.ended != 1 {
		t.Errorf("%d in flight, %d ended", p.flying, p.ended)
	}
}

// TestSpentMoneyIsNobodysFailure: no attempt, no retry, no failure of the target
// for its circuit, no slot taken; another target may be asked.
func TestSpentMoneyIsNobodysFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		p, circuit, gate := &purse{}, breaker.New(breaker.Options{MinRequests: 1}), NewGate(GateOptions{Concurrency: 1, RPS: 1e-6, Burst: 1, TPM: 100})
		up := plays(answers)
		c := w.build(up, func(o *Options) {
			o.Spend, o.Circuit, o.Limit = p.options(), circuit, LimitOptions{Gate: gate, MaxWait: -1, Estimate: guess(100, 0)}
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
		p.most = 1
		r, err := c.Do(t.Context(), unaryCall()) // nothing was taken of the other limits
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
			p, up := &purse{most: tc.most}, plays(halfway, halfway, answers)
			c := w.build(up, func(o *Options) { o.Spend = p.options(); o.Retry.Backoff = jitter(shortest) })
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

// TestSpendAllocatesNothing of its own for a whole answer.
func TestSpendAllocatesNothing(t *testing.T) {
	p := &purse{most: 1 << 60}
	o, next, c := p.options(), unaryStub(), unaryCall()
	s := NewSpend(next, o)
	bare := testing.AllocsPerRun(200, func() { doUnary(t, next, t.Context(), c) })
	if n := testing.AllocsPerRun(200, func() { doUnary(t, s, t.Context(), c) }); n > bare {
		t.Errorf("%v allocations, %v without", n, bare)
	}
}
