package limits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// own is a call of a caller who brings limits.
func own(name string, l llm.Limits) *llm.Call {
	c := call(10, 10)
	c.Meta.Caller = &llm.Caller{Name: name, Tenant: "team", Limits: &l}
	return c
}

// spending is a ledger's sums.
type spending struct {
	mu    sync.Mutex
	sums  map[string]llm.Money
	fails bool
	asked int
	told  int
}

func (s *spending) spent(_ context.Context, name string) (llm.Money, llm.Money, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.fails {
		return 0, 0, errors.New("no answer")
	}
	return s.sums[name], s.sums[name], nil
}

func (s *spending) unknown(string, error) { s.told++ }

func withCallers(c *clock, o CallersOptions, rules Rules) (*Limiter, *Callers) {
	if o.Engine == nil {
		o.Engine = NewMemory(c.now)
	}
	o.Now = c.now
	callers := NewCallers(o)
	return New(Options{Engine: o.Engine, Callers: callers, Rules: rules}), callers
}

func TestCallersBringTheirLimits(t *testing.T) {
	c := newClock()
	l, callers := withCallers(c, CallersOptions{}, Rules{
		Tenants: map[string]Rule{"team": {Concurrency: 5}}, Keys: map[string]Rule{"fixed": {RPS: 1, Burst: 3}},
	})
	two := llm.Limits{RPS: 1, Burst: 2}
	for range 2 {
		mustAdmit(t, l, own("jwt:ada", two)).Settle(failed, nil)
	}
	mustRefuse(t, l, own("jwt:ada", two), llm.KindRateLimited, "the key jwt:ada has used its 1 requests per second (burst 2)")
	mustAdmit(t, l, own("jwt:bob", two)).Settle(failed, nil) // another one's own
	for range 3 {
		mustAdmit(t, l, own("fixed", two)).Settle(failed, nil) // what stands in the configuration comes first
	}
	mustRefuse(t, l, own("fixed", two), llm.KindRateLimited, "burst 3")
	if callers.Len() != 2 {
		t.Errorf("%d callers are counted", callers.Len())
	}
	// Other limits for the same name: what was used stays used.
	mustRefuse(t, l, own("jwt:ada", llm.Limits{RPS: 2, Burst: 50}), llm.KindRateLimited, "burst 50")
	// The tenant's hold too.
	var open []*Lease
	for i := range 5 {
		open = append(open, mustAdmit(t, l, own(fmt.Sprint("jwt:", i), two)))
	}
	mustRefuse(t, l, own("jwt:6", two), llm.KindRateLimited, "the tenant team has its 5 requests in flight")
	for _, o := range open {
		o.Settle(failed, nil)
	}
	// And none, or nothing that bounds.
	for range 50 {
		mustAdmit(t, l, own("jwt:free", llm.Limits{Burst: 1})).Settle(failed, nil)
	}
}

func TestBounds(t *testing.T) {
	l, _ := withCallers(newClock(), CallersOptions{}, Rules{})
	for _, tc := range []struct {
		l    *Limiter
		m    *llm.Meta
		want bool
	}{
		{l, &llm.Meta{}, false},
		{l, &llm.Meta{Caller: &llm.Caller{Name: "x"}}, false},
		{l, own("x", llm.Limits{}).Meta, false},
		{l, own("x", llm.Limits{TPM: 5}).Meta, true},
		{keyLimits(nil, Rule{RPS: 1}), &llm.Meta{}, true},
	} {
		if got := tc.l.Bounds(tc.m); got != tc.want {
			t.Errorf("%+v: %v", tc.m.Caller, got)
		}
	}
}

// A reload makes another Limiter: what callers have used stays used.
func TestCallersOutliveALimiter(t *testing.T) {
	c := newClock()
	l, callers := withCallers(c, CallersOptions{}, Rules{})
	mustAdmit(t, l, own("jwt:ada", llm.Limits{RPS: 1e-3, Burst: 1})).Settle(failed, nil)
	next := New(Options{Engine: callers.o.Engine, Callers: callers})
	mustRefuse(t, next, own("jwt:ada", llm.Limits{RPS: 1e-3, Burst: 1}), llm.KindRateLimited, "requests per second")
}

