package limits

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func keyLimits(engine Engine, r Rule) *Limiter {
	return New(Options{Engine: engine, Rules: Rules{Keys: map[string]Rule{"app": r}}})
}

func TestRequestsPerSecond(t *testing.T) {
	c := newClock()
	l := keyLimits(NewMemory(c.now), Rule{RPS: 2})
	for i := range 4 { // burst: twice the rate
		q := call(1, 1)
		mustAdmit(t, l, q).Settle(failed, nil) // a failed call keeps its request
		if q.Meta.Quota.Requests != 4 || q.Meta.Quota.RequestsLeft != int64(3-i) || q.Meta.Quota.RequestsReset != time.Duration(i+1)*500*time.Millisecond {
			t.Errorf("call %d: %+v", i, q.Meta.Quota)
		}
	}
	e := mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "the key app has used its 2 requests per second (burst 4)")
	if e.RetryAfter != 500*time.Millisecond || e.Permanent {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	c.sleep(e.RetryAfter - 1)
	mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "requests per second")
	c.sleep(1)
	mustAdmit(t, l, call(1, 1))
	c.sleep(time.Hour)
	for range 4 {
		mustAdmit(t, l, call(1, 1))
	}
	mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "requests per second")
}

func TestTokensPerMinute(t *testing.T) {
	c := newClock()
	l := keyLimits(NewMemory(c.now), Rule{TPM: 1000})
	a := mustAdmit(t, l, call(100, 500)) // 600
	c.sleep(30 * time.Second)
	q := call(100, 300) // 400: full to the token
	b := mustAdmit(t, l, q)
	if *q.Meta.Quota != (llm.Quota{Tokens: 1000, TokensLeft: 0, TokensReset: 61 * time.Second}) {
		t.Errorf("quota %+v", q.Meta.Quota)
	}
	e := mustRefuse(t, l, call(0, 1), llm.KindRateLimited, "the key app has used its 1000 tokens per minute")
	if e.RetryAfter != 31*time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	a.Settle(reported(50), nil) // 550 come back, into the second they were taken in
	x := mustAdmit(t, l, call(50, 500))
	mustRefuse(t, l, call(0, 1), llm.KindRateLimited, "tokens")
	b.Settle(failed, nil) // all of it
	mustAdmit(t, l, call(100, 300)).Settle(reported(700), nil)
	if e := mustRefuse(t, l, call(0, 1), llm.KindRateLimited, "tokens"); e.RetryAfter != 61*time.Second {
		t.Errorf("over by 300, of which 50 go in 31 s: %v", e.RetryAfter)
	}
	x.Settle(failed, nil)
	c.sleep(62 * time.Second)
	mustAdmit(t, l, call(0, 1000))
}

func TestTooLargeForAMinute(t *testing.T) {
	l := keyLimits(NewMemory(newClock().now), Rule{TPM: 1000})
	for _, c := range []*llm.Call{call(600, 401), call(1001, 0)} {
		e := mustRefuse(t, l, c, llm.KindRateLimited, "more than the 1000 tokens per minute of the key app")
		if e.RetryAfter != 0 || !e.Permanent {
			t.Errorf("a wait of %v is promised", e.RetryAfter)
		}
	}
	// The default for the output is no reason to refuse.
	mustAdmit(t, l, call(600, 0))
	mustRefuse(t, l, call(0, 1), llm.KindRateLimited, "has used")
}

func TestConcurrency(t *testing.T) {
	l := keyLimits(NewMemory(nil), Rule{Concurrency: 2})
	a, b := mustAdmit(t, l, call(1, 1)), mustAdmit(t, l, call(1, 1))
	if e := mustRefuse(t, l, call(1, 1), llm.KindRateLimited, "the key app has its 2 requests in flight"); e.RetryAfter != time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	a.Settle(failed, nil)
	mustAdmit(t, l, call(1, 1)).Settle(reported(1), nil)
	b.Settle(llm.Done{Gone: true}, nil)
}

func TestBudgets(t *testing.T) {
	c := newClock() // noon of January 31st
	l := keyLimits(NewMemory(c.now), Rule{Day: 10 * llm.Dollar, Month: 15 * llm.Dollar})
	spend := func(dollars int64) {
		t.Helper()
		mustAdmit(t, l, call(1, 1)).Settle(reported(dollars), flat(llm.Dollar))
	}
	spend(9)
	inFlight := []*Lease{mustAdmit(t, l, call(1, 1)), mustAdmit(t, l, call(1, 1))}
	for _, f := range inFlight { // the overshoot: calls in flight
		f.Settle(reported(1), flat(llm.Dollar))
	}
	e := mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "the key app has spent its budget of 10 dollars for this day (UTC)")
	if e.RetryAfter != 12*time.Hour {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	c.sleep(12 * time.Hour) // February: both begin anew
	spend(9)
	spend(1)
	c.sleep(24 * time.Hour)
	spend(4)
	spend(1)
	if e := mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "15 dollars for this month"); e.RetryAfter != 27*24*time.Hour {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	c.sleep(-48 * time.Hour) // a clock set back gives nothing back
	mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "month")
}

