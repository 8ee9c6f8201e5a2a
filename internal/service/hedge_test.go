package service

import (
	"context"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// upstream is a target that answers after a while, unless it is called off.
type upstream struct {
	name   string
	after  time.Duration
	kind   llm.Kind // of its failure
	fails  bool
	panics bool
	stream bool
	asked  atomic.Int32
	ended  atomic.Int32
	mu     sync.Mutex
	codes  []string // of the errors that its calls ended with
}

func (u *upstream) do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	u.asked.Add(1)
	select {
	case <-time.After(u.after):
	case <-ctx.Done():
		e := *llm.ContextError(ctx)
		e.Attempts = 1
		u.note(llm.Done{Err: &e})
		return nil, &e
	}
	switch {
	case u.panics:
		u.ended.Add(1)
		panic(u.name)
	case u.fails:
		e := &llm.Error{Kind: u.kind, Message: u.name, Attempts: 1}
		if u.kind == llm.KindOverloaded {
			e.Attempts = 0
		}
		u.note(llm.Done{Err: e})
		return nil, e
	}
	use := llm.Usage{Input: 10, Output: 10, Source: llm.UsageReported}
	reply := &llm.Reply{Attempts: 1, Usage: use, Response: &llm.Response{Usage: use}, Finish: llm.FinishStop}
	if u.stream {
		reply = &llm.Reply{Attempts: 1, Stream: &slowStream{ctx: ctx}}
	}
	llm.OnDone(reply, nil, u.note)
	return reply, nil
}

func (u *upstream) note(d llm.Done) {
	u.ended.Add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.codes = append(u.codes, d.Outcome())
}

func (u *upstream) outcomes() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.codes)
}

// slowStream says five words, one each second.
type slowStream struct {
	ctx context.Context
	n   int
}

func (s *slowStream) Recv() (*llm.Event, error) {
	if s.n == 5 {
		return nil, io.EOF
	}
	if s.n > 0 {
		select {
		case <-time.After(time.Second):
		case <-s.ctx.Done():
			return nil, llm.ContextError(s.ctx)
		}
	}
	s.n++
	return &llm.Event{Kind: llm.EventText, Text: "x"}, nil
}

func (s *slowStream) Close() error { return nil }

// hedged makes a service over targets whose route has a hedge.
func hedged(o HedgeOptions, ups ...*upstream) (*Service, *Hedge, *fell) {
	h, path := NewHedge(o), &fell{}
	var targets []*route.Target
	for _, u := range ups {
		targets = append(targets, target(u.name, u.do))
	}
	r := &route.Route{Name: "chat", Targets: targets, Timeout: time.Minute, StreamTimeout: time.Hour}
	return New(Options{Router: oneRoute{r}, Observer: path, Policies: map[*route.Route]*Policy{r: {Hedge: h}}}), h, path
}

type oneRoute struct{ r *route.Route }

func (o oneRoute) Resolve(string) (*route.Route, error) { return o.r, nil }
func (oneRoute) Default() string                        { return "chat" }

const second = time.Second

