package limits

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func acme(e Engine, r Rule) *Account {
	return NewAccount(AccountOptions{Engine: e, Name: "acme", Rule: r})
}

func mustOpen(t testing.TB, a *Account) *Lease {
	t.Helper()
	lease, _, err := a.Admit(t.Context(), call(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

// mustBeSpent checks a refusal's kind and words.
func mustBeSpent(t testing.TB, a *Account, says string) *llm.Error {
	t.Helper()
	_, _, err := a.Admit(t.Context(), call(1, 1))
	e := llm.AsError(err)
	if e == nil || e.Kind != llm.KindBudgetExceeded || e.Provider != "acme" || !strings.Contains(e.Message, says) {
		t.Fatalf("got %v, want %q", err, says)
	}
	return e
}

func TestAccountBudget(t *testing.T) {
	c := newClock() // noon of January 31st
	m := NewMemory(c.now)
	a := acme(m, Rule{Day: 10, Month: 15})
	inFlight := []*Lease{mustOpen(t, a), mustOpen(t, a), mustOpen(t, a)}
	mustOpen(t, a).Spend(llm.Done{}, 9)
	for _, l := range inFlight { // the overshoot: attempts in flight
		l.Spend(llm.Done{}, 1)
	}
	e := mustBeSpent(t, a, "the provider acme has spent its budget of 0.00000000001 dollars for this day (UTC)")
	if e.RetryAfter != 12*time.Hour {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	c.sleep(12 * time.Hour)             // February
	mustOpen(t, a).Spend(llm.Done{}, 0) // failed
	mustOpen(t, a).Spend(llm.Done{}, -5)
	mustOpen(t, a).Spend(llm.Done{}, 8)
	c.sleep(24 * time.Hour)
	mustOpen(t, a).Spend(llm.Done{}, 7)
	mustBeSpent(t, a, "for this month (UTC)")
	if n := m.states[subjectKey{ScopeProvider, "acme"}].inFlight; n != 0 {
		t.Errorf("%d in flight", n)
	}
}

// TestAccountBudgetOutlivesALimiter: counters are kept by name, and a start tells
// what was spent before.
func TestAccountBudgetOutlivesALimiter(t *testing.T) {
	m := NewMemory(newClock().now)
	mustOpen(t, acme(m, Rule{Day: 10})).Spend(llm.Done{}, 6)
	mustOpen(t, acme(m, Rule{Day: 7})).Spend(llm.Done{}, 1)
	mustBeSpent(t, acme(m, Rule{Day: 7}), "day")
	mustOpen(t, NewAccount(AccountOptions{Engine: m, Name: "other", Rule: Rule{Day: 7}}))
	m.Charge(ScopeProvider, "third", 7, 7)
	if _, _, err := NewAccount(AccountOptions{Engine: m, Name: "third", Rule: Rule{Day: 7}}).Admit(t.Context(), call(1, 1)); err == nil {
		t.Error("a restart has forgiven")
	}
}

func TestAccountBudgetUnpriced(t *testing.T) {
	priced := false
	a := NewAccount(AccountOptions{Engine: NewMemory(nil), Name: "acme", Rule: Rule{Month: 5}, Priced: func(*llm.Call) bool { return priced }})
	if e := mustBeSpent(t, a, `the provider acme has a budget, and the price of the model "chat" is not known`); e.RetryAfter != 0 {
		t.Errorf("a wait of %v is promised", e.RetryAfter)
	}
	priced = true
	mustOpen(t, a).Spend(llm.Done{}, 1)
}

// TestAccountBudgetTellsItsShares: as every budget does, once for each share.
func TestAccountBudgetTellsItsShares(t *testing.T) {
	m := NewMemory(newClock().now)
	var told []string
	m.OnCrossing(func(c Crossing) { told = append(told, c.String()) })
	r := Rule{Day: 100 * llm.Dollar, Alerts: Shares{Whole / 2, Whole}}
	a := acme(m, r)
	for range 5 {
		mustOpen(t, a).Spend(llm.Done{}, 30*llm.Dollar/1)
		if _, _, err := a.Admit(t.Context(), call(1, 1)); err != nil {
			break
		}
	}
	if want := []string{
		"the provider acme has spent 60 dollars: 50 % of its budget of 100 dollars for this day (UTC) are reached",
		"the provider acme has spent 120 dollars: 100 % of its budget of 100 dollars for this day (UTC) are reached",
	}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	l := New(Options{Engine: m, Rules: Rules{Providers: map[string]Rule{"acme": r, "free": {RPS: 1}}}})
	if got := l.Spendings(nil, 10); len(got) != 1 || got[0] != (Spending{ScopeProvider, "acme", Day, 120 * llm.Dollar, 100 * llm.Dollar}) {
		t.Errorf("spendings %+v", got)
	}
	if !l.Unlimited() || len(l.Spendings(nil, 0)) != 0 {
		t.Error("an account's budget is one of calls, or the list has no bound")
	}
}

// spree lets callers spend a dollar an attempt in every way that an attempt can
// end, until nobody is let in any more. It returns the most that were in flight
// at the moment when the money was spent.
func spree(t *testing.T, accounts []*Account, callers int) (spent, most int64) {
	var sum, flying, peak atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for {
				n := flying.Add(1)
				lease, _, err := accounts[i%len(accounts)].Admit(t.Context(), call(1, 1))
				if err != nil {
					flying.Add(-1)
					return
				}
				for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
				}
				cost := llm.Money(0)
				if i%3 != 0 || n%2 == 0 { // others fail, and cost nothing
					cost = llm.Dollar
				}
				lease.Spend(llm.Done{}, cost)
				sum.Add(int64(cost / llm.Dollar))
				flying.Add(-1)
			}
		})
	}
	wg.Wait()
	return sum.Load(), peak.Load()
}