func TestCallersAreBounded(t *testing.T) {
	c := newClock()
	l, callers := withCallers(c, CallersOptions{Most: 3}, Rules{})
	rate := llm.Limits{RPS: 0.01, Burst: 1} // full again after 100 s
	busy := mustAdmit(t, l, own("busy", llm.Limits{Concurrency: 1}))
	mustAdmit(t, l, own("slow", rate)).Settle(failed, nil)
	mustAdmit(t, l, own("quick", llm.Limits{RPS: 100})).Settle(failed, nil)
	e := mustRefuse(t, l, own("new", rate), llm.KindOverloaded, "too many callers")
	if e.RetryAfter <= 0 {
		t.Error("no time to come back")
	}
	c.sleep(callerIdle)
	mustAdmit(t, l, own("new", rate)).Settle(failed, nil) // in the place of quick
	mustRefuse(t, l, own("newer", rate), llm.KindOverloaded, "too many callers")
	mustRefuse(t, l, own("slow", rate), llm.KindRateLimited, "requests") // it was not forgotten
	c.sleep(callerIdle)
	mustAdmit(t, l, own("newer", rate)).Settle(failed, nil) // slow's hundred seconds are over
	mustRefuse(t, l, own("busy", llm.Limits{Concurrency: 1}), llm.KindRateLimited, "in flight")
	busy.Settle(failed, nil)
	c.sleep(time.Hour)
	mustAdmit(t, l, own("last", rate)).Settle(failed, nil)
	if callers.Len() != 1 {
		t.Errorf("%d callers after an hour without a call", callers.Len())
	}
	if n := len(callers.o.Engine.(*Memory).states); n != 1 {
		t.Errorf("%d counters are kept", n)
	}
}

// One that the configuration knows too keeps its counters when it is forgotten
// as a caller.
func TestForgettingLeavesTheConfigurations(t *testing.T) {
	c := newClock()
	l, callers := withCallers(c, CallersOptions{Spent: (&spending{}).spent}, Rules{})
	mustAdmit(t, l, own("app", llm.Limits{Day: 1})).Settle(reported(1), flat(1))
	rules := Rules{Keys: map[string]Rule{"app": {Day: 1}}}
	mustRefuse(t, New(Options{Engine: callers.o.Engine, Callers: callers, Rules: rules}), own("app", llm.Limits{}), llm.KindBudgetExceeded, "budget")
	c.sleep(2 * callerIdle)
	mustAdmit(t, l, own("other", llm.Limits{RPS: 1})).Settle(failed, nil)
	if callers.Len() != 1 {
		t.Fatal("app is not forgotten")
	}
	mustRefuse(t, New(Options{Engine: callers.o.Engine, Callers: callers, Rules: rules}), own("app", llm.Limits{}), llm.KindBudgetExceeded, "budget")
}

func TestBudgetsOfCallersAreRestored(t *testing.T) {
	c := newClock()
	led := &spending{sums: map[string]llm.Money{"jwt:ada": 5}}
	l, _ := withCallers(c, CallersOptions{Spent: led.spent, Unknown: led.unknown}, Rules{})
	mustRefuse(t, l, own("jwt:ada", llm.Limits{Day: 5}), llm.KindBudgetExceeded, "the key jwt:ada has spent its budget")
	mustAdmit(t, l, own("jwt:ada", llm.Limits{Day: 6})).Settle(reported(1), flat(1))
	mustRefuse(t, l, own("jwt:ada", llm.Limits{Month: 6}), llm.KindBudgetExceeded, "month")
	mustAdmit(t, l, own("jwt:bob", llm.Limits{RPS: 1})).Settle(failed, nil)
	if led.asked != 1 {
		t.Errorf("the ledger was asked %d times", led.asked)
	}
	led.fails = true
	led.sums["jwt:eve"] = 9
	eve := llm.Limits{Day: 9}
	mustAdmit(t, l, own("jwt:eve", eve)).Settle(reported(1), flat(1)) // empty, and told
	mustAdmit(t, l, own("jwt:eve", eve)).Settle(failed, nil)
	if led.asked != 2 || led.told != 1 {
		t.Errorf("asked %d times, told %d times", led.asked, led.told)
	}
	led.fails = false
	c.sleep(restorePause)
	mustRefuse(t, l, own("jwt:eve", eve), llm.KindBudgetExceeded, "day") // the greater of both, not their sum
	mustAdmit(t, l, own("jwt:eve", llm.Limits{Day: 10})).Settle(failed, nil)
}

