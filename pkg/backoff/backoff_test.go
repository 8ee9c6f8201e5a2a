package backoff

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func top(n int64) int64   { return n - 1 }
func zero(int64) int64    { return 0 }
func third(n int64) int64 { return n / 3 }

func TestCeiling(t *testing.T) {
	ms := time.Millisecond
	for _, tc := range []struct {
		name string
		b    Backoff
		want []time.Duration // for n = 0, 1, 2, …
	}{
		{"defaults", Backoff{}, []time.Duration{250 * ms, 500 * ms, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 8 * time.Second}},
		{"own", Backoff{Base: 3 * ms, Cap: 10 * ms}, []time.Duration{3 * ms, 6 * ms, 10 * ms, 10 * ms}},
		{"base above cap", Backoff{Base: time.Minute, Cap: time.Second}, []time.Duration{time.Second, time.Second}},
		{"cap alone", Backoff{Cap: 400 * ms}, []time.Duration{250 * ms, 400 * ms}},
		{"huge cap", Backoff{Base: 1, Cap: math.MaxInt64}, []time.Duration{1, 2, 4}},
		{"negative means default", Backoff{Base: -1, Cap: -1}, []time.Duration{250 * ms}},
	} {
		for n, want := range tc.want {
			if got := tc.b.Ceiling(n); got != want {
				t.Errorf("%s: retry %d waits up to %v, want %v", tc.name, n, got, want)
			}
		}
	}
	if got := (Backoff{}).Ceiling(-5); got != DefaultBase {
		t.Errorf("before the first: %v", got)
	}
}

func TestCeilingNeverOverflowsNorFalls(t *testing.T) {
	for _, b := range []Backoff{{}, {Base: 1, Cap: math.MaxInt64}, {Base: math.MaxInt64, Cap: math.MaxInt64}, {Base: time.Second, Cap: 3 * time.Second}} {
		last := time.Duration(0)
		for n := range 200 {
			got := b.Ceiling(n)
			if got <= 0 || got < last {
				t.Fatalf("%+v: retry %d waits up to %v after %v", b, n, got, last)
			}
			last = got
		}
		want := b.Cap
		if want == 0 {
			want = DefaultCap
		}
		if last != want {
			t.Errorf("%+v ends at %v, want %v", b, last, want)
		}
	}
}

func TestDelayIsJitteredOverTheWholeRange(t *testing.T) {
	for _, tc := range []struct {
		pick func(int64) int64
		want time.Duration
	}{
		{zero, 0},
		{top, time.Second},
		{third, time.Duration((int64(time.Second) + 1) / 3)},
	} {
		if got := (Backoff{Rand: tc.pick}).Delay(2); got != tc.want {
			t.Errorf("got %v, want %v", got, tc.want)
		}
	}
	if got := (Backoff{Rand: top}).Jitter(math.MaxInt64); got != math.MaxInt64-1 {
		t.Errorf("the widest range gives %v", got)
	}
	if got := (Backoff{Rand: func(int64) int64 { panic("asked") }}).Jitter(0); got != 0 {
		t.Errorf("no range gives %v", got)
	}
}

func TestOwnRandomnessSpreads(t *testing.T) {
	var low, high int
	for range 1000 {
		d := Backoff{}.Delay(0)
		if d < 0 || d > DefaultBase {
			t.Fatalf("%v is out of range", d)
		}
		if d < DefaultBase/2 {
			low++
		} else {
			high++
		}
	}
	if low < 350 || high < 350 {
		t.Errorf("%d in the lower half, %d in the upper", low, high)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := Wait(t.Context(), 3*time.Second); err != nil || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := Wait(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
}

func TestWaitWatchesTheContext(t *testing.T) {
	left := errors.New("the client left")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, func() { cancel(left) })
		if err := Wait(ctx, time.Hour); err != left || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := Wait(ctx, 0); err != left {
			t.Errorf("an ended context and no wait: %v", err)
		}
		ctx2, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := Wait(ctx2, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestDelayDoesNotAllocate(t *testing.T) {
	b := Backoff{}
	if n := testing.AllocsPerRun(100, func() { _ = b.Delay(3) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkDelay(b *testing.B) {
	b.ReportAllocs()
	o := Backoff{}
	for b.Loop() {
		_ = o.Delay(2)
	}
}
