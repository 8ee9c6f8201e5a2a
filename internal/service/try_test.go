package service

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// routed makes a service over a real table with one route.
func routed(t *testing.T, targets ...*route.Target) *Service {
	t.Helper()
	i := 0
	return New(Options{Router: route.New(route.Options{
		Routes: []route.Spec{{Name: "chat", Targets: make([]route.TargetSpec, len(targets))}},
		Target: func(route.TargetSpec) *route.Target { i++; return targets[i-1] },
	})})
}

func remembered(t *route.Target) *route.Target {
	t.Health = new(route.Health)
	return t
}

func TestPathTellsTheWay(t *testing.T) {
	blind := answers("a", "no")
	blind.Traits = route.Traits{Can: route.Any | route.Images, Sure: true}
	for _, tc := range []struct {
		name    string
		targets []*route.Target
		want    string
	}{
		{"straight", []*route.Target{answers("a", "hi"), answers("b", "no")}, ""},
		{"one target fails", []*route.Target{fails("a", llm.KindTimeout)}, ""},
		{"fallback", []*route.Target{fails("a", llm.KindUpstreamRateLimited), answers("b", "hi")}, "a/m:upstream_rate_limited>b/m"},
		{"open circuit", []*route.Target{fails("a", llm.KindOverloaded), answers("b", "hi")}, "a/m:overloaded>b/m"},
		{"all fail", []*route.Target{fails("a", llm.KindTimeout), fails("b", llm.KindUpstreamError)}, "a/m:timeout>b/m:upstream_error"},
		{"skipped", []*route.Target{blind, answers("b", "hi")}, "a/m:lacks_tools>b/m"},
		{"skipped, then failed", []*route.Target{blind, fails("b", llm.KindTimeout), answers("c", "hi")}, "a/m:lacks_tools>b/m:timeout>c/m"},
		{"own fault", []*route.Target{fails("a", llm.KindInvalidRequest), answers("b", "no")}, ""},
	} {
		c := NewCall(&llm.Request{Model: "chat", Tools: []llm.Tool{{Name: "f"}}})
		_, _ = routed(t, tc.targets...).Do(t.Context(), c)
		if c.Meta.Path != tc.want {
			t.Errorf("%s: path %q, want %q", tc.name, c.Meta.Path, tc.want)
		}
	}
}

func TestUnsupportedAsksNobody(t *testing.T) {
	a := answers("a", "no")
	a.Traits = route.Traits{Can: route.Any, Sure: true}
	c := NewCall(&llm.Request{Model: "chat", Tools: []llm.Tool{{Name: "f"}}})
	_, err := routed(t, a).Do(t.Context(), c)
	if e := llm.AsError(err); e == nil || e.Kind != llm.KindUnsupported || e.Param != "tools" || e.Attempts != 0 {
		t.Fatalf("got %+v", err)
	}
}

// TestRateLimitedTargetRests lets the first target answer 429 with Retry-After
// and looks at who is asked then.
func TestRateLimitedTargetRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := remembered(fails("a", llm.KindUpstreamRateLimited)), remembered(answers("b", "hi"))
		s := routed(t, a, b)
		path := func() string {
			c := call("chat")
			if r, err := s.Do(t.Context(), c); err != nil || r.Provider != "b" {
				t.Fatalf("got %+v, %v", r, err)
			}
			return c.Meta.Path
		}
		if got := path(); got != "a/m:upstream_rate_limited>b/m" {
			t.Errorf("first: %s", got)
		}
		time.Sleep(4 * time.Second) // Retry-After is 5 s
		if got := path(); got != "a/m:cooling_down>b/m" {
			t.Errorf("at rest: %s", got)
		}
		time.Sleep(2 * time.Second)
		if got := path(); got != "a/m:upstream_rate_limited>b/m" {
			t.Errorf("rested: %s", got)
		}
	})
}

// TestRestingTargetIsTheLastResort: better a second 429 than no try.
func TestRestingTargetIsTheLastResort(t *testing.T) {
	a, b := remembered(answers("a", "hi")), remembered(fails("b", llm.KindUpstreamError))
	a.Health.Failed(&llm.Error{Kind: llm.KindUpstreamRateLimited, Attempts: 1, RetryAfter: time.Minute}, time.Now())
	c := call("chat")
	r, err := routed(t, a, b).Do(t.Context(), c)
	if err != nil || r.Provider != "a" || c.Meta.Path != "a/m:cooling_down>b/m:upstream_error>a/m" {
		t.Fatalf("got %+v, %v by %s", r, err, c.Meta.Path)
	}
}

// TestLastTargetIsToldThatItIs: only who has nobody behind it may wait.
func TestLastTargetIsToldThatItIs(t *testing.T) {
	var told []bool
	note := func(name string) *route.Target {
		return target(name, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
			told = append(told, c.Elsewhere)
			return nil, llm.Errorf(llm.KindUpstreamError, "no")
		})
	}
	_, _ = routed(t, note("a"), note("b"), note("c")).Do(t.Context(), call("chat"))
	if !slices.Equal(told, []bool{true, true, false}) {
		t.Errorf("told %v", told)
	}
}
