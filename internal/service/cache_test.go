package service

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/cache"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// ledgerOf gathers what the service tells of calls that asked nobody.
type ledgerOf struct {
	mu      sync.Mutex
	served  []string // cache result and outcome
	refused []string // error kind
}

func (l *ledgerOf) Served(c *llm.Call, how Served) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served = append(l.served, c.Meta.Cache+" "+how.Done.Outcome())
}

func (l *ledgerOf) Refused(_ *llm.Call, e *llm.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = append(l.refused, e.Kind.String())
}

// purse admits everybody and keeps how each lease was settled.
type purse struct {
	mu      sync.Mutex
	open    int
	settled []int64 // tokens
}

func (p *purse) Admit(context.Context, *llm.Call) (Lease, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	return p, nil
}

func (p *purse) Settle(d llm.Done, _ llm.Pricer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	p.settled = append(p.settled, d.Usage.Total())
}

func cachedService(share bool, u *upstream) (*Service, *ledgerOf, *purse, func()) {
	o := cache.Options{Store: cache.NewMemory(cache.MemoryOptions{}), TTL: time.Minute}
	flights := cache.NewFlights(0)
	if share {
		o.Flights = flights
	}
	r := &route.Route{Name: "chat", Targets: []*route.Target{target(u.name, u.do)}, Timeout: time.Minute, StreamTimeout: time.Hour}
	l, p := &ledgerOf{}, &purse{}
	s := New(Options{
		Router: oneRoute{r}, Admit: p, Served: l.Served, Refused: l.Refused,
		Policies: map[*route.Route]*Policy{r: {Cache: cache.NewRoute(o)}},
	})
	return s, l, p, func() { _ = flights.Close() }
}

// TestCachedCallsPayOnce: one lease pays for the upstream call, all others are
// settled with nothing; a record for each that asked nobody.
func TestCachedCallsPayOnce(t *testing.T) {
	for _, share := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			u := &upstream{name: "a", after: second}
			s, l, p, end := cachedService(share, u)
			var all sync.WaitGroup
			for i := range 4 {
				all.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					if !share {
						time.Sleep(time.Duration(i) * 2 * second) // one after the other
					}
					reply, err := s.Do(t.Context(), call("chat"))
					if err != nil {
						t.Error(err)
						return
					}
					cost, _ := reply.Price.Cost(reply.Usage)
					if first := i == 0; first != (cost > 0) || first != (reply.Attempts == 1) || first != (reply.Cache == cache.Miss) {
						t.Errorf("%d: %s costs %d", i, reply.Cache, cost)
					}
				})
			}
			all.Wait()
			end()
			paid := 0
			for _, n := range p.settled {
				if n > 0 {
					paid++
				}
			}
			if p.open != 0 || len(p.settled) != 4 || paid != 1 || len(l.served) != 3 || len(l.refused) != 0 || u.asked.Load() != 1 {
				t.Errorf("share %v: %+v %+v", share, p, l)
			}
		})
	}
}

// TestTheOneThatBeganPays: also when it leaves before the answer has come.
func TestTheOneThatBeganPays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{name: "a", after: 10 * second}
		s, l, p, end := cachedService(true, u)
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), second)
			defer cancel()
			if _, err := s.Do(ctx, call("chat")); err == nil {
				t.Error("it has an answer")
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.open != 2 {
				t.Errorf("%d leases are open while the call is under way", p.open)
			}
		})
		all.Go(func() {
			time.Sleep(second / 2)
			if reply, err := s.Do(t.Context(), call("chat")); err != nil || reply.Cache != cache.Shared {
				t.Errorf("%+v %v", reply, err)
			}
		})
		all.Wait()
		end()
		if p.open != 0 || len(p.settled) != 2 || p.settled[0]+p.settled[1] != 20 || len(l.refused) != 0 || len(l.served) != 1 {
			t.Errorf("%+v %+v", p, l)
		}
	})
}

// TestSharedFailures: a record for each, the refusal once, no lease left.
func TestSharedFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &upstream{name: "a", after: second, fails: true, kind: llm.KindOverloaded} // without an attempt
		s, l, p, end := cachedService(true, u)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := s.Do(t.Context(), call("chat")); llm.AsError(err).Kind != llm.KindOverloaded {
					t.Error(err)
				}
			})
		}
		all.Wait()
		end()
		if p.open != 0 || len(l.served) != 2 || l.served[0] != "shared overloaded" || len(l.refused) != 1 {
			t.Errorf("%+v %+v", p, l)
		}
	})
}

// TestAPanicLeavesNoLease: neither in the cache nor in the upstream call.
func TestAPanicLeavesNoLease(t *testing.T) {
	s, _, p, end := cachedService(true, &upstream{name: "a", panics: true})
	if _, err := s.Do(t.Context(), call("chat")); llm.AsError(err).Kind != llm.KindInternal {
		t.Error(err)
	}
	end()
	for _, policy := range s.o.Policies {
		policy.Cache = brokenCache{}
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = s.Do(t.Context(), call("chat"))
		t.Error("the panic is lost")
	}()
	if p.open != 0 || len(p.settled) != 2 {
		t.Errorf("%+v", p)
	}
}

type brokenCache struct{}

func (brokenCache) Do(context.Context, *llm.Call, time.Time, cache.Upstream) (*llm.Reply, error) {
	panic("broken")
}

// TestPoliciesCostNothingWhereThereAreNone: a call of a route without any
// allocates what it did.
func TestPoliciesCostNothingWhereThereAreNone(t *testing.T) {
	a := answers("a", "hi")
	plain := &route.Route{Name: "chat", Targets: []*route.Target{a}, Timeout: time.Minute}
	off := New(Options{Router: oneRoute{plain}})
	other := New(Options{Router: oneRoute{plain}, Policies: map[*route.Route]*Policy{{}: {Cache: brokenCache{}}}})
	c := call("chat")
	allocs := func(s *Service) float64 {
		return testing.AllocsPerRun(200, func() { _, _ = s.Do(t.Context(), c) })
	}
	if x, y := allocs(off), allocs(other); x != y {
		t.Errorf("%v allocations without, %v beside a route that has one", x, y)
	}
}

func BenchmarkNoPolicy(b *testing.B) {
	r := &route.Route{Name: "chat", Targets: []*route.Target{answers("a", "hi")}, Timeout: time.Minute}
	s, c := New(Options{Router: oneRoute{r}}), call("chat")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Do(b.Context(), c)
	}
}
