package service

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fakeRouter struct {
	targets []*route.Target
	err     error
}

func (f fakeRouter) Resolve(string) (*route.Route, error) {
	if f.err != nil {
		return nil, f.err
	}
	return &route.Route{Name: "chat", Targets: f.targets, Timeout: time.Minute, StreamTimeout: time.Hour}, nil
}
func (fakeRouter) Default() string { return "chat" }

type fell []string

func (f *fell) FellBack(_ context.Context, route, from, to string) {
	*f = append(*f, route+":"+from+">"+to)
}

type perToken llm.Money

func (p perToken) Cost(u llm.Usage) (llm.Money, bool) {
	return llm.Money(int64(p) * u.Total()), p != 0
}

func target(name string, do func(ctx context.Context, c *llm.Call) (*llm.Reply, error)) *route.Target {
	return &route.Target{Provider: name, Model: name + "-m", Label: name + "/m", Price: perToken(2), Chain: llm.ProviderFunc(do)}
}

func fails(name string, k llm.Kind) *route.Target {
	return target(name, func(context.Context, *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: k, Message: name, Attempts: 2, Upstream: time.Second, RetryAfter: 5 * time.Second}
	})
}

func answers(name, text string) *route.Target {
	return target(name, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		u := llm.Usage{Input: 3, Output: 4, Source: llm.UsageReported}
		return &llm.Reply{Attempts: 1, Upstream: time.Second, Usage: u, Response: &llm.Response{
			Model: c.Model, Usage: u, Parts: []llm.Part{{Type: llm.PartText, Text: text}},
		}}, nil
	})
}

func call(model string) *llm.Call { return NewCall(&llm.Request{Model: model}) }

func TestFallback(t *testing.T) {
	for _, tc := range []struct {
		name     string
		targets  []*route.Target
		provider string // who answered, "" = nobody
		kind     llm.Kind
		message  string
		attempts int
		path     []string
	}{
		{"first answers", []*route.Target{answers("a", "hi"), answers("b", "no")}, "a", 0, "", 1, nil},
		{"next answers", []*route.Target{fails("a", llm.KindUpstreamError), answers("b", "hi")}, "b", 0, "", 3, []string{"chat:a/m>b/m"}},
		{"caller's fault stays", []*route.Target{fails("a", llm.KindInvalidRequest), answers("b", "no")}, "", llm.KindInvalidRequest, "a", 2, nil},
		{"all fail", []*route.Target{fails("a", llm.KindTimeout), fails("b", llm.KindUpstreamRateLimited)}, "", llm.KindUpstreamRateLimited, "b", 4, []string{"chat:a/m>b/m"}},
		{"open circuit says less", []*route.Target{fails("a", llm.KindUpstreamError), fails("b", llm.KindOverloaded)}, "", llm.KindUpstreamError, "a", 4, []string{"chat:a/m>b/m"}},
		{"spent money goes on", []*route.Target{fails("a", llm.KindBudgetExceeded), answers("b", "hi")}, "b", 0, "", 3, []string{"chat:a/m>b/m"}},
		{"spent money says less", []*route.Target{fails("a", llm.KindUpstreamError), fails("b", llm.KindBudgetExceeded)}, "", llm.KindUpstreamError, "a", 4, []string{"chat:a/m>b/m"}},
		{"than an open circuit", []*route.Target{fails("a", llm.KindBudgetExceeded), fails("b", llm.KindOverloaded)}, "", llm.KindOverloaded, "b", 4, []string{"chat:a/m>b/m"}},
		{"all money is spent", []*route.Target{fails("a", llm.KindBudgetExceeded), fails("b", llm.KindBudgetExceeded)}, "", llm.KindBudgetExceeded, "a", 4, []string{"chat:a/m>b/m"}},
		{"no targets", nil, "", llm.KindInternal, `the route "chat" has no targets`, 0, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var path fell
			s := New(Options{Router: fakeRouter{targets: tc.targets}, Observer: &path})
			r, err := s.Do(t.Context(), call("chat"))
			if !slices.Equal(path, tc.path) {
				t.Errorf("path %v, want %v", path, tc.path)
			}
			if tc.provider == "" {
				var e *llm.Error
				if !errors.As(err, &e) || e.Kind != tc.kind || e.Message != tc.message || e.Attempts != tc.attempts {
					t.Fatalf("got %+v", err)
				}
				return
			}
			if err != nil || r.Provider != tc.provider || r.Model != tc.provider+"-m" || r.Attempts != tc.attempts ||
				r.Upstream != time.Duration(tc.attempts+1)/2*time.Second || r.Price == nil {
				t.Fatalf("got %+v, %v", r, err)
			}
		})
	}
}