// Whoever nobody remembers is not forgotten while money of this month counts.
func TestMoneyThatNobodyRemembers(t *testing.T) {
	c := newClock() // noon of January 31st
	l, callers := withCallers(c, CallersOptions{}, Rules{})
	mustAdmit(t, l, own("a", llm.Limits{Month: 5})).Settle(reported(1), flat(1))
	c.sleep(11 * time.Hour)
	mustAdmit(t, l, own("b", llm.Limits{RPS: 1})).Settle(failed, nil)
	if callers.Len() != 2 {
		t.Error("its money is forgotten")
	}
	c.sleep(2 * time.Hour) // February
	mustAdmit(t, l, own("c", llm.Limits{RPS: 1})).Settle(failed, nil)
	if callers.Len() != 1 {
		t.Errorf("%d callers are kept", callers.Len())
	}
}

// Many at once, the table being far too small: never more admitted than allowed,
// and nothing left in use.
func TestCallersInAStorm(t *testing.T) {
	c := newClock()
	l, callers := withCallers(c, CallersOptions{Most: 8}, Rules{})
	var admitted [16]atomic.Int64
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for range 50 {
				who := i % len(admitted)
				lease, err := l.Admit(t.Context(), own(fmt.Sprint(who), llm.Limits{RPS: 1e-6, Burst: 20, Concurrency: 3}))
				if err == nil {
					admitted[who].Add(1)
					lease.Settle(failed, nil)
				}
			}
		})
	}
	wg.Wait()
	known := 0
	for who := range admitted {
		switch n := admitted[who].Load(); {
		case n > 20:
			t.Errorf("%d: %d admitted, 20 allowed", who, n)
		case n > 0:
			known++
		}
	}
	if known != 8 || callers.Len() != 8 {
		t.Errorf("%d were admitted, %d are counted", known, callers.Len())
	}
}

func TestCallersOverRedis(t *testing.T) {
	mr := server(t)
	r := [2]*Redis{engine(t, mr, nil), engine(t, mr, nil)}
	var l [2]*Limiter
	for i := range l {
		l[i] = New(Options{Engine: r[i], Callers: NewCallers(CallersOptions{Engine: r[i], Spent: (&spending{}).spent})})
	}
	limits := llm.Limits{RPS: 1e-6, Burst: 3, Day: 2}
	mustAdmit(t, l[0], own("app", limits)).Settle(reported(1), flat(1))
	mustAdmit(t, l[1], own("app", limits)).Settle(reported(1), flat(1))
	flush(t, r[0])
	flush(t, r[1])
	mustRefuse(t, l[0], own("app", limits), llm.KindBudgetExceeded, "budget")
	mustAdmit(t, l[0], own("app", llm.Limits{RPS: 1e-6, Burst: 3})).Settle(failed, nil)
	mustRefuse(t, l[1], own("app", llm.Limits{RPS: 1e-6, Burst: 3}), llm.KindRateLimited, "requests")
}

func TestNoAllocationsForCallers(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector makes sync.Pool forget on purpose")
	}
	l, c := benchCallers(), benchOwn()
	done := reported(60)
	if n := testing.AllocsPerRun(2000, func() {
		lease, err := l.Admit(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		lease.Settle(done, nil)
	}); n != 0 {
		t.Errorf("%v allocations for an admission and its settlement", n)
	}
}

func benchCallers() *Limiter {
	m := NewMemory(nil)
	return New(Options{Engine: m, Callers: NewCallers(CallersOptions{Engine: m, Spent: (&spending{}).spent})})
}

func benchOwn() *llm.Call {
	return own("jwt:ada", llm.Limits{RPS: 1e9, Burst: 1e9, TPM: 1 << 39, Concurrency: 1 << 20, Day: 1 << 60})
}

// BenchmarkAdmitSettleOwn is a call whose caller brings its limits.
func BenchmarkAdmitSettleOwn(b *testing.B) {
	b.ReportAllocs()
	l, done := benchCallers(), reported(60)
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		c := benchOwn()
		for pb.Next() {
			lease, err := l.Admit(ctx, c)
			if err != nil {
				b.Fatal(err)
			}
			lease.Settle(done, nil)
		}
	})
}
