package limits

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// told gathers crossings.
type told struct {
	mu   sync.Mutex
	list []string
	last Crossing
}

func (x *told) note(c Crossing) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(x.list, fmt.Sprintf("%s %s %s %d%%", c.Scope, c.Name, c.Period, c.Share/10_000))
	x.last = c
}

// take returns what was told since the last time.
func (x *told) take() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	slices.Sort(x.list)
	s := strings.Join(x.list, ", ")
	x.list = nil
	return s
}

var shares = Shares{500_000, 800_000, Whole}

func spend(t *testing.T, l *Limiter, dollars int64) {
	t.Helper()
	mustAdmit(t, l, call(1, 1)).Settle(reported(dollars), flat(llm.Dollar))
}

func TestCrossings(t *testing.T) {
	c := newClock() // the last day of a month
	m := NewMemory(c.now)
	var x told
	m.OnCrossing(x.note)
	rules := func(day, month int64) *Limiter {
		return New(Options{Engine: m, Rules: Rules{
			Keys:    map[string]Rule{"app": {Day: llm.Money(day) * llm.Dollar, Month: llm.Money(month) * llm.Dollar, Alerts: shares}},
			Tenants: map[string]Rule{"team": {Day: 1000 * llm.Dollar}}, // tells nothing
		}})
	}
	l := rules(10, 100)
	for i, tc := range []struct {
		dollars int64
		want    string
	}{
		{4, ""}, {1, "key app day 50%"}, {1, ""}, {2, "key app day 80%"}, {1, ""}, {30, "key app day 100%"},
	} {
		if spend(t, l, tc.dollars); x.take() != tc.want {
			t.Errorf("step %d: want %q", i, tc.want)
		}
	}
	if x.last.Spent != 39*llm.Dollar || x.last.Budget != 10*llm.Dollar {
		t.Errorf("%+v", x.last)
	}
	if got := x.last.String(); got != "the key app has spent 39 dollars: 100 % of its budget of 10 dollars for this day (UTC) are reached" {
		t.Error(got)
	}
	first := x.last.Number
	l = rules(100, 100) // another budget is another story; what of it is spent is said anew
	if spend(t, l, 21); x.take() != "key app day 50%, key app month 50%" {
		t.Error("a new budget is not looked at")
	}
	c.sleep(24 * time.Hour)
	if spend(t, l, 81); x.take() != "key app day 50%, key app day 80%, key app month 50%, key app month 80%" || x.last.Number <= first {
		t.Errorf("a new day and month: %+v", x.last)
	}
}

// TestCrossingsAfterRestart: what an earlier process told is not told again.
func TestCrossingsAfterRestart(t *testing.T) {
	m := NewMemory(newClock().now)
	var x told
	m.OnCrossing(x.note)
	m.Charge(ScopeKey, "app", 6*llm.Dollar, 60*llm.Dollar)
	l := keyLimits(m, Rule{Day: 10 * llm.Dollar, Month: 1000 * llm.Dollar, Alerts: shares})
	if spend(t, l, 1); x.take() != "" {
		t.Error("the half was told by the process before")
	}
	if spend(t, l, 3); x.take() != "key app day 100%, key app day 80%" {
		t.Error("what is new was not told")
	}
}

// TestCrossingsOfReplicas: each replica learns of what the others spent, from
// Redis, and tells it once.
func TestCrossingsOfReplicas(t *testing.T) {
	mr := server(t)
	var x [2]told
	var l [2]*Limiter
	for i := range l {
		m := NewMemory(nil)
		m.OnCrossing(x[i].note)
		l[i] = keyLimits(engine(t, mr, func(o *RedisOptions) { o.Local = m }), Rule{Day: 10 * llm.Dollar, Alerts: shares})
	}
	spend(t, l[0], 6)
	if got := x[0].take(); got != "key app day 50%" {
		t.Errorf("the spender told %q", got)
	}
	spend(t, l[1], 1)
	if got := x[1].take(); got != "key app day 50%" {
		t.Errorf("the other told %q", got)
	}
	spend(t, l[1], 1)
	spend(t, l[0], 1)
	if a, b := x[0].take(), x[1].take(); a != "key app day 80%" || b != "key app day 80%" {
		t.Errorf("%q %q", a, b)
	}
}