// TestAccountBudgetOvershoot: 200 callers spend at most the budget and what was in
// flight when it was reached; nothing stays reserved.
func TestAccountBudgetOvershoot(t *testing.T) {
	m := NewMemory(nil)
	spent, peak := spree(t, []*Account{acme(m, Rule{Day: 1000 * llm.Dollar}), acme(m, Rule{Day: 1000 * llm.Dollar})}, 200)
	if spent < 1000 || spent > 1000+peak || peak > 200 {
		t.Errorf("spent %d of 1000 with at most %d in flight", spent, peak)
	}
	if st := m.states[subjectKey{ScopeProvider, "acme"}]; st.inFlight != 0 || st.day.spent != llm.Money(spent)*llm.Dollar {
		t.Errorf("%d in flight, %s counted", st.inFlight, st.day.spent)
	}
}

// TestRedisAccountBudgetOvershoot: the same over two replicas with one Redis.
func TestRedisAccountBudgetOvershoot(t *testing.T) {
	s := server(t)
	engines := []*Redis{engine(t, s, nil), engine(t, s, nil)}
	accounts := []*Account{acme(engines[0], Rule{Day: 500 * llm.Dollar}), acme(engines[1], Rule{Day: 500 * llm.Dollar})}
	spent, peak := spree(t, accounts, 200)
	if spent < 500 || spent > 500+peak || peak > 200 {
		t.Errorf("spent %d of 500 with at most %d in flight", spent, peak)
	}
	for i, e := range engines {
		flush(t, e)
		got, err := e.Read(t.Context(), []Named{{ScopeProvider, "acme", Rule{Day: 1}}})
		if err != nil || got[0].Day != llm.Money(spent)*llm.Dollar {
			t.Errorf("replica %d knows of %v, %d were spent: %v", i, got, spent, err)
		}
		mustBeSpent(t, accounts[i], "the provider acme has spent its budget")
		if st := e.local.states[subjectKey{ScopeProvider, "acme"}]; st.inFlight != 0 {
			t.Errorf("replica %d: %d in flight", i, st.inFlight)
		}
	}
	for _, k := range s.Keys() {
		if s.TTL(k) <= 0 {
			t.Errorf("%s never expires", k)
		}
	}
}