func TestBudgetSums(t *testing.T) {
	m := NewMemory(newClock().now)
	l := keyLimits(m, Rule{Day: 1})
	free := mustAdmit(t, l, call(1, 1))
	free.Settle(reported(1000), nil) // no price: not counted, and let through by default
	mustAdmit(t, l, call(1, 1)).Settle(llm.Done{Err: failed.Err}, flat(1))
	m.Charge(ScopeKey, "app", 1, 1)
	mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, "budget")
}

// A stream that was left counts what came of it, in tokens and in money.
func TestAStreamThatWasLeft(t *testing.T) {
	c := newClock()
	l := keyLimits(NewMemory(c.now), Rule{TPM: 1000, Day: 110})
	lease := mustAdmit(t, l, call(100, 900))
	lease.Settle(llm.Done{Gone: true, Stream: true, Events: 3, TextBytes: 37}, flat(1))
	q := call(0, 1)
	mustRefuse(t, l, q, llm.KindBudgetExceeded, "budget") // 100 + 10
	if q.Meta.Quota.TokensLeft != 890 {
		t.Errorf("%d tokens left", q.Meta.Quota.TokensLeft)
	}
}

func TestUnknownPriceDenied(t *testing.T) {
	priced := true
	o := Options{Rules: Rules{Keys: map[string]Rule{"app": {Day: llm.Dollar}}}, Priced: func(*llm.Call) bool { return priced }}
	l := New(o)
	mustAdmit(t, l, call(1, 1))
	priced = false
	if e := mustRefuse(t, l, call(1, 1), llm.KindBudgetExceeded, `the price of the model "chat" is not known`); e.RetryAfter != 0 {
		t.Errorf("a wait of %v is promised", e.RetryAfter)
	}
	other := call(1, 1)
	other.Meta.Caller = &llm.Caller{Name: "no-budget"}
	mustAdmit(t, l, other)
}

// All of a call's limits are taken, or none.
func TestAllOrNothing(t *testing.T) {
	c := newClock()
	m := NewMemory(c.now)
	l := New(Options{Engine: m, Rules: Rules{
		Gateway: Rule{RPS: 1, Burst: 100},
		Tenants: map[string]Rule{"team": {TPM: 10_000}},
		Keys:    map[string]Rule{"app": {Concurrency: 5}},
		Routes:  map[string]Rule{"chat": {RPS: 0.1, Burst: 1}},
	}})
	mustAdmit(t, l, call(10, 10))
	for range 50 {
		if e := mustRefuse(t, l, call(10, 10), llm.KindRateLimited, "the route chat"); e.RetryAfter != 10*time.Second {
			t.Fatalf("retry after %v", e.RetryAfter)
		}
	}
	gw, team, app := m.states[subjectKey{ScopeGateway, ""}], m.states[subjectKey{ScopeTenant, "team"}], m.states[subjectKey{ScopeKey, "app"}]
	if gw.requests.level != 99*nano || team.tokens.sum != 20 || app.inFlight != 1 {
		t.Errorf("refused calls have taken: %d, %d, %d", gw.requests.level, team.tokens.sum, app.inFlight)
	}
	// Of several limits the longest wait is told.
	q := call(10, 9990)
	if e := mustRefuse(t, l, q, llm.KindRateLimited, "the tenant team has used its 10000 tokens"); e.RetryAfter != 61*time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	if q.Meta.Quota.Requests != 100 || q.Meta.Quota.Tokens != 10_000 { // the gateway's, the tenant's: the key has neither
		t.Errorf("quota %+v", q.Meta.Quota)
	}
}

func TestReloadKeepsWhatWasUsed(t *testing.T) {
	c := newClock()
	m := NewMemory(c.now)
	before := keyLimits(m, Rule{RPS: 1, Burst: 10, TPM: 100, Concurrency: 1, Day: 50})
	lease := mustAdmit(t, before, call(10, 90))
	after := keyLimits(m, Rule{RPS: 1, Burst: 20, TPM: 150, Concurrency: 2, Day: 60})
	q := call(10, 40)
	second := mustAdmit(t, after, q)
	if q.Meta.Quota.RequestsLeft != 8 || q.Meta.Quota.TokensLeft != 0 {
		t.Errorf("the reload has refilled: %+v", q.Meta.Quota)
	}
	mustRefuse(t, after, call(0, 1), llm.KindRateLimited, "")
	lease.Settle(reported(55), flat(1))
	second.Settle(reported(5), flat(1))
	mustRefuse(t, after, call(0, 1), llm.KindBudgetExceeded, "")
	none := New(Options{Engine: m})
	if !none.Unlimited() || after.Unlimited() {
		t.Error("Unlimited is wrong")
	}
	mustAdmit(t, none, call(1, 1)).Settle(failed, nil)
	mustRefuse(t, keyLimits(m, Rule{Day: 60}), call(0, 1), llm.KindBudgetExceeded, "")
}