// TestHedgeOrders: every order of events. The hedge begins after 2 s.
func TestHedgeOrders(t *testing.T) {
	ok := func(name string, after time.Duration) *upstream { return &upstream{name: name, after: after} }
	bad := func(name string, after time.Duration, k llm.Kind) *upstream {
		return &upstream{name: name, after: after, fails: true, kind: k}
	}
	up, inv := llm.KindUpstreamError, llm.KindInvalidRequest
	for _, tc := range []struct {
		name     string
		ups      []*upstream
		provider string // "" = an error
		kind     llm.Kind
		took     time.Duration
		path     string
		attempts int
		result   []string
		lost     int // whose call was called off, from 1; 0 = nobody's
	}{
		{"the first is quick", []*upstream{ok("a", second), ok("b", 0)}, "a", 0, second, "", 1, nil, 0},
		{"the second wins", []*upstream{ok("a", 9*second), ok("b", second)}, "b", 0, 3 * second, "a/m:hedge_lost>b/m", 2, []string{HedgeWon}, 1},
		{"the first wins after all", []*upstream{ok("a", 3*second), ok("b", 9*second)}, "a", 0, 3 * second, "b/m:hedge_lost>a/m", 2, []string{HedgeLost}, 2},
		{"the first fails before", []*upstream{bad("a", second, up), ok("b", second)}, "b", 0, 2 * second, "a/m:upstream_error>b/m", 2, nil, 0},
		{"the first fails while the second runs", []*upstream{bad("a", 3*second, up), ok("b", 4*second)}, "b", 0, 6 * second, "a/m:upstream_error>b/m", 2, []string{HedgeWon}, 0},
		{"the second fails", []*upstream{ok("a", 5*second), bad("b", second, up)}, "a", 0, 5 * second, "b/m:upstream_error>a/m", 2, []string{HedgeLost}, 0},
		{"the second refuses", []*upstream{ok("a", 5*second), bad("b", second, llm.KindOverloaded)}, "a", 0, 5 * second, "b/m:overloaded>a/m", 1, []string{HedgeLost}, 0},
		{"both fail, the first first", []*upstream{bad("a", 3*second, up), bad("b", 4*second, llm.KindTimeout)}, "", llm.KindTimeout, 6 * second, "a/m:upstream_error>b/m:timeout", 2, []string{HedgeFailed}, 0},
		{"both fail, the second first", []*upstream{bad("a", 9*second, up), bad("b", second, llm.KindTimeout)}, "", up, 9 * second, "b/m:timeout>a/m:upstream_error", 2, []string{HedgeFailed}, 0},
		{"both fail, a third answers", []*upstream{bad("a", 3*second, up), bad("b", 4*second, up), ok("c", second)}, "c", 0, 7 * second, "a/m:upstream_error>b/m:upstream_error>c/m", 3, []string{HedgeFailed}, 0},
		{"the caller's fault ends both", []*upstream{bad("a", 3*second, inv), ok("b", 9*second)}, "", inv, 3 * second, "b/m:hedge_lost>a/m:invalid_request", 2, []string{HedgeFailed}, 2},
		{"the second panics", []*upstream{ok("a", 5*second), {name: "b", after: second, panics: true}}, "a", 0, 5 * second, "b/m:internal>a/m", 1, []string{HedgeLost}, 0},
		{"nobody to ask", []*upstream{ok("a", 9*second)}, "a", 0, 9 * second, "", 1, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var results []string
				s, h, _ := hedged(HedgeOptions{After: 2 * second, MaxExtra: 1, Observe: func(r string) { results = append(results, r) }}, tc.ups...)
				c, start := call("chat"), time.Now()
				reply, err := s.Do(t.Context(), c)
				took := time.Since(start)
				_ = h.Close()
				attempts := 0
				if tc.provider == "" {
					e := llm.AsError(err)
					if e == nil || e.Kind != tc.kind {
						t.Fatalf("%+v, %v", reply, err)
					}
					attempts = e.Attempts
				} else {
					if err != nil || reply.Provider != tc.provider {
						t.Fatalf("%+v, %v", reply, err)
					}
					attempts = reply.Attempts
				}
				if took != tc.took || c.Meta.Path != tc.path || attempts != tc.attempts || !slices.Equal(results, tc.result) {
					t.Errorf("after %v by %q with %d attempts: %v", took, c.Meta.Path, attempts, results)
				}
				for i, u := range tc.ups {
					called := slices.Contains(u.outcomes(), llm.HedgeLost)
					if called != (tc.lost == i+1) || u.asked.Load() != u.ended.Load() {
						t.Errorf("%s: %v", u.name, u.outcomes())
					}
				}
			})
		})
	}
}

// TestHedgedStream: the first event decides; the winner's stream goes on to its
// end, and the loser is cancelled at once.
func TestHedgedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &upstream{name: "a", after: time.Hour, stream: true}, &upstream{name: "b", after: second, stream: true}
		s, h, _ := hedged(HedgeOptions{After: 2 * second, MaxExtra: 1}, a, b)
		c := call("chat")
		c.Stream = true
		reply, err := s.Do(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := a.outcomes(); !slices.Equal(got, []string{llm.HedgeLost}) {
			t.Errorf("the loser: %v", got)
		}
		resp, err := llm.Collect(reply.Stream)
		if err != nil || resp.Text() != "xxxxx" {
			t.Errorf("%v %v", resp, err)
		}
		_ = reply.Close()
		_ = h.Close()
		if got := b.outcomes(); !slices.Equal(got, []string{"complete"}) {
			t.Errorf("the winner: %v", got)
		}
	})
}

// TestBothAnswerAtOnce: one of them is given, the other is not taken for a
// client that left.
func TestBothAnswerAtOnce(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			a, b := &upstream{name: "a", after: 3 * second, stream: true}, &upstream{name: "b", after: second, stream: true}
			s, h, _ := hedged(HedgeOptions{After: 2 * second, MaxExtra: 1}, a, b)
			c := call("chat")
			c.Stream = true
			reply, err := s.Do(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := llm.Collect(reply.Stream); err != nil {
				t.Fatal(err)
			}
			_ = reply.Close()
			_ = h.Close()
			all := append(a.outcomes(), b.outcomes()...)
			slices.Sort(all)
			if !slices.Equal(all, []string{"complete", llm.HedgeLost}) {
				t.Errorf("%v", all)
			}
		})
	}
}

