package chain

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func taken(b *RetryBudget, tries int) (n int) {
	for range tries {
		if b.Take() {
			n++
		}
	}
	return n
}

func TestBudget(t *testing.T) {
	for _, tc := range []struct {
		name     string
		o        BudgetOptions
		requests int
		want     int
	}{
		{"never fewer than ten", BudgetOptions{}, 0, 10},
		{"ten for few requests", BudgetOptions{}, 50, 10},
		{"a fifth of many", BudgetOptions{}, 100, 20},
		{"a fifth, rounded down", BudgetOptions{}, 104, 20},
		{"own figures", BudgetOptions{Ratio: 0.5, Min: 2}, 10, 5},
		{"own least", BudgetOptions{Ratio: 0.5, Min: 2}, 1, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := NewRetryBudget(tc.o)
			for range tc.requests {
				b.Request()
			}
			if got := taken(b, 1000); got != tc.want {
				t.Errorf("%s: %d retries, want %d", tc.name, got, tc.want)
			}
		})
	}
}

func TestBudgetMovesWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewRetryBudget(BudgetOptions{})
		for range 100 {
			b.Request()
		}
		if got := taken(b, 100); got != 20 {
			t.Fatalf("%d at first", got)
		}
		pass(9 * sec)
		if b.Take() {
			t.Error("a retry within the same ten seconds")
		}
		pass(sec)
		if got := taken(b, 100); got != 10 {
			t.Errorf("%d after the requests had left the window", got)
		}
	})
}

func TestBudgetIsExactUnderConcurrency(t *testing.T) {
	b := NewRetryBudget(BudgetOptions{Window: 1 << 40}) // stands still
	for range 500 {
		b.Request()
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { n.Add(int64(taken(b, 100))) })
	}
	wg.Wait()
	if n.Load() != 100 {
		t.Errorf("%d retries for 500 requests", n.Load())
	}
}

func TestBudgetDoesNotAllocate(t *testing.T) {
	b := NewRetryBudget(BudgetOptions{})
	if n := testing.AllocsPerRun(100, func() { b.Request(); b.Take() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
