package bucket

import (
	"math"
	"math/big"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that the test turns.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

func timed(o Options) (*Bucket, *clock) {
	c := &clock{}
	o.Now = c.now
	return New(o), c
}

func level(t *testing.T, b *Bucket, want int64) {
	t.Helper()
	if got, _ := b.Level(); got != want {
		t.Fatalf("level %d, want %d", got, want)
	}
}

func take(t *testing.T, b *Bucket, n int64) {
	t.Helper()
	if wait, ok := b.Reserve(n); !ok || wait != 0 {
		t.Fatalf("%d refused for %v", n, wait)
	}
}

func refuse(t *testing.T, b *Bucket, n int64, want time.Duration) {
	t.Helper()
	if wait, ok := b.Reserve(n); ok || wait != want {
		t.Fatalf("%d: granted %v, wait %v, want a wait of %v", n, ok, wait, want)
	}
}

func TestTokensPerMinute(t *testing.T) {
	b, c := timed(Options{Limit: 6000, Per: time.Minute})
	take(t, b, 5000)
	take(t, b, 1000)
	refuse(t, b, 1, 10*time.Millisecond)
	refuse(t, b, 100, time.Second)
	c.advance(time.Second - 1)
	refuse(t, b, 100, 1)
	level(t, b, 99)
	c.advance(1)
	take(t, b, 100)
	level(t, b, 0)
	c.advance(time.Hour)
	level(t, b, 6000)
}

func TestZeroOptionsAndCosts(t *testing.T) {
	b, c := timed(Options{})
	take(t, b, 0)
	take(t, b, -5)
	take(t, b, 1)
	refuse(t, b, 1, time.Second)
	b.GiveBack(0)
	b.GiveBack(-7)
	b.Charge(0)
	b.Charge(-7)
	refuse(t, b, 1, time.Second)
	c.advance(time.Second)
	take(t, b, 1)
	if b.Burst() != 1 {
		t.Errorf("burst %d", b.Burst())
	}
}

func TestMoreThanTheBucketHolds(t *testing.T) {
	b, c := timed(Options{Limit: 100, Burst: 50})
	for range 3 {
		refuse(t, b, 51, Never)
		refuse(t, b, math.MaxInt64, Never)
		c.advance(time.Hour)
	}
	take(t, b, 50)
	if slow, _ := timed(Options{Limit: 1, Per: math.MaxInt64, Burst: 1000}); slow != nil {
		take(t, slow, 1000)
		refuse(t, slow, 2, Never) // longer than a Duration can say
	}
}

func TestGiveBackAndCharge(t *testing.T) {
	b, c := timed(Options{Limit: 10, Burst: 100})
	take(t, b, 80)
	b.Settle(80, 30)
	level(t, b, 70)
	b.GiveBack(1000)
	level(t, b, 100)
	b.GiveBack(math.MaxInt64)
	level(t, b, 100)
	take(t, b, 60)
	b.Settle(60, 150)
	level(t, b, 0)
	refuse(t, b, 1, 5100*time.Millisecond) // 50 of debt and one unit at 10 a second
	c.advance(5 * time.Second)
	level(t, b, 0)
	refuse(t, b, 1, 100*time.Millisecond)
	c.advance(100 * time.Millisecond)
	take(t, b, 1)
}

func TestDebtIsBounded(t *testing.T) {
	for _, tc := range []struct {
		debt, want int64
	}{{0, 100}, {7, 7}} {
		b, _ := timed(Options{Limit: 1, Burst: 100, MaxDebt: tc.debt})
		b.Charge(math.MaxInt64)
		b.Charge(math.MaxInt64)
		refuse(t, b, 1, time.Duration(tc.want+1)*time.Second)
		b.GiveBack(math.MaxInt64)
		level(t, b, 100)
	}
}

func TestLevelSaysWhenFull(t *testing.T) {
	b, c := timed(Options{Limit: 3, Per: time.Second, Burst: 9})
	if n, full := b.Level(); n != 9 || full != 0 {
		t.Errorf("%d, full in %v", n, full)
	}
	take(t, b, 7)
	if n, full := b.Level(); n != 2 || full != 2333333334 {
		t.Errorf("%d, full in %v", n, full)
	}
	c.advance(2333333334)
	if n, full := b.Level(); n != 9 || full != 0 {
		t.Errorf("%d, full in %v", n, full)
	}
}

func TestClockThatStandsOrGoesBack(t *testing.T) {
	b, c := timed(Options{Limit: 10})
	c.advance(time.Minute)
	take(t, b, 10)
	c.advance(-30 * time.Second)
	refuse(t, b, 1, 100*time.Millisecond)
	c.advance(30 * time.Second)
	refuse(t, b, 1, 100*time.Millisecond)
	c.advance(100 * time.Millisecond)
	take(t, b, 1)
}

// TestExactAgainstBigNumbers plays random traffic against unlimited precision:
// the same decisions, and the wait is the least that works.
func TestExactAgainstBigNumbers(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		o := Options{Limit: 1 + r.Int64N(5_000_000), Per: time.Duration(1 + r.Int64N(int64(time.Hour))), Burst: 1 + r.Int64N(100_000)}
		b, c := timed(o)
		per, burst := big.NewInt(int64(o.Per)), big.NewInt(o.Burst)
		full := new(big.Int).Mul(burst, per) // the model's level, in units times Per
		have := new(big.Int).Set(full)
		flow := func(d time.Duration) {
			have.Add(have, new(big.Int).Mul(big.NewInt(int64(d)), big.NewInt(o.Limit)))
			if have.Cmp(full) > 0 {
				have.Set(full)
			}
		}
		for range 200 {
			d := time.Duration(r.Int64N(int64(o.Per)/o.Limit*20 + 20))
			c.advance(d)
			flow(d)
			n := 1 + r.Int64N(o.Burst)
			cost := new(big.Int).Mul(big.NewInt(n), per)
			wait, ok := b.Reserve(n)
			if want := have.Cmp(cost) >= 0; ok != want {
				t.Fatalf("seed %d: %d granted %v, want %v", seed, n, ok, want)
			}
			if ok {
				have.Sub(have, cost)
				continue
			}
			// One nanosecond less is too short, the wait itself is enough.
			c.advance(wait - 1)
			flow(wait - 1)
			if _, early := b.Reserve(n); early {
				t.Fatalf("seed %d: granted before the wait was over", seed)
			}
			c.advance(1)
			flow(1)
			if again, ok := b.Reserve(n); !ok {
				t.Fatalf("seed %d: still refused for %v after waiting %v", seed, again, wait)
			}
			if have.Cmp(cost) < 0 {
				t.Fatalf("seed %d: %d granted, but only %v of %v was there", seed, n, have, cost)
			}
			have.Sub(have, cost)
		}
	}
}