// TestHedgedClientLeaves: both calls end, and neither has lost.
func TestHedgedClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &upstream{name: "a", after: time.Hour}, &upstream{name: "b", after: time.Hour}
		s, h, _ := hedged(HedgeOptions{After: 2 * second, MaxExtra: 1}, a, b)
		ctx, cancel := context.WithTimeout(t.Context(), 5*second)
		defer cancel()
		_, err := s.Do(ctx, call("chat"))
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindTimeout {
			t.Errorf("%v", err)
		}
		_ = h.Close()
		if a.ended.Load() != 1 || b.ended.Load() != 1 || slices.Contains(b.outcomes(), llm.HedgeLost) {
			t.Errorf("%v %v", a.outcomes(), b.outcomes())
		}
	})
}

// TestHedgeLearns: nothing is hedged before enough is known, then what is slower
// than the percentile; whole answers say nothing of streams.
func TestHedgeLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &upstream{name: "a"}, &upstream{name: "b", after: 10 * time.Millisecond}
		s, h, _ := hedged(HedgeOptions{Percentile: 95, MaxExtra: 1}, a, b)
		for i := range fewSamples {
			a.after = time.Duration(i+1) * 100 * time.Millisecond
			if reply, err := s.Do(t.Context(), call("chat")); err != nil || reply.Provider != "a" {
				t.Fatal(err)
			}
		}
		if after, ok := h.after(target("a", nil), false); !ok || after != 2*second {
			t.Errorf("the percentile is %v", after)
		}
		if _, ok := h.after(target("a", nil), true); ok {
			t.Error("streams are known")
		}
		a.after = time.Minute / 2
		start := time.Now()
		reply, err := s.Do(t.Context(), call("chat"))
		if err != nil || reply.Provider != "b" || time.Since(start) != 2010*time.Millisecond {
			t.Errorf("%+v after %v: %v", reply, time.Since(start), err)
		}
		_ = h.Close()
	})
}

// TestHedgeBudget: under load from many at once there are never more hedges than
// the share, whatever the upstream does.
func TestHedgeBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &upstream{name: "a", after: 5 * second}, &upstream{name: "b", after: second}
		var denied atomic.Int32
		s, h, _ := hedged(HedgeOptions{After: second, MaxExtra: 0.05, Observe: func(r string) {
			if r == HedgeNoBudget {
				denied.Add(1)
			}
		}}, a, b)
		var all sync.WaitGroup
		const n = 1000
		for i := range n {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				if _, err := s.Do(t.Context(), call("chat")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		_ = h.Close()
		if hedges := b.asked.Load(); hedges > n/20 || hedges < n/20-2 || denied.Load() != n-hedges {
			t.Errorf("%d hedges in %d requests, %d denied", hedges, n, denied.Load())
		}
	})
}

// TestHedgePaysForBoth: the caller's cost includes the call that was called off.
func TestHedgePaysForBoth(t *testing.T) {
	estimate := func(*llm.Call) llm.Usage { return llm.Usage{Input: 7, Source: llm.UsageEstimated} }
	for _, tc := range []struct {
		name string
		a, b time.Duration
		cost llm.Money
	}{
		{"no hedge", second, second, 40},
		{"the second wins", 9 * second, second, 54},
		{"the first wins", 4 * second, 9 * second, 54},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, h, _ := hedged(HedgeOptions{After: 2 * second, MaxExtra: 1, Estimate: estimate}, &upstream{name: "a", after: tc.a}, &upstream{name: "b", after: tc.b})
			reply, err := s.Do(t.Context(), call("chat"))
			if err != nil {
				t.Fatal(err)
			}
			if cost, ok := reply.Price.Cost(reply.Usage); !ok || cost != tc.cost {
				t.Errorf("%s: it costs %d", tc.name, cost)
			}
			_ = h.Close()
		})
	}
}

func TestQuantile(t *testing.T) {
	var q quantile
	for i := range 100 {
		if _, ok := q.at(99); ok {
			t.Fatalf("%d samples are enough", i)
		}
		q.add(time.Duration(i + 1))
	}
	if v, ok := q.at(99); !ok || v != 100 {
		t.Errorf("p99 of 1 to 100 is %d", v)
	}
	for range samples { // all that was known is forgotten
		q.add(7)
	}
	if v, _ := q.at(99); v != 7 || len(q.ring) != samples {
		t.Errorf("%d of %d samples", v, len(q.ring))
	}
}