func TestOverloadedKeepsTheShortestWait(t *testing.T) {
	open := func(name string, wait time.Duration) *route.Target {
		return target(name, func(context.Context, *llm.Call) (*llm.Reply, error) {
			return nil, &llm.Error{Kind: llm.KindOverloaded, RetryAfter: wait}
		})
	}
	s := New(Options{Router: fakeRouter{targets: []*route.Target{open("a", 9*time.Second), open("b", 3*time.Second), open("c", 7*time.Second)}}})
	_, err := s.Do(t.Context(), call(""))
	if e := llm.AsError(err); e.Kind != llm.KindOverloaded || e.RetryAfter != 3*time.Second {
		t.Fatalf("got %+v", e)
	}
}

func TestNoFallbackAfterTheClientLeftOrTimeIsUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	leaving := target("a", func(context.Context, *llm.Call) (*llm.Reply, error) {
		cancel()
		return nil, llm.Errorf(llm.KindUpstreamError, "broken")
	})
	never := target("b", func(context.Context, *llm.Call) (*llm.Reply, error) {
		t.Error("the second target was asked")
		return nil, llm.Errorf(llm.KindInternal, "no")
	})
	s := New(Options{Router: fakeRouter{targets: []*route.Target{leaving, never}}})
	if _, err := s.Do(ctx, call("")); err == nil {
		t.Fatal("no error")
	}
	late := call("")
	late.Deadline = time.Now().Add(-time.Second)
	s = New(Options{Router: fakeRouter{targets: []*route.Target{fails("a", llm.KindTimeout), never}}})
	if _, err := s.Do(t.Context(), late); llm.AsError(err).Kind != llm.KindTimeout {
		t.Fatalf("got %v", err)
	}
}

func TestCallReachesTheTarget(t *testing.T) {
	var got *llm.Call
	s := New(Options{Router: fakeRouter{targets: []*route.Target{target("a", func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		got = c
		return &llm.Reply{}, nil
	})}}})
	c := call("chat")
	c.Deadline = time.Now().Add(3 * time.Second)
	if _, err := s.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got.Model != "a-m" || c.Model != "chat" || got.Meta.Route != "chat" || !got.Deadline.Equal(c.Deadline) {
		t.Fatalf("got %+v", got)
	}
	c = call("chat")
	c.Stream = true
	if _, err := s.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(got.Deadline); left < 59*time.Minute || left > time.Hour {
		t.Fatalf("a stream has %v", left)
	}
}

func TestPermissions(t *testing.T) {
	s := New(Options{Router: fakeRouter{targets: []*route.Target{answers("a", "hi")}}, Models: []Model{{ID: "chat"}, {ID: "b/x"}, {ID: "a/x"}, {ID: "chat"}}})
	for _, tc := range []struct {
		model string
		may   []string
		ok    bool
	}{
		{"chat", nil, true}, {"chat", []string{"chat"}, true}, {"", []string{"chat"}, true}, {"", []string{"other"}, false},
		{"a/x", []string{"a/*"}, true}, {"b/x", []string{"a/*"}, false}, {"chat", []string{}, false},
	} {
		c := call(tc.model)
		c.Meta.Caller.Models = tc.may
		_, err := s.Do(t.Context(), c)
		if tc.ok != (err == nil) || err != nil && llm.AsError(err).Kind != llm.KindPermissionDenied {
			t.Errorf("%q with %v: %v", tc.model, tc.may, err)
		}
	}
	for _, tc := range []struct {
		may  []string
		want string
	}{{nil, "a/x b/x chat"}, {[]string{"a/*", "chat"}, "a/x chat"}, {[]string{}, ""}} {
		var ids []string
		for _, m := range s.Models(&llm.Caller{Models: tc.may}) {
			ids = append(ids, m.ID)
		}
		if got := strings.Join(ids, " "); got != tc.want {
			t.Errorf("models for %v: %q, want %q", tc.may, got, tc.want)
		}
	}
}

