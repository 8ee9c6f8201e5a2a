package route

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// perToken is a price per token, in any unit; 0 = unknown.
type perToken struct{ in, out llm.Money }

func (p perToken) Cost(u llm.Usage) (llm.Money, bool) {
	return p.in*llm.Money(u.Input) + p.out*llm.Money(u.Output), p != perToken{}
}

// made makes the route of one spec whose targets are named by letters.
func made(s Strategy, sticky bool, targets ...*Target) *Route {
	seeded := rand.New(rand.NewPCG(1, 2))
	i := 0
	o := Options{
		Catalog: fakeCatalog{}, Rand: seeded.Float64,
		Estimate: func(c *llm.Call) (int64, int64) { return int64(len(c.Raw)) / 4, max(c.Peek.MaxTokens, 0) - 1 },
		Target:   func(TargetSpec) *Target { i++; return targets[i-1] },
		Routes:   []Spec{{Name: "chat", Strategy: s, Sticky: sticky, Targets: make([]TargetSpec, len(targets))}},
	}
	r, err := New(o).Resolve("chat")
	if err != nil {
		panic(err)
	}
	return r
}

func letter(name string, weight int) *Target {
	return &Target{Provider: name, Model: "m", Label: name, Weight: weight, Health: new(Health)}
}

func names(targets []*Target) string {
	var b strings.Builder
	for _, t := range targets {
		b.WriteString(t.Label)
	}
	return b.String()
}

func by(caller, body string) *llm.Call {
	c := &llm.Call{Op: llm.OpChat, Meta: &llm.Meta{Caller: &llm.Caller{Name: caller}}}
	if body != "" {
		c.Raw = []byte(body)
	}
	return c
}

func plan(t *testing.T, r *Route, c *llm.Call) Plan {
	t.Helper()
	p, err := r.Plan(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOrderedCostsNothing(t *testing.T) {
	r := made(Ordered, true, letter("a", 1), letter("b", 9), letter("c", 0))
	c := by("app", `{"user":"u"}`)
	if got := names(plan(t, r, c).Targets); got != "abc" {
		t.Errorf("order %s", got)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Plan(c) }); n != 0 {
		t.Errorf("planning allocates %v times", n)
	}
}

func TestWeightedKeepsTheShares(t *testing.T) {
	for _, weights := range [][]int{{9, 1}, {1, 1, 1}, {5, 3, 2, 0}, {0, 7}, {1, 100}} {
		var targets []*Target
		sum := 0
		for i, w := range weights {
			targets = append(targets, letter(string(rune('a'+i)), w))
			sum += w
		}
		r := made(Weighted, false, targets...)
		const n = 20000
		first := map[string]int{}
		for range n {
			p := plan(t, r, by("", ""))
			if len(p.Targets) != len(weights) {
				t.Fatalf("%v: %d targets", weights, len(p.Targets))
			}
			first[p.Targets[0].Label]++
			for i, tg := range p.Targets { // whoever has no weight is behind everyone who has one
				if tg.Weight == 0 && i < len(weights)-1 {
					t.Fatalf("%v: order %s", weights, names(p.Targets))
				}
			}
		}
		for _, tg := range targets {
			share := float64(tg.Weight) / float64(sum)
			sigma := math.Sqrt(share * (1 - share) / n)
			if got := float64(first[tg.Label]) / n; math.Abs(got-share) > 4*sigma+1e-9 {
				t.Errorf("%v: %s is first in %.4f, want %.4f", weights, tg.Label, got, share)
			}
		}
	}
}

// TestWeightedSecondChoice checks that the callers of a failed target spread by
// the weights of the others, and do not all fall on one.
func TestWeightedSecondChoice(t *testing.T) {
	r := made(Weighted, false, letter("a", 100), letter("b", 3), letter("c", 1))
	second, all := 0, 0
	for range 20000 {
		if p := plan(t, r, by("", "")); p.Targets[0].Label == "a" {
			all++
			if p.Targets[1].Label == "b" {
				second++
			}
		}
	}
	if got := float64(second) / float64(all); math.Abs(got-0.75) > 0.02 {
		t.Errorf("b follows a in %.3f, want 0.75", got)
	}
}

func TestLowestCost(t *testing.T) {
	priced := func(name string, in, out llm.Money) *Target {
		tg := letter(name, 1)
		tg.Price = perToken{in, out}
		return tg
	}
	none, odd := letter("n", 1), priced("o", 0, 0)
	for _, tc := range []struct {
		name      string
		prompt    int
		maxTokens int64
		targets   []*Target
		want      string
	}{
		{"long prompt", 40000, 10, []*Target{priced("a", 5, 10), priced("b", 1, 100)}, "ba"},
		{"long answer", 40, 5000, []*Target{priced("b", 1, 100), priced("a", 5, 10)}, "ab"},
		{"answer not said", 40, 0, []*Target{priced("b", 1, 100), priced("a", 5, 10)}, "ab"},
		{"equals stay", 40, 10, []*Target{priced("b", 1, 1), priced("a", 1, 1)}, "ba"},
		{"unknown last", 40, 10, []*Target{none, odd, priced("a", 900, 900)}, "ano"},
	} {
		c := by("", strings.Repeat("x", tc.prompt))
		c.Peek.MaxTokens = tc.maxTokens
		if got := names(plan(t, made(LowestCost, true, tc.targets...), c).Targets); got != tc.want {
			t.Errorf("%s: order %s, want %s", tc.name, got, tc.want)
		}
	}
}

// TestLeastLatencyFindsTheQuickOne serves calls by targets of given speeds and
// looks at who gets them.
func TestLeastLatencyFindsTheQuickOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		speeds := map[string]time.Duration{"a": 900 * time.Millisecond, "b": 100 * time.Millisecond, "c": 400 * time.Millisecond}
		got := map[string]int{}
		var targets []*Target
		for _, name := range []string{"a", "b", "c"} {
			tg := letter(name, 1)
			tg.Chain = llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
				got[tg.Label]++
				time.Sleep(speeds[tg.Label])
				return &llm.Reply{}, nil
			})
			targets = append(targets, tg)
		}
		r := made(LeastLatency, false, targets...)
		const n = 600
		for range n {
			if _, err := r.Do(t.Context(), plan(t, r, by("", "")).Targets[0], by("", "")); err != nil {
				t.Fatal(err)
			}
		}
		if got["b"] < n*55/100 || got["a"] > n*15/100 {
			t.Errorf("calls went %v", got)
		}
		if got["a"] == 0 || got["c"] == 0 {
			t.Errorf("a target was never tried: %v", got)
		}
		// When the quick one becomes slow, one call is enough to know.
		speeds["b"] = 3 * time.Second
		for plan(t, r, by("", "")).Targets[0].Label != "b" {
		}
		_, _ = r.Do(t.Context(), targets[1], by("", ""))
		for range 50 {
			if p := plan(t, r, by("", "")); p.Targets[0].Label == "b" {
				t.Fatal("a target that turned slow was asked again at once")
			}
		}
	})
}

