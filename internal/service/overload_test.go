package service

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// takes is a call that takes the gateway some time of its own.
func takes(own, upstream time.Duration) func() (*llm.Reply, error) {
	return func() (*llm.Reply, error) {
		time.Sleep(own + upstream)
		return &llm.Reply{Upstream: upstream}, nil
	}
}

func TestGuardBoundsAndQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Min: 1, Max: 8, MaxWait: 100 * time.Millisecond})
		var mu sync.Mutex
		now, peak := 0, 0
		kinds := map[string]int{}
		var wg sync.WaitGroup
		begin := time.Now()
		for range 20 {
			wg.Go(func() {
				_, err := g.Do(t.Context(), nil, func() (*llm.Reply, error) {
					mu.Lock()
					now++
					peak = max(peak, now)
					mu.Unlock()
					time.Sleep(50 * time.Millisecond)
					mu.Lock()
					now--
					mu.Unlock()
					return &llm.Reply{}, nil
				})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					kinds["ok"]++
					return
				}
				e := llm.AsError(err)
				if e.RetryAfter <= 0 || e.Attempts != 0 || time.Since(begin) != 0 {
					t.Errorf("refused after %v with %+v", time.Since(begin), e)
				}
				kinds[e.Kind.String()]++
			})
		}
		wg.Wait()
		// Eight at once, two in the queue, ten refused without a wait.
		if peak != 8 || kinds["ok"] != 10 || kinds["overloaded"] != 10 || g.flying != 0 || len(g.queue) != 0 {
			t.Errorf("peak %d, %v, %d in flight, %d waiting", peak, kinds, g.flying, len(g.queue))
		}
	})
}

func TestGuardWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Min: 1, Max: 1, MaxWait: 100 * time.Millisecond})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = g.Do(t.Context(), nil, takes(time.Second, 0)) })
		synctest.Wait()
		start := time.Now()
		if _, err := g.Do(t.Context(), nil, takes(0, 0)); llm.AsError(err).Kind != llm.KindOverloaded || time.Since(start) != 100*time.Millisecond {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := g.Do(ctx, nil, takes(0, 0)); llm.AsError(err).Kind != llm.KindTimeout {
			t.Errorf("got %v", err)
		}
		wg.Wait()
		if g.flying != 0 || len(g.queue) != 0 {
			t.Errorf("%d in flight, %d waiting", g.flying, len(g.queue))
		}
	})
}

func TestGuardWithoutAQueue(t *testing.T) {
	g := NewGuard(GuardOptions{Min: 1, Max: 1, MaxWait: -1})
	if err := g.enter(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := g.Do(t.Context(), nil, takes(0, 0)); llm.AsError(err).Kind != llm.KindOverloaded || time.Since(start) > 50*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
}

func TestGuardIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Min: 1, Max: 16, MaxWait: time.Minute})
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 20 { // sixteen fly, four wait
			wg.Go(func() {
				_, err := g.Do(t.Context(), nil, func() (*llm.Reply, error) {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					time.Sleep(time.Second + time.Duration(i)*time.Millisecond) // one slot after the other
					return &llm.Reply{}, nil
				})
				if err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		wg.Wait()
		for i := range order {
			if order[i] != i {
				t.Fatalf("served in order %v", order)
			}
		}
	})
}

