package chain

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

type spanKey struct{}

// spans writes down what a tracer is told.
type spans struct {
	off bool
	log []string
}

func (s *spans) add(words ...string) { s.log = append(s.log, strings.Join(words, " ")) }

func (s *spans) Begin(ctx context.Context, c *llm.Call) (context.Context, *llm.Call, bool) {
	d := *c
	d.Forward = append(slices.Clone(c.Forward), llm.Header{Name: "Traceparent", Value: "x"})
	s.add("begin")
	return context.WithValue(ctx, spanKey{}, "span"), &d, !s.off
}

func (s *spans) First(ctx context.Context, ev *llm.Event) {
	if ctx.Value(spanKey{}) == nil {
		s.add("first without its span")
	}
	s.add("first", ev.Text)
}

func (s *spans) End(ctx context.Context, r *llm.Reply, d llm.Done) {
	if ctx.Value(spanKey{}) == nil {
		s.add("end without its span")
	}
	s.add("end", d.Outcome())
}

func (s *spans) Retrying(ctx context.Context, reason llm.Kind, wait time.Duration) {
	if ctx.Value(spanKey{}) != nil {
		s.add("retry on the attempt's span")
	}
	s.add("retry", reason.String())
}

func (s *spans) CircuitChanged(_ context.Context, from, to string) { s.add("circuit", from, to) }

func traceOf(t *testing.T, p llm.Provider, c *llm.Call, s *spans) string {
	t.Helper()
	chain := Build(p, Options{Provider: "p", Tracer: s, Events: s, Circuit: breaker.New(breaker.Options{MinRequests: 3})})
	reply, err := chain.Do(t.Context(), c)
	if err == nil && reply.Stream != nil {
		_, _ = drain(reply)
		_ = reply.Close()
	}
	return strings.Join(s.log, "; ")
}

func TestTrace(t *testing.T) {
	for name, tc := range map[string]struct {
		up   do
		more []do
		call *llm.Call
		off  bool
		want string
	}{
		"unary":  {up: answers, call: unaryCall(), want: "begin; end complete"},
		"stream": {up: streams(kind(llm.EventStart), text("a"), text("b")), call: streamCall(), want: "begin; first ; first a; end complete"},
		"cut": {up: streams(text("a"), ends(llm.Errorf(llm.KindUpstreamError, "cut"))), call: streamCall(),
			want: "begin; first a; end upstream_cut"},
		"retry":                {up: fails(llm.KindUpstreamError), more: []do{answers}, call: unaryCall(), want: "begin; end upstream_error; retry upstream_error; begin; end complete"},
		"the circuit opens":    {up: fails(llm.KindUpstreamError), call: unaryCall(), want: "begin; end upstream_error; retry upstream_error; begin; end upstream_error; retry upstream_error; begin; end upstream_error; circuit closed open"},
		"a panic":              {up: panics, call: unaryCall(), want: "begin; end internal"},
		"unrecorded":           {up: streams(text("a")), call: streamCall(), off: true, want: "begin"},
		"unrecorded and whole": {up: answers, call: unaryCall(), off: true, want: "begin"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := traceOf(t, plays(append([]do{tc.up}, tc.more...)...), tc.call, &spans{off: tc.off}); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

// The provider gets the call that carries the span, and a refusal by the
// circuit is told without one.
func TestTraceCarriesTheSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &spans{}
		circuit := breaker.New(breaker.Options{MinRequests: 1})
		var seen []llm.Header
		up := do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			seen = c.Forward
			return fails(llm.KindUpstreamError)(ctx, c)
		})
		p := Build(up, Options{Provider: "p", Tracer: s, Events: s, Circuit: circuit, Retry: RetryOptions{Max: -1}})
		for range 2 {
			_, _ = p.Do(t.Context(), unaryCall())
		}
		if len(seen) != 1 || seen[0].Name != "Traceparent" {
			t.Errorf("forwarded %v", seen)
		}
		if got := strings.Join(s.log, "; "); got != "begin; end upstream_error; circuit closed open; circuit open open" {
			t.Errorf("got %s", got)
		}
	})
}