func TestCallLLM(t *testing.T) {
	s := New(Options{Router: fakeRouter{targets: []*route.Target{target("a", func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		req, err := c.Request()
		if err != nil {
			return nil, err
		}
		return &llm.Reply{Response: &llm.Response{Parts: []llm.Part{{Type: llm.PartText, Text: "you said " + req.Messages[0].Parts[0].Text}}}}, nil
	})}}})
	got, err := s.CallLLM(t.Context(), "ping")
	if err != nil || got != "you said ping" {
		t.Fatal(got, err)
	}
	s = New(Options{Router: fakeRouter{err: llm.Errorf(llm.KindNotFound, "none")}})
	if _, err := s.CallLLM(t.Context(), "ping"); llm.AsError(err).Kind != llm.KindNotFound {
		t.Fatal(err)
	}
}

type script struct {
	events []llm.Event
	err    error
	closed int
}

func (s *script) Recv() (*llm.Event, error) {
	if len(s.events) == 0 {
		return nil, s.err
	}
	ev := s.events[0]
	s.events = s.events[1:]
	return &ev, nil
}
func (s *script) Close() error { s.closed++; return nil }

func TestGenerateCollectsAStream(t *testing.T) {
	u := &llm.Usage{Input: 1, Output: 9, Source: llm.UsageReported}
	st := &script{err: io.EOF, events: []llm.Event{
		{Kind: llm.EventStart, ID: "x", Model: "m"}, {Kind: llm.EventPing},
		{Kind: llm.EventReasoning, Text: "hm"}, {Kind: llm.EventReasoning, Text: "m", Signature: "sig", Origin: llm.DialectAnthropic},
		{Kind: llm.EventText, Text: "a"}, {Kind: llm.EventText, Text: "b"},
		{Kind: llm.EventToolCall, Index: 0, ID: "c0", Name: "f"}, {Kind: llm.EventToolCall, Index: 1, ID: "c1", Name: "g", Signature: "tsig"},
		{Kind: llm.EventToolCall, Index: 0, Text: `{"a":`}, {Kind: llm.EventToolCall, Index: 1, Text: `{}`}, {Kind: llm.EventToolCall, Index: 0, Text: `1}`},
		{Kind: llm.EventText, Text: "c"}, {Kind: llm.EventRefusal, Text: "no"},
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls, Native: "tool_use"}, {Kind: llm.EventUsage, Usage: u},
	}}
	s := New(Options{Router: fakeRouter{targets: []*route.Target{target("a", func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: st, Attempts: 1}, nil
	})}}})
	res, err := s.Generate(t.Context(), call(""))
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Response{ID: "x", Model: "m", Finish: llm.FinishToolCalls, NativeFinish: "tool_use", Usage: *u, Parts: []llm.Part{
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hmm", Signature: "sig", Origin: llm.DialectAnthropic}},
		{Type: llm.PartText, Text: "ab"},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c0", Name: "f", Arguments: `{"a":1}`}},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c1", Name: "g", Arguments: `{}`, Signature: "tsig"}},
		{Type: llm.PartText, Text: "c"},
		{Type: llm.PartRefusal, Text: "no"},
	}}
	if d := cmp.Diff(want, res.Response); d != "" {
		t.Error(d)
	}
	if res.Cost == nil || *res.Cost != 20 || res.Provider != "a" || st.closed == 0 {
		t.Errorf("got %+v, closed %d", res, st.closed)
	}
}

func TestGenerateReportsACutStream(t *testing.T) {
	st := &script{err: llm.Errorf(llm.KindUpstreamError, "cut"), events: []llm.Event{{Kind: llm.EventText, Text: "a"}}}
	s := New(Options{Router: fakeRouter{targets: []*route.Target{target("a", func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: st}, nil
	})}}})
	if _, err := s.Generate(t.Context(), call("")); llm.AsError(err).Kind != llm.KindUpstreamError || st.closed == 0 {
		t.Fatalf("got %v, closed %d", err, st.closed)
	}
	raw := target("a", func(context.Context, *llm.Call) (*llm.Reply, error) { return &llm.Reply{Raw: []byte("{}")}, nil })
	if _, err := New(Options{Router: fakeRouter{targets: []*route.Target{raw}}}).Generate(t.Context(), call("")); llm.AsError(err).Kind != llm.KindInternal {
		t.Fatal(err)
	}
}

