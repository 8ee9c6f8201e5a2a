package limits

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestStanding: both engines tell the same of the same calls.
func TestStanding(t *testing.T) {
	c := newClock() // noon of January 31st
	mr := server(t)
	mr.SetTime(c.now())
	r := engine(t, mr, func(o *RedisOptions) { o.Local = NewMemory(c.now) })
	rules := Rules{
		Tenants: map[string]Rule{"team": {TPM: 500, Month: 100}}, Keys: map[string]Rule{"app": {RPS: 2, Concurrency: 3, Day: 50}},
	}
	caller := &llm.Caller{Name: "app", Tenant: "team"}
	for name, e := range map[string]Engine{"memory": NewMemory(c.now), "redis": r} {
		l := New(Options{Engine: e, Rules: rules})
		fresh, err := l.Standing(t.Context(), caller)
		want := []Standing{
			{Scope: ScopeKey, Name: "app", Rule: Rule{RPS: 2, Burst: 4, Concurrency: 3, Day: 50}, DayReset: 12 * time.Hour, MonthReset: 12 * time.Hour},
			{Scope: ScopeTenant, Name: "team", Rule: Rule{TPM: 500, Month: 100}, DayReset: 12 * time.Hour, MonthReset: 12 * time.Hour},
		}
		if d := cmp.Diff(want, fresh); d != "" || err != nil {
			t.Errorf("%s, nothing used: %v %s", name, err, d)
		}
		mustAdmit(t, l, call(10, 90)).Settle(reported(7), flat(1))
		open := mustAdmit(t, l, call(10, 90))
		if name == "redis" {
			flush(t, r)
		}
		used, err := l.Standing(t.Context(), caller)
		want[0].Requests, want[0].RequestsReset, want[0].InFlight, want[0].Day = 2, time.Second, 1, 7
		want[1].Tokens, want[1].TokensReset, want[1].Month = 107, 61*time.Second, 7
		for i := range used { // what no rule bounds is not the same in both
			if used[i].Rule.Concurrency == 0 {
				used[i].InFlight = 0
			}
			if used[i].Rule.Day == 0 {
				used[i].Day = 0
			}
			if used[i].Rule.Month == 0 {
				used[i].Month = 0
			}
		}
		if d := cmp.Diff(want, used); d != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, d)
		}
		open.Settle(failed, nil)
	}
	mr.Close()
	got, err := New(Options{Engine: r, Rules: rules}).Standing(t.Context(), caller)
	if err != nil || len(got) != 2 {
		t.Errorf("without Redis: %+v, %v", got, err)
	}
}

func TestStandingOfNobody(t *testing.T) {
	l, _ := withCallers(newClock(), CallersOptions{}, Rules{Gateway: Rule{RPS: 1}})
	if got, err := l.Standing(t.Context(), &llm.Caller{}); len(got) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := l.Standing(t.Context(), own("jwt:ada", llm.Limits{TPM: 7}).Meta.Caller)
	if err != nil || len(got) != 1 || got[0].Name != "jwt:ada" || got[0].Rule.TPM != 7 {
		t.Errorf("%+v, %v", got, err)
	}
}