// Many at once: never one over, and what was refused has taken nothing.
func TestExactUnderConcurrency(t *testing.T) {
	for name, tc := range map[string]struct {
		rule  Rule
		admit int64
	}{
		"requests":    {Rule{RPS: 1e-6, Burst: 500}, 500},
		"tokens":      {Rule{TPM: 10_000}, 100},
		"concurrency": {Rule{Concurrency: 77}, 77},
		"all":         {Rule{RPS: 1e-6, Burst: 90, TPM: 9_999, Concurrency: 200}, 90},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			m := NewMemory(c.now)
			limiters := []*Limiter{keyLimits(m, tc.rule), keyLimits(m, tc.rule)}
			var admitted atomic.Int64
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() {
					for range 10 {
						if _, err := limiters[i%2].Admit(t.Context(), call(50, 50)); err == nil {
							admitted.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if admitted.Load() != tc.admit {
				t.Errorf("%d admitted, %d allowed", admitted.Load(), tc.admit)
			}
		})
	}
}

// storm performs calls that end in every way there is, and reports the most
// that were under way at once.
func storm(t *testing.T, l *Limiter, callers, calls int) (peak int64) {
	ends := []llm.Done{
		reported(30), failed, {Gone: true, Stream: true}, {Gone: true, Stream: true, Events: 2, TextBytes: 10},
		{Err: llm.Errorf(llm.KindTimeout, "x")}, {Err: llm.AsError(context.Canceled)}, {},
		{Err: llm.Errorf(llm.KindUpstreamError, "cut"), Started: true, Events: 1, Stream: true}, reported(5000),
	}
	var now, most atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for range calls {
				one(t.Context(), l, ends[rnd.IntN(len(ends))], &now, &most)
			}
		})
	}
	wg.Wait()
	return most.Load()
}

// one makes a call as the service does, with a panic now and then.
func one(ctx context.Context, l *Limiter, end llm.Done, now, most *atomic.Int64) {
	lease, err := l.Admit(ctx, call(20, 20))
	if err != nil {
		return
	}
	n := now.Add(1)
	for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
	}
	defer func() {
		_ = recover()
		now.Add(-1)
		lease.Settle(end, flat(1))
	}()
	if end.Err != nil {
		panic("on the way")
	}
}

func TestNothingLeaksInAStorm(t *testing.T) {
	c := newClock()
	m := NewMemory(c.now)
	l := New(Options{Engine: m, Rules: Rules{
		Gateway: Rule{Concurrency: 40, TPM: 1 << 40}, Tenants: map[string]Rule{"team": {Concurrency: 30}},
		Keys: map[string]Rule{"app": {Concurrency: 20, TPM: 1 << 40}}, Routes: map[string]Rule{"chat": {Concurrency: 25, RPS: 1e6, Burst: 1e6}},
	}})
	if peak := storm(t, l, 200, 200); peak > 20 {
		t.Errorf("%d in flight, 20 allowed", peak)
	}
	c.sleep(2 * time.Minute)
	for k, s := range m.states {
		s.tokens.roll(int64(c.now().Sub(m.start) / time.Second))
		if s.inFlight != 0 || s.tokens.sum != 0 {
			t.Errorf("%v %q: %d in flight, %d tokens", k.scope, k.name, s.inFlight, s.tokens.sum)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector makes sync.Pool forget on purpose")
	}
	l := benchLimiter()
	c := call(50, 100)
	var price llm.Pricer = flat(1)
	done := reported(60)
	if n := testing.AllocsPerRun(2000, func() {
		lease, err := l.Admit(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		lease.Settle(done, price)
	}); n != 0 {
		t.Errorf("%v allocations for an admission and its settlement", n)
	}
}

func benchLimiter() *Limiter {
	r := Rule{RPS: 1e9, Burst: 1e9, TPM: 1 << 50, Concurrency: 1 << 20, Day: 1 << 60, Month: 1 << 60}
	return New(Options{Rules: Rules{Gateway: r, Tenants: map[string]Rule{"team": r}, Keys: map[string]Rule{"app": r}, Routes: map[string]Rule{"chat": r}}})
}

func benchmark(b *testing.B, l *Limiter) {
	b.ReportAllocs()
	var price llm.Pricer = flat(1)
	done := reported(60)
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		c := call(50, 100)
		for pb.Next() {
			lease, err := l.Admit(ctx, c)
			if err != nil {
				b.Fatal(err)
			}
			lease.Settle(done, price)
		}
	})
}

// BenchmarkAdmitSettle is a call under every limit of all four subjects.
func BenchmarkAdmitSettle(b *testing.B) { benchmark(b, benchLimiter()) }

// BenchmarkAdmitSettleKey is a call whose key alone has limits.
func BenchmarkAdmitSettleKey(b *testing.B) {
	benchmark(b, keyLimits(NewMemory(nil), Rule{RPS: 1e9, Burst: 1e9, TPM: 1 << 50, Concurrency: 1 << 20, Day: 1 << 60}))
}

// BenchmarkEstimate is the estimate of a body of 10 KB.
func BenchmarkEstimate(b *testing.B) {
	b.ReportAllocs()
	raw := []byte(`{"messages":[{"role":"user","content":"` + string(body(2500)) + ` "}]}`)
	for b.Loop() {
		textTokens(raw)
	}
}