func TestLatencyDecays(t *testing.T) {
	var l latency
	now := time.Unix(1000, 0)
	if l.cost(now) != 0 {
		t.Error("a target without a sample is not tried first")
	}
	l.begin()
	if l.cost(now) < unknown {
		t.Error("everyone explores at once")
	}
	l.end(-1, now)
	if l.cost(now) != 0 {
		t.Error("a call that says nothing left a trace")
	}
	l.begin()
	l.end(8*time.Second, now)
	if got := l.cost(now); got != 8 {
		t.Errorf("cost %v after one sample of 8 s", got)
	}
	l.begin()
	if got := l.cost(now); got != 16 {
		t.Errorf("cost %v with one call under way", got)
	}
	l.end(time.Second, now.Add(time.Second))
	if got := l.cost(now.Add(time.Second)); got >= 8 || got <= 4 {
		t.Errorf("cost %v after a quick sample: one counts little", got)
	}
	if got := l.cost(now.Add(2 * time.Minute)); got > 0.001 {
		t.Errorf("cost %v after two minutes without a call", got)
	}
	// Peaks count at once, whatever the past was.
	l.begin()
	l.end(20*time.Second, now.Add(2*time.Second))
	if got := l.cost(now.Add(2 * time.Second)); got != 20 {
		t.Errorf("cost %v after a peak", got)
	}
}

func TestFailuresDoNotLookQuick(t *testing.T) {
	for _, tc := range []struct {
		err  error
		slow bool
	}{
		{llm.Errorf(llm.KindUpstreamError, "500"), true},
		{llm.Errorf(llm.KindInvalidRequest, "400"), false},
		{llm.Errorf(llm.KindCanceled, "gone"), false},
	} {
		a := letter("a", 1)
		a.Chain = llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, tc.err })
		r := made(LeastLatency, false, a, letter("b", 1))
		_, _ = r.Do(t.Context(), a, by("", ""))
		if slow := a.Health.unary.cost(time.Now()) > 1; slow != tc.slow || a.Health.unary.pending != 0 {
			t.Errorf("%v: slow %v, %d pending", tc.err, slow, a.Health.unary.pending)
		}
		if a.Health.first.cost(time.Now()) != 0 {
			t.Error("a whole answer counted for streams")
		}
	}
}

func TestPanicLeavesNothingPending(t *testing.T) {
	a := letter("a", 1)
	a.Chain = llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) { panic("bang") })
	r := made(LeastLatency, false, a, letter("b", 1))
	func() {
		defer func() { _ = recover() }()
		_, _ = r.Do(t.Context(), a, by("", ""))
	}()
	if a.Health.unary.pending != 0 {
		t.Error("the call is still under way")
	}
}