func TestUnpricedIsNotZero(t *testing.T) {
	for _, tc := range []struct {
		price llm.Pricer
		u     llm.UsageSource
		want  *llm.Money
	}{
		{nil, llm.UsageReported, nil}, {perToken(0), llm.UsageReported, nil}, {perToken(1), llm.UsageUnknown, nil},
		{perToken(1), llm.UsageEstimated, new(llm.Money)},
	} {
		res := newResult(&llm.Reply{Price: tc.price}, &llm.Response{Usage: llm.Usage{Source: tc.u}}, 0)
		if !reflect.DeepEqual(res.Cost, tc.want) {
			t.Errorf("%v/%v: cost %v, want %v", tc.price, tc.u, res.Cost, tc.want)
		}
	}
}

type fakeAdmit struct {
	refuse  error
	settled []llm.Done
	prices  []llm.Pricer
}

func (f *fakeAdmit) Admit(context.Context, *llm.Call) (Lease, error) {
	if f.refuse != nil {
		return nil, f.refuse
	}
	return f, nil
}

func (f *fakeAdmit) Settle(d llm.Done, p llm.Pricer) {
	f.settled, f.prices = append(f.settled, d), append(f.prices, p)
}

func TestAdmission(t *testing.T) {
	stream := target("a", func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: &script{err: io.EOF, events: []llm.Event{{Kind: llm.EventText, Text: "hi"}}}}, nil
	})
	for _, tc := range []struct {
		name    string
		target  *route.Target
		outcome string
		priced  bool
	}{
		{"whole answer", answers("a", "hi"), "complete", true},
		{"failure", fails("a", llm.KindTimeout), "timeout", false},
		{"stream left", stream, "client_gone", true},
	} {
		a := &fakeAdmit{}
		s := New(Options{Router: fakeRouter{targets: []*route.Target{tc.target}}, Admit: a})
		r, err := s.Do(t.Context(), call(""))
		if r != nil && r.Stream != nil {
			if len(a.settled) != 0 {
				t.Errorf("%s: settled before its end", tc.name)
			}
			_, _ = r.Stream.Recv()
			_ = r.Close()
		}
		if len(a.settled) != 1 || a.settled[0].Outcome() != tc.outcome || (a.prices[0] != nil) != tc.priced {
			t.Errorf("%s: settled %+v with %v, error %v", tc.name, a.settled, a.prices, err)
		}
	}
}

// What no limit bounds is not brought before Admit.
func TestAdmissionOfTheBounded(t *testing.T) {
	a, bounded := &fakeAdmit{}, false
	s := New(Options{Router: fakeRouter{targets: []*route.Target{answers("a", "hi")}}, Admit: a, Bounded: func(*llm.Meta) bool { return bounded }})
	if _, err := s.Do(t.Context(), call("")); err != nil || len(a.settled) != 0 {
		t.Errorf("settled %+v, %v", a.settled, err)
	}
	bounded = true
	if _, err := s.Do(t.Context(), call("")); err != nil || len(a.settled) != 1 {
		t.Errorf("settled %+v, %v", a.settled, err)
	}
}

func TestAdmissionRefusesAndSurvivesAPanic(t *testing.T) {
	a := &fakeAdmit{refuse: llm.Errorf(llm.KindRateLimited, "slow down")}
	bang := target("a", func(context.Context, *llm.Call) (*llm.Reply, error) { panic("bang") })
	s := New(Options{Router: fakeRouter{targets: []*route.Target{bang}}, Admit: a})
	if _, err := s.Do(t.Context(), call("")); llm.AsError(err).Kind != llm.KindRateLimited {
		t.Fatal(err)
	}
	a.refuse = nil
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = s.Do(t.Context(), call(""))
	}()
	if len(a.settled) != 1 || a.settled[0].Err == nil {
		t.Errorf("settled %+v", a.settled)
	}
}

func BenchmarkDo(b *testing.B) {
	reply := &llm.Reply{}
	s := New(Options{Router: fakeRouter{targets: []*route.Target{target("a", func(context.Context, *llm.Call) (*llm.Reply, error) { return reply, nil })}}})
	c := call("chat")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Do(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