func TestGuardHoldsTheSlotOfAStream(t *testing.T) {
	g := NewGuard(GuardOptions{Min: 1, Max: 1, MaxWait: time.Millisecond})
	stream := func() (*llm.Reply, error) {
		return &llm.Reply{Stream: &script{err: io.EOF, events: []llm.Event{{Kind: llm.EventText}}}}, nil
	}
	r, err := g.Do(t.Context(), nil, stream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Do(t.Context(), nil, stream); llm.AsError(err).Kind != llm.KindOverloaded {
		t.Errorf("a stream holds no slot: %v", err)
	}
	_ = r.Close()
	if _, err := g.Do(t.Context(), nil, takes(0, 0)); err != nil {
		t.Errorf("the slot of a closed stream is gone: %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_, _ = g.Do(t.Context(), nil, func() (*llm.Reply, error) { panic("bang") })
	}()
	if g.flying != 0 {
		t.Errorf("%d in flight", g.flying)
	}
}

// load keeps n calls going until a time has passed.
func load(ctx context.Context, g *Guard, n int, how func() (*llm.Reply, error), d time.Duration) (refused int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for range n {
		wg.Go(func() {
			for time.Now().Before(end) {
				if _, err := g.Do(ctx, nil, how); err != nil {
					mu.Lock()
					refused++
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	return refused
}

func TestGuardAdapts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Adaptive: true, Min: 10, Max: 400})
		if g.Bound() != 40 {
			t.Errorf("starts at %d", g.Bound())
		}
		ms := time.Millisecond
		load(t.Context(), g, 20, takes(2*ms, 20*ms), 5*time.Second)
		if b := g.Bound(); b != 40 {
			t.Errorf("half used and quick, yet the bound is %d", b)
		}
		load(t.Context(), g, 100, takes(2*ms, 20*ms), 10*time.Second)
		if b := g.Bound(); b < 100 {
			t.Errorf("under demand the bound grew to %d only", b)
		}
		load(t.Context(), g, 100, takes(2*ms, 3*time.Second), 20*time.Second)
		if b := g.Bound(); b < 100 {
			t.Errorf("slow upstreams shrank the bound to %d", b)
		}
		refused := load(t.Context(), g, 100, takes(40*ms, 20*ms), 10*time.Second)
		if b := g.Bound(); b != 10 || refused == 0 {
			t.Errorf("slow itself, the bound is %d and %d were refused", b, refused)
		}
		load(t.Context(), g, 100, takes(2*ms, 20*ms), 30*time.Second)
		if b := g.Bound(); b < 50 {
			t.Errorf("quick again, the bound is %d", b)
		}
	})
}

func TestGuardShrinksWhenMemoryIsShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		share := 0.5
		g := NewGuard(GuardOptions{Adaptive: true, Min: 10, Memory: func() float64 { return share }})
		load(t.Context(), g, 40, takes(0, 10*time.Millisecond), 2*time.Second)
		before := g.Bound()
		share = 0.97
		load(t.Context(), g, 40, takes(0, 10*time.Millisecond), 5*time.Second)
		if b := g.Bound(); before < 40 || b != 10 {
			t.Errorf("the bound went from %d to %d", before, b)
		}
	})
}

func TestServiceShedsBeforeAdmission(t *testing.T) {
	a := &fakeAdmit{}
	g := NewGuard(GuardOptions{Min: 1, Max: 1, MaxWait: time.Millisecond})
	s := New(Options{Router: fakeRouter{targets: []*route.Target{answers("a", "hi")}}, Admit: a, Guard: g})
	if _, err := s.Do(t.Context(), call("")); err != nil || len(a.settled) != 1 {
		t.Fatalf("got %v, settled %d", err, len(a.settled))
	}
	g.flying = 1
	if _, err := s.Do(t.Context(), call("")); llm.AsError(err).Kind != llm.KindOverloaded || len(a.settled) != 1 {
		t.Fatalf("got %v, settled %d", err, len(a.settled))
	}
}

// TestGuardServesTheHigherClassFirst: those who wait are served by class, and a
// full queue makes room for a higher class at the cost of a lower one.
func TestGuardServesTheHigherClassFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGuard(GuardOptions{Min: 1, Max: 16, MaxWait: time.Minute})
		var mu sync.Mutex
		var served, refused []string
		var wg sync.WaitGroup
		call := func(name string, class Class, takes time.Duration) {
			wg.Go(func() {
				_, err := g.Do(t.Context(), func() Class { return class }, func() (*llm.Reply, error) {
					time.Sleep(takes)
					mu.Lock()
					defer mu.Unlock()
					served = append(served, name)
					return &llm.Reply{}, nil
				})
				if err != nil {
					mu.Lock()
					defer mu.Unlock()
					refused = append(refused, name)
				}
			})
			synctest.Wait()
		}
		for i := range 16 {
			call("flying", 0, time.Second+time.Duration(i)*time.Millisecond)
		}
		call("low 1", -1, 0) // four may wait
		call("normal 1", 0, 0)
		call("low 2", -1, 0)
		call("high 1", 1, 0)
		call("normal 2", 0, 0) // in the place of low 2
		call("low 3", -1, 0)   // no room for it
		call("high 2", 1, 0)   // in the place of low 1
		call("normal 3", 0, 0) // no room for it
		wg.Wait()
		want := []string{"high 1", "high 2", "normal 1", "normal 2"}
		served = slices.DeleteFunc(served, func(s string) bool { return s == "flying" })
		if !slices.Equal(served, want) {
			t.Errorf("served in order %v, want %v", served, want)
		}
		if want = []string{"low 2", "low 3", "low 1", "normal 3"}; !slices.Equal(refused, want) {
			t.Errorf("refused %v, want %v", refused, want)
		}
		if g.flying != 0 || len(g.queue) != 0 {
			t.Errorf("%d in flight, %d waiting", g.flying, len(g.queue))
		}
	})
}