func TestStickyKeepsCallersAndShares(t *testing.T) {
	for _, s := range []Strategy{Weighted, LeastLatency} {
		r := made(s, true, letter("a", 5), letter("b", 3), letter("c", 2), letter("d", 0))
		const n = 20000
		first := map[string]int{}
		for i := range n {
			c := by("app", fmt.Sprintf(`{"user":"u%d"}`, i))
			p := plan(t, r, c)
			first[p.Targets[0].Label]++
			if again := plan(t, r, c); names(again.Targets) != names(p.Targets) {
				t.Fatalf("%s: caller %d moved from %s to %s", s, i, names(p.Targets), names(again.Targets))
			}
		}
		for name, share := range map[string]float64{"a": .5, "b": .3, "c": .2, "d": 0} {
			if got := float64(first[name]) / n; math.Abs(got-share) > 0.015 {
				t.Errorf("%s: %s has %.3f of the callers, want %.2f", s, name, got, share)
			}
		}
	}
}

// TestStickyMovesFew adds a target, takes one away and changes a weight: only
// the callers that must move do.
func TestStickyMovesFew(t *testing.T) {
	base := made(Weighted, true, letter("a", 1), letter("b", 1), letter("c", 1))
	for _, tc := range []struct {
		name  string
		next  *Route
		from  string  // whose callers may move; "" = anyone's
		to    string  // where they may go; "" = anywhere
		share float64 // of all callers that move
	}{
		{"one more", made(Weighted, true, letter("a", 1), letter("b", 1), letter("c", 1), letter("d", 1)), "", "d", 1. / 4},
		{"one less", made(Weighted, true, letter("a", 1), letter("c", 1)), "b", "", 1. / 3},
		{"another order", made(Weighted, true, letter("c", 1), letter("a", 1), letter("b", 1)), "", "", 0},
		{"more weight", made(Weighted, true, letter("a", 2), letter("b", 1), letter("c", 1)), "", "a", 1./2 - 1./3},
	} {
		const n = 12000
		moved := 0
		for i := range n {
			c := by("app", fmt.Sprintf(`{"metadata":{"user_id":"u%d"}}`, i))
			old, now := plan(t, base, c).Targets[0].Label, plan(t, tc.next, c).Targets[0].Label
			if old == now {
				continue
			}
			moved++
			if tc.from != "" && old != tc.from || tc.to != "" && now != tc.to {
				t.Fatalf("%s: a caller moved from %s to %s", tc.name, old, now)
			}
		}
		if got := float64(moved) / n; math.Abs(got-tc.share) > 0.02 {
			t.Errorf("%s: %.3f of the callers moved, want %.3f", tc.name, got, tc.share)
		}
	}
}

func TestIdentity(t *testing.T) {
	key := func(caller, body string) string {
		k, ok := identity(by(caller, body))
		if !ok {
			return "none"
		}
		return fmt.Sprint(k)
	}
	program := by("app", "")
	program.Request = func() (*llm.Request, error) {
		return &llm.Request{User: "u", Tags: map[string]string{"session_id": "s"}}, nil
	}
	inside, _ := identity(program)
	for _, tc := range []struct {
		name, a, b string
		same       bool
	}{
		{"key alone", key("app", `{}`), key("app", `{"model":"x"}`), true},
		{"other key", key("app", `{}`), key("ppa", `{}`), false},
		{"user", key("app", `{"user":"u"}`), key("app", `{"model":"x","user":"\u0075"}`), true},
		{"other user", key("app", `{"user":"u"}`), key("app", `{"user":"v"}`), false},
		{"anthropic's user", key("app", `{"user":"u"}`), key("app", `{"metadata":{"user_id":"u"}}`), true},
		{"session", key("app", `{"user":"u"}`), key("app", `{"user":"u","metadata":{"session_id":"s"}}`), false},
		{"other session", key("app", `{"metadata":{"session_id":"s"}}`), key("app", `{"metadata":{"session_id":"t"}}`), false},
		{"no strings", key("app", `{"user":7,"metadata":{"session_id":[]}}`), key("app", `{}`), true},
		{"metadata no object", key("app", `{"metadata":"user_id"}`), key("app", `{}`), true},
		{"in the program", fmt.Sprint(inside), key("app", `{"user":"u","metadata":{"session_id":"s"}}`), true},
		{"nobody", key("", `{}`), "none", true},
		{"a user without a key", key("", `{"user":"u"}`), "none", false},
		{"bounds between names", key("ab", `{"user":"c"}`), key("a", `{"user":"bc"}`), false},
	} {
		if (tc.a == tc.b) != tc.same {
			t.Errorf("%s: %s and %s", tc.name, tc.a, tc.b)
		}
	}
}

func TestStickyWithoutIdentityUsesTheStrategy(t *testing.T) {
	r := made(Weighted, true, letter("a", 1), letter("b", 1))
	first := map[string]bool{}
	for range 100 {
		first[plan(t, r, by("", `{}`)).Targets[0].Label] = true
	}
	if len(first) != 2 {
		t.Errorf("anonymous calls all go to %v", first)
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, s := range []Strategy{Ordered, Weighted, LeastLatency, LowestCost} {
		b.Run(string(s), func(b *testing.B) {
			r := made(s, false, letter("a", 3), letter("b", 2), letter("c", 1))
			c := by("app", `{"user":"u"}`)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Plan(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