func TestExtremesDoNotOverflow(t *testing.T) {
	for _, o := range []Options{
		{Limit: math.MaxInt64, Per: 1},
		{Limit: math.MaxInt64, Per: math.MaxInt64},
		{Limit: 1, Per: math.MaxInt64, Burst: math.MaxInt64},
		{Limit: math.MaxInt64, Per: 1, Burst: 1},
	} {
		b, c := timed(o)
		take(t, b, b.Burst())
		level(t, b, 0)
		b.Charge(math.MaxInt64)
		if debt := -b.level; debt != b.Burst() {
			t.Errorf("%+v: debt %d", o, debt)
		}
		for range 4 {
			c.advance(math.MaxInt64 / 4)
			if n, full := b.Level(); n < 0 || n > b.Burst() || full < 0 {
				t.Errorf("%+v: level %d, full in %v", o, n, full)
			}
			if wait, _ := b.Reserve(b.Burst()); wait < 0 {
				t.Errorf("%+v: wait %v", o, wait)
			}
		}
		b.GiveBack(math.MaxInt64)
		if n, _ := b.Level(); n != b.Burst() {
			t.Errorf("%+v: level %d after giving all back", o, n)
		}
	}
}

func TestNeverAUnitTooManyUnderConcurrency(t *testing.T) {
	b, c := timed(Options{Limit: 1000, Per: time.Second, Burst: 500})
	var granted atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 3))
			for range 2000 {
				n := 1 + r.Int64N(20)
				if _, ok := b.Reserve(n); ok {
					used := r.Int64N(n + 1)
					b.Settle(n, used)
					granted.Add(used)
				}
				if r.IntN(50) == 0 {
					c.advance(time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	most := 500 + c.ns.Load()/int64(time.Millisecond)
	if got := granted.Load(); got > most || got < most/2 {
		t.Errorf("%d units granted where %d flowed in", got, most)
	}
	left, _ := b.Level()
	if granted.Load()+left > most {
		t.Errorf("%d used and %d left of %d", granted.Load(), left, most)
	}
}

func TestRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{Limit: 4, Per: time.Second})
		take(t, b, 4)
		wait, _ := b.Reserve(2)
		if wait != 500*time.Millisecond {
			t.Fatalf("wait %v", wait)
		}
		<-time.After(wait)
		take(t, b, 2)
	})
}

func TestNothingAllocates(t *testing.T) {
	b := New(Options{Limit: 1 << 40})
	if n := testing.AllocsPerRun(100, func() {
		b.Reserve(100)
		b.Settle(100, 40)
		b.Level()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReserve(b *testing.B) {
	b.ReportAllocs()
	bk := New(Options{Limit: 1 << 40})
	for b.Loop() {
		bk.Reserve(1)
	}
}