// TestCrossingsUnderConcurrency: each share once, whoever comes first.
func TestCrossingsUnderConcurrency(t *testing.T) {
	m := NewMemory(newClock().now)
	var x told
	m.OnCrossing(x.note)
	l := keyLimits(m, Rule{Day: 1000 * llm.Dollar, Alerts: shares})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 20 {
				if lease, err := l.Admit(t.Context(), call(1, 1)); err == nil {
					lease.Settle(reported(1), flat(llm.Dollar))
				}
			}
		})
	}
	wg.Wait()
	if got := x.take(); got != "key app day 100%, key app day 50%, key app day 80%" {
		t.Error(got)
	}
}

func TestPortion(t *testing.T) {
	for _, tc := range []struct {
		budget llm.Money
		share  int64
		want   llm.Money
	}{
		{100, 500_000, 50}, {1, 500_000, 1}, {3, 500_000, 2}, {0, Whole, 0}, {1 << 62, Whole, 1 << 62}, {1<<63 - 1, 500_000, 1 << 62}, {1<<63 - 1, 10 * Whole, 1<<63 - 1},
	} {
		if got := portion(tc.budget, tc.share); got != tc.want {
			t.Errorf("%d of %d: %d, want %d", tc.share, tc.budget, got, tc.want)
		}
	}
}

func TestSpendings(t *testing.T) {
	c := newClock()
	m := NewMemory(c.now)
	rules := Rules{Gateway: Rule{Month: 4 * llm.Dollar}, Keys: map[string]Rule{"app": {Day: 2 * llm.Dollar, Month: 8 * llm.Dollar}, "other": {RPS: 1}}}
	l := New(Options{Engine: m, Rules: rules})
	spend(t, l, 1)
	got := map[string]string{}
	for _, s := range l.Spendings(nil, 10) {
		got[s.Scope.String()+" "+s.Name+" "+s.Period.String()] = s.Spent.String() + "/" + s.Budget.String()
	}
	want := map[string]string{"gateway  month": "1/4", "key app day": "1/2", "key app month": "1/8"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
	c.sleep(24 * time.Hour)
	for _, s := range l.Spendings(nil, 10) {
		if s.Spent != 0 {
			t.Errorf("the new day and month begin with %+v", s)
		}
	}
	for i := range 50 {
		rules.Keys[fmt.Sprint(i)] = Rule{Day: 1}
	}
	if n := len(New(Options{Engine: m, Rules: rules}).Spendings(nil, 7)); n > 1+2*7 {
		t.Errorf("%d series", n)
	}
}

// TestCrossingsOfGuests: who brings a budget of his own is told of, too; what
// the ledger knows of was told before.
func TestCrossingsOfGuests(t *testing.T) {
	m := NewMemory(nil)
	var x told
	m.OnCrossing(x.note)
	callers := NewCallers(CallersOptions{Engine: m, Alerts: shares, Spent: func(context.Context, string) (day, month llm.Money, err error) {
		return 6 * llm.Dollar, 6 * llm.Dollar, nil
	}})
	l := New(Options{Engine: m, Callers: callers})
	c := call(1, 1)
	c.Meta.Caller.Limits = &llm.Limits{Day: 10 * llm.Dollar}
	mustAdmit(t, l, c).Settle(reported(3), flat(llm.Dollar))
	if got := x.take(); got != "key app day 80%" {
		t.Errorf("told %q", got)
	}
	if list := l.Spendings(nil, 5); len(list) != 1 || list[0].Spent != 9*llm.Dollar || list[0].Name != "app" {
		t.Errorf("%+v", list)
	}
	if list := l.Spendings(nil, 0); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}
