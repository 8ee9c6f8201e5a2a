package auth

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func named(name string) Key { return Key{Name: name, Hash: HashKey("gw_" + name)} }

func TestRuntimeKeys(t *testing.T) {
	c := &clock{t: start}
	a := New(Options{Keys: []Key{named("fixed")}, Now: c.now})
	limits := &llm.Limits{RPS: 3}
	late := named("late")
	late.Tenant, late.Limits, late.Expires = "team", limits, start.Add(time.Minute)
	same := Key{Name: "thief", Hash: HashKey("gw_fixed")}
	again := Key{Name: "late", Hash: HashKey("gw_other")}
	if got := a.SetRuntime([]Key{late, named("fixed"), same, again, {Hash: HashKey("gw_x")}}); !slices.Equal(got, []string{"", "fixed", "late", "thief"}) {
		t.Errorf("shadowed: %q", got)
	}
	got, err := a.Authenticate(t.Context(), "gw_late")
	if err != nil || got.Name != "late" || got.Tenant != "team" || got.Limits != limits {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := a.Authenticate(t.Context(), "gw_fixed"); err != nil || got.Name != "fixed" {
		t.Errorf("a run-time key has taken the place of a configured one: %+v, %v", got, err)
	}
	for _, bad := range []string{"gw_other", "gw_x"} {
		if _, err := a.Authenticate(t.Context(), bad); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
	c.add(time.Minute - 1)
	if _, err := a.Authenticate(t.Context(), "gw_late"); err != nil {
		t.Error("refused before its end:", err)
	}
	c.add(1)
	_, err = a.Authenticate(t.Context(), "gw_late")
	if e := wantKind(t, err, llm.KindUnauthenticated); !strings.Contains(e.Message, "expired") {
		t.Error(e)
	}
	a.SetRuntime(nil)
	if _, err := a.Authenticate(t.Context(), "gw_late"); err == nil || strings.Contains(err.Error(), "expired") {
		t.Error("a key that is gone is still known:", err)
	}
	if _, err := a.Authenticate(t.Context(), "gw_fixed"); err != nil {
		t.Error("a configured key went with the others:", err)
	}
}

func TestAwaitRuntime(t *testing.T) {
	a := New(Options{})
	a.AwaitRuntime()
	_, err := a.Authenticate(t.Context(), "gw_unknown")
	if e := wantKind(t, err, llm.KindOverloaded); e.RetryAfter <= 0 {
		t.Error("no time to come back is told")
	}
	_, err = a.Authenticate(t.Context(), "sk-test-0000") // no key of ours
	wantKind(t, err, llm.KindUnauthenticated)
	a.SetRuntime([]Key{named("x")})
	_, err = a.Authenticate(t.Context(), "gw_unknown")
	wantKind(t, err, llm.KindUnauthenticated)
	if _, err := a.Authenticate(t.Context(), "gw_x"); err != nil {
		t.Error(err)
	}
}

func TestAnonymous(t *testing.T) {
	c := &clock{t: start}
	a := New(Options{Anonymous: true, Now: c.now})
	for range 2 {
		for _, token := range []string{"", "gw_unknown", "a.b.c", strings.Repeat("x", maxToken+1)} {
			if got, err := a.Authenticate(t.Context(), token); err != nil || got.Name != "" || got.Limits != nil || !got.May("any") {
				t.Errorf("%.20q: %+v, %v", token, got, err)
			}
		}
		k := named("app")
		k.Models, k.Expires = []string{"chat"}, start.Add(time.Hour)
		a.SetRuntime([]Key{k})
	}
	if got, err := a.Authenticate(t.Context(), "gw_app"); err != nil || got.Name != "app" || got.May("any") {
		t.Errorf("%+v, %v", got, err)
	}
	c.add(time.Hour)
	if got, err := a.Authenticate(t.Context(), "gw_app"); err != nil || got.Name != "" {
		t.Errorf("an expired key is told from an unknown one: %+v, %v", got, err)
	}
}

// Keys come and go while requests are authenticated: one that stays is always
// accepted, and one is refused as soon as SetRuntime has returned.
func TestRuntimeKeysUnderLoad(t *testing.T) {
	a := New(Options{Keys: []Key{named("fixed")}})
	stays := named("stays")
	a.SetRuntime([]Key{stays})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := a.Authenticate(t.Context(), "gw_stays"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 300 {
		a.SetRuntime([]Key{stays, named("goes")})
		if _, err := a.Authenticate(t.Context(), "gw_goes"); err != nil {
			t.Fatal(err)
		}
		a.SetRuntime([]Key{stays})
		if _, err := a.Authenticate(t.Context(), "gw_goes"); err == nil {
			t.Fatal("accepted after it was taken away")
		}
	}
	close(done)
	wg.Wait()
}

func TestRuntimeKeysDoNotAllocate(t *testing.T) {
	ctx := t.Context()
	a, open := New(Options{Keys: []Key{named("fixed")}}), New(Options{Anonymous: true})
	k := named("app")
	k.Expires = time.Now().Add(time.Hour)
	a.SetRuntime([]Key{k})
	open.SetRuntime([]Key{k})
	for _, x := range []*Authenticator{a, open} {
		if n := testing.AllocsPerRun(100, func() { _, _ = x.Authenticate(ctx, "gw_app") }); n > 0 {
			t.Errorf("%v allocations, want none", n)
		}
	}
}

func TestLimitClaims(t *testing.T) {
	j := newJWT(t, JWTOptions{Secret: secret, Claims: Claims{Limits: "plan.limits"}})
	who := func(plan any) (*llm.Caller, error) {
		return j.Authenticate(t.Context(), sign(t, "HS256", secret, "", good(claims{"plan": plan})))
	}
	got, err := who(claims{"limits": claims{"rps": 2.5, "burst": 3, "tpm": 1000, "concurrency": 4, "budget": claims{"day": 0.5, "month": 9}}})
	want := llm.Limits{RPS: 2.5, Burst: 3, TPM: 1000, Concurrency: 4, Day: llm.Dollar / 2, Month: 9 * llm.Dollar}
	if err != nil || got.Limits == nil || *got.Limits != want {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := who(claims{"limits": claims{}}); err != nil || got.Limits == nil || !got.Limits.Unlimited() {
		t.Errorf("an empty object: %+v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		plan any
		says string
	}{
		"none":     {nil, "does not say its limits"},
		"null":     {claims{"limits": nil}, "does not say its limits"},
		"text":     {claims{"limits": "lots"}, "malformed: must be an object"},
		"negative": {claims{"limits": claims{"rps": -1}}, "malformed: rps must be"},
		"typo":     {claims{"limits": claims{"tmp": 1}}, "malformed: tmp is no limit"},
		"budget":   {claims{"limits": claims{"budget": claims{"day": "5"}}}, "malformed: budget.day must be"},
	} {
		_, err := who(tc.plan)
		if e := wantKind(t, err, llm.KindUnauthenticated); !strings.Contains(e.Message, tc.says) {
			t.Errorf("%s: %v", name, e)
		}
	}
}

func TestTokensWithinTheirTenant(t *testing.T) {
	j := newJWT(t, JWTOptions{Secret: secret, Claims: Claims{Tenant: "org", Within: func(tenant string, models []string) []string {
		if tenant == "small" {
			return []string{"chat"}
		}
		return models
	}}})
	for org, may := range map[string]bool{"small": false, "large": true} {
		got, err := j.Authenticate(t.Context(), sign(t, "HS256", secret, "", good(claims{"org": org})))
		if err != nil || got.May("other") != may || !got.May("chat") {
			t.Errorf("%s: %+v, %v", org, got, err)
		}
	}
}
