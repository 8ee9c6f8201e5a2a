package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPaceKeepsToItsMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(3)
		var mu sync.Mutex
		active, most := 0, 0
		var all sync.WaitGroup
		for i := range 30 {
			all.Go(func() {
				if err := p.start(t.Context(), i); err != nil {
					t.Error(err)
				}
				mu.Lock()
				active++
				most = max(most, active)
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				active--
				mu.Unlock()
				p.succeeded()
			})
		}
		began := time.Now()
		all.Wait()
		if most != 3 || time.Since(began) != 10*time.Second {
			t.Errorf("%d at once, %v", most, time.Since(began))
		}
	})
}

func TestPaceAfterRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(8)
		for range 8 {
			if err := p.start(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		for range 8 { // side by side: they halve once
			p.refused(2 * time.Second)
		}
		if p.limit != 4 || p.active != 0 {
			t.Errorf("limit %v, active %d", p.limit, p.active)
		}
		if err := p.start(t.Context(), 0); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		p.refused(0)
		if p.limit != 2 {
			t.Errorf("limit %v", p.limit)
		}
		for range 5 {
			if err := p.start(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			p.refused(time.Second)
		}
		if p.limit != 1 {
			t.Errorf("limit %v: a batch must not come to rest", p.limit)
		}
		for range 100 {
			if err := p.start(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			p.succeeded()
		}
		if p.limit != 8 {
			t.Errorf("limit %v: it does not recover", p.limit)
		}
	})
}

func TestPaceWaitEndsWithContext(t *testing.T) {
	why := errors.New("enough")
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1)
		if err := p.start(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		for range 2 { // for a turn, then for a time
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error)
			go func() { ended <- p.start(ctx, 0) }()
			synctest.Wait()
			cancel(why)
			if err := <-ended; err != why {
				t.Error(err)
			}
			if p.active == 1 {
				p.refused(time.Hour)
			}
		}
		if p.active != 0 {
			t.Errorf("%d active", p.active)
		}
	})
}

// Sixteen workers against a limit of one call a second: each call is refused
// only a few times, so retries are not used up on racing.
func TestPaceSettlesAtTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(16)
		var mu sync.Mutex
		next := time.Now()
		worst := 0
		call := func() (wait time.Duration) { // a bucket of one token a second
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			if now.Before(next) {
				return next.Sub(now)
			}
			next = now.Add(time.Second)
			return 0
		}
		var all sync.WaitGroup
		for w := range 16 {
			all.Go(func() {
				for i := range 5 {
					for refused := 0; ; refused++ {
						if err := p.start(t.Context(), 16*i+w); err != nil {
							t.Error(err)
							return
						}
						if wait := call(); wait > 0 {
							p.refused(wait)
							continue
						}
						p.succeeded()
						mu.Lock()
						worst = max(worst, refused)
						mu.Unlock()
						break
					}
				}
			})
		}
		began := time.Now()
		all.Wait()
		if took := time.Since(began); took > 90*time.Second {
			t.Errorf("80 calls at one a second took %v", took)
		}
		if worst > 3 {
			t.Errorf("a call was refused %d times", worst)
		}
	})
}

func TestPaceLetsTheOldestGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(1)
		if err := p.start(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 9)
		var all sync.WaitGroup
		for _, item := range []int{5, 3, 9, 1, 7, 2, 8, 4, 6} {
			all.Go(func() {
				if err := p.start(t.Context(), item); err != nil {
					t.Error(err)
				}
				order <- item
				p.succeeded()
			})
		}
		synctest.Wait()
		p.refused(time.Second)
		all.Wait()
		for want := 1; want < 10; want++ {
			if got := <-order; got != want {
				t.Errorf("item %d went in place of %d", got, want)
			}
		}
	})
}
