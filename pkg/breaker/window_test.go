package breaker

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestWindowForgets(t *testing.T) {
	w := NewWindow(10*time.Second, 10)
	for i := range 10 {
		w.Add(time.Duration(i)*time.Second, 1, 2)
	}
	for _, tc := range []struct {
		at        time.Duration
		good, bad int64
	}{
		{9 * time.Second, 10, 20},
		{9999 * time.Millisecond, 10, 20},
		{10 * time.Second, 9, 18},
		{14500 * time.Millisecond, 5, 10},
		{3 * time.Second, 5, 10}, // a clock that went back counts as the latest
		{18 * time.Second, 1, 2},
		{19 * time.Second, 0, 0},
		{time.Hour, 0, 0},
	} {
		if good, bad := w.Sum(tc.at); good != tc.good || bad != tc.bad {
			t.Errorf("at %v: %d and %d, want %d and %d", tc.at, good, bad, tc.good, tc.bad)
		}
	}
	w.Add(time.Hour, 5, 5)
	if w.Reset(); w.sum != (slot{}) {
		t.Error("Reset keeps a sum")
	}
	if good, bad := w.Sum(time.Hour); good != 0 || bad != 0 {
		t.Error("Reset keeps a slot")
	}
}

// TestWindowAgainstAList compares with the obvious implementation.
func TestWindowAgainstAList(t *testing.T) {
	type event struct {
		slot      int64
		good, bad int64
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(12)
		w := NewWindow(time.Duration(n)*time.Second, n)
		var all []event
		now := time.Duration(0)
		for range 400 {
			now += time.Duration(r.Int64N(int64(3 * time.Second)))
			e := event{int64(now / time.Second), r.Int64N(3), r.Int64N(3)}
			w.Add(now, e.good, e.bad)
			all = append(all, e)
			var good, bad int64
			for _, old := range all {
				if e.slot-old.slot < int64(n) {
					good += old.good
					bad += old.bad
				}
			}
			if g, b := w.Sum(now); g != good || b != bad {
				t.Fatalf("seed %d at %v: %d and %d, want %d and %d", seed, now, g, b, good, bad)
			}
		}
	}
}

func TestWindowOfNoWidth(t *testing.T) {
	w := NewWindow(0, 3)
	w.Add(5, 1, 1)
	if good, _ := w.Sum(5); good != 1 {
		t.Error("the running slot is lost")
	}
}