// trips counts the round trips to Redis.
type trips struct{ n atomic.Int64 }

func (x *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (x *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		x.n.Add(1)
		return next(ctx, cmd)
	}
}

func (x *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		x.n.Add(1)
		return next(ctx, cmds)
	}
}

// TestRedisAccountBudgetIsOneRoundTrip: as each admission is. What has cost
// nothing needs none to end.
func TestRedisAccountBudgetIsOneRoundTrip(t *testing.T) {
	s := server(t)
	e := engine(t, s, nil)
	a := acme(e, Rule{Day: 5})
	mustOpen(t, a).Spend(llm.Done{}, 0) // Redis has the script from now on
	var count trips
	e.client.AddHook(&count)
	for range 10 {
		mustOpen(t, a).Spend(llm.Done{}, 0)
	}
	if n := count.n.Load(); n != 10 {
		t.Errorf("%d round trips for 10 attempts", n)
	}
}

func TestAccountBudgetWithoutRedis(t *testing.T) {
	s := server(t)
	refuse := engine(t, s, func(o *RedisOptions) { o.Refuse = true })
	a := acme(refuse, Rule{Day: 5})
	mustOpen(t, a).Spend(llm.Done{}, 0)
	s.Close()
	var err error
	for range failuresToTrip + 1 {
		if _, _, err = a.Admit(t.Context(), call(1, 1)); err == nil {
			t.Fatal("admitted without Redis")
		}
	}
	if e := llm.AsError(err); e.Kind != llm.KindOverloaded || e.Provider != "acme" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := a.Admit(ctx, call(1, 1)); err == nil {
		t.Error("admitted for nobody")
	}
}

// fullRule bounds all there is, and holds nobody.
var fullRule = Rule{RPS: 1e9, Burst: maxBurst, TPM: 1 << 50, Concurrency: 1 << 30, Day: 1 << 60, Month: 1 << 60, Alerts: Shares{Whole / 2, Whole}}

func TestNoAllocationsForAccounts(t *testing.T) {
	if raceEnabled {
		t.Skip("skipped: the race detector makes sync.Pool forget on purpose")
	}
	a, c := acme(NewMemory(nil), fullRule), call(50, 100)
	if n := testing.AllocsPerRun(2000, func() {
		lease, _, err := a.Admit(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		lease.Spend(llm.Done{}, 1)
	}); n != 0 {
		t.Errorf("%v allocations for an attempt", n)
	}
}

// BenchmarkAccount is an attempt under all limits of its account.
func BenchmarkAccount(b *testing.B) {
	a := acme(NewMemory(nil), fullRule)
	b.ReportAllocs()
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		c := call(50, 100)
		for pb.Next() {
			lease, _, err := a.Admit(ctx, c)
			if err != nil {
				b.Fatal(err)
			}
			lease.Spend(llm.Done{}, 1)
		}
	})
}

// BenchmarkAdmitSettleAll is a call under every limit there is, and its one
// attempt under those of its account.
func BenchmarkAdmitSettleAll(b *testing.B) {
	l := benchLimiter()
	a := acme(l.o.Engine, fullRule)
	var price llm.Pricer = flat(1)
	b.ReportAllocs()
	ctx := b.Context()
	b.RunParallel(func(pb *testing.PB) {
		c := call(50, 100)
		for pb.Next() {
			lease, err := l.Admit(ctx, c)
			if err != nil {
				b.Fatal(err)
			}
			attempt, _, err := a.Admit(ctx, c)
			if err != nil {
				b.Fatal(err)
			}
			attempt.Spend(llm.Done{}, 1)
			lease.Settle(reported(60), price)
		}
	})
}
