package breaker

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that the test turns.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// circuit is a breaker under test with its clock and history.
type circuit struct {
	*Breaker
	clock clock
	mu    sync.Mutex
	log   []Change
}

func newCircuit(o Options) *circuit {
	c := &circuit{}
	o.Now = c.clock.now
	o.OnChange = func(ch Change) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.log = append(c.log, ch)
	}
	c.Breaker = New(o)
	return c
}

func (c *circuit) admit(t *testing.T) Ticket {
	t.Helper()
	ticket, wait, ok := c.Allow()
	if !ok || wait != 0 {
		t.Fatalf("refused for %v in state %v", wait, c.State())
	}
	return ticket
}

func (c *circuit) refused(t *testing.T, want time.Duration) {
	t.Helper()
	ticket, wait, ok := c.Allow()
	if ok || wait != want || ticket != (Ticket{}) {
		t.Fatalf("got %v, wait %v in state %v, want a refusal for %v", ok, wait, c.State(), want)
	}
}

func (c *circuit) is(t *testing.T, want State) {
	t.Helper()
	if got := c.State(); got != want {
		t.Fatalf("state %v, want %v", got, want)
	}
}

func (c *circuit) play(t *testing.T, results ...Result) {
	t.Helper()
	for _, r := range results {
		c.Report(c.admit(t), r)
	}
}

// open makes a circuit that has just opened.
func open(t *testing.T, o Options) *circuit {
	o.MinRequests = 1
	c := newCircuit(o)
	c.play(t, Failure)
	c.is(t, Open)
	return c
}

func repeat(r Result, n int) []Result { return slices.Repeat([]Result{r}, n) }

func TestOpensByRatioAndNumber(t *testing.T) {
	s, f, i := Success, Failure, Ignored
	for _, tc := range []struct {
		name    string
		o       Options
		results []Result
		want    State
	}{
		{"defaults: 19 failures are too few", Options{}, repeat(f, 19), Closed},
		{"defaults: 20 failures", Options{}, repeat(f, 20), Open},
		{"defaults: half of 20", Options{}, append(repeat(s, 10), repeat(f, 10)...), Open},
		{"defaults: less than half", Options{}, append(repeat(s, 11), repeat(f, 10)...), Closed},
		{"a success never opens", Options{MinRequests: 3}, []Result{f, f, s}, Closed},
		{"the next failure does", Options{MinRequests: 3}, []Result{f, f, s, f}, Open},
		{"ignored do not count as requests", Options{MinRequests: 3}, append(repeat(i, 50), f, f), Closed},
		{"ignored do not dilute", Options{MinRequests: 3}, append(repeat(i, 50), f, f, f), Open},
		{"own ratio", Options{MinRequests: 1, FailureRatio: 0.25}, []Result{s, s, s, f}, Open},
		{"own ratio, below", Options{MinRequests: 1, FailureRatio: 0.25}, []Result{s, s, s, s, f}, Closed},
		{"never", Options{MinRequests: 1, FailureRatio: 1.01}, repeat(f, 100), Closed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCircuit(tc.o)
			c.play(t, tc.results...)
			c.is(t, tc.want)
		})
	}
}

func TestOldResultsLeaveTheWindow(t *testing.T) {
	c := newCircuit(Options{MinRequests: 4, Window: 10 * time.Second})
	c.play(t, Failure, Failure, Failure)
	c.clock.advance(10 * time.Second)
	c.play(t, Failure, Failure, Failure)
	c.is(t, Closed)
	c.clock.advance(5 * time.Second)
	c.play(t, Failure)
	c.is(t, Open)
	if want := (Change{Closed, Open, 2, 4, 4}); len(c.log) != 1 || c.log[0] != want {
		t.Errorf("told %+v, want %+v", c.log, want)
	}
}

func TestOpenSaysHowLong(t *testing.T) {
	c := open(t, Options{Cooldown: 15 * time.Second})
	c.refused(t, 15*time.Second)
	c.clock.advance(14 * time.Second)
	c.refused(t, time.Second)
	c.clock.advance(time.Second)
	if p := c.admit(t); !p.Probe() {
		t.Error("the first call after the cool-down is no probe")
	}
	c.is(t, HalfOpen)
}

func TestProbesDecide(t *testing.T) {
	for _, tc := range []struct {
		name    string
		probes  int
		results []Result
		want    State
	}{
		{"one success closes", 1, []Result{Success}, Closed},
		{"one failure opens", 1, []Result{Failure}, Open},
		{"ignored decides nothing", 1, []Result{Ignored, Ignored}, HalfOpen},
		{"and frees the slot", 1, []Result{Ignored, Success}, Closed},
		{"all successes are needed", 3, []Result{Success, Success}, HalfOpen},
		{"and close", 3, []Result{Success, Ignored, Success, Success}, Closed},
		{"one failure undoes them", 3, []Result{Success, Success, Failure}, Open},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := open(t, Options{Probes: tc.probes})
			c.clock.advance(15 * time.Second)
			c.play(t, tc.results...)
			c.is(t, tc.want)
		})
	}
}

func TestProbesAreFew(t *testing.T) {
	c := open(t, Options{Probes: 2})
	c.clock.advance(15 * time.Second)
	a, b := c.admit(t), c.admit(t)
	c.refused(t, 15*time.Second)
	c.Report(a, Success)
	d := c.admit(t)
	c.refused(t, 15*time.Second)
	c.Report(d, Ignored)
	c.Report(c.admit(t), Success)
	c.is(t, Closed)
	c.Report(b, Failure) // late: says nothing about the closed circuit
	c.is(t, Closed)
}

func TestAReopenedCircuitCoolsDownAgain(t *testing.T) {
	c := open(t, Options{Cooldown: 10 * time.Second})
	c.clock.advance(12 * time.Second)
	p := c.admit(t)
	c.clock.advance(3 * time.Second)
	c.Report(p, Failure)
	c.refused(t, 10*time.Second)
	c.clock.advance(10 * time.Second)
	c.play(t, Success)
	c.is(t, Closed)
	want := []Change{{Closed, Open, 2, 1, 1}, {Open, HalfOpen, 3, 0, 0}, {HalfOpen, Open, 4, 0, 0}, {Open, HalfOpen, 5, 0, 0}, {HalfOpen, Closed, 6, 0, 0}}
	if !slices.Equal(c.log, want) {
		t.Errorf("told %+v", c.log)
	}
}

func TestASilentProbeDoesNotHoldUpTheNext(t *testing.T) {
	c := open(t, Options{Cooldown: 10 * time.Second})
	c.clock.advance(10 * time.Second)
	silent := c.admit(t)
	c.clock.advance(9 * time.Second)
	c.refused(t, time.Second)
	c.clock.advance(time.Second)
	next := c.admit(t)
	c.refused(t, 10*time.Second)
	c.Report(silent, Success) // slow, but of this generation
	c.is(t, Closed)
	c.Report(next, Failure)
	c.is(t, Closed)
}

func TestLateResultsAreDiscarded(t *testing.T) {
	c := newCircuit(Options{MinRequests: 1, Cooldown: 10 * time.Second})
	old := make([]Ticket, 10)
	for i := range old {
		old[i] = c.admit(t)
	}
	c.play(t, Failure)
	c.is(t, Open)
	c.Report(old[0], Success)
	c.is(t, Open)
	c.clock.advance(10 * time.Second)
	p := c.admit(t)
	c.Report(old[1], Success)
	c.is(t, HalfOpen)
	c.Report(old[2], Failure)
	c.is(t, HalfOpen)
	c.Report(p, Success)
	c.Report(old[3], Failure)
	c.is(t, Closed)
	c.Report(p, Failure)
	c.is(t, Closed)
	c.Report(Ticket{}, Failure)
	c.is(t, Closed)
	c.play(t, Failure)
	c.is(t, Open)
}

func TestAClosedCircuitStartsClean(t *testing.T) {
	c := newCircuit(Options{MinRequests: 4})
	c.play(t, Failure, Failure, Failure, Failure)
	c.clock.advance(15 * time.Second)
	c.play(t, Success, Failure, Failure, Failure)
	c.is(t, Closed)
	c.play(t, Failure)
	c.is(t, Open)
}

func TestCallbacksMayUseTheBreaker(t *testing.T) {
	var b *Breaker
	var now clock
	var seen []State
	b = New(Options{MinRequests: 1, Now: now.now, OnChange: func(c Change) {
		seen = append(seen, c.To)
		if c.To == Open {
			now.advance(time.Minute)
			ticket, _, _ := b.Allow() // half-open, while open is being told
			b.Report(ticket, Success)
		}
	}})
	ticket, _, _ := b.Allow()
	b.Report(ticket, Failure)
	if !slices.Equal(seen, []State{Open, HalfOpen, Closed}) || b.State() != Closed {
		t.Errorf("told %v, is %v", seen, b.State())
	}
}

// TestASlowCallbackIsNotOvertaken: the next change, made meanwhile by someone
// who does not wait, is told after it.
func TestASlowCallbackIsNotOvertaken(t *testing.T) {
	var now clock
	var told []State // written by whoever tells, one at a time
	entered, resume := make(chan struct{}), make(chan struct{})
	b := New(Options{MinRequests: 1, Now: now.now, OnChange: func(c Change) {
		if c.To == Open {
			close(entered)
			<-resume
		}
		told = append(told, c.To)
	}})
	var wg sync.WaitGroup
	wg.Go(func() {
		ticket, _, _ := b.Allow()
		b.Report(ticket, Failure)
	})
	<-entered
	now.advance(time.Minute)
	if ticket, _, ok := b.Allow(); !ok || !ticket.Probe() || b.State() != HalfOpen {
		t.Error("the callback holds up others")
	}
	close(resume)
	wg.Wait()
	if !slices.Equal(told, []State{Open, HalfOpen}) {
		t.Errorf("told %v", told)
	}
}

func TestChangesArriveInOrderUnderConcurrency(t *testing.T) {
	var mu sync.Mutex
	var seen []Change
	b := New(Options{MinRequests: 1, Cooldown: 1, OnChange: func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, c)
	}})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				if ticket, _, ok := b.Allow(); ok {
					b.Report(ticket, Result(i%3))
				}
			}
		})
	}
	wg.Wait()
	if len(seen) < 10 {
		t.Fatalf("only %d changes", len(seen))
	}
	last := Change{To: Closed, Generation: 1}
	for _, c := range seen {
		if c.From != last.To || c.Generation != last.Generation+1 || c.From == c.To {
			t.Fatalf("%+v follows %+v", c, last)
		}
		last = c
	}
	if b.State() != last.To {
		t.Errorf("state %v, last told %v", b.State(), last.To)
	}
}

func TestNeverMoreProbesThanAllowed(t *testing.T) {
	c := open(t, Options{Probes: 3})
	c.clock.advance(15 * time.Second)
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, _, ok := c.Allow(); ok {
				admitted.Add(1)
			}
		})
	}
	wg.Wait()
	if n := admitted.Load(); n != 3 {
		t.Errorf("%d probes", n)
	}
}

func TestStateNames(t *testing.T) {
	for s, want := range map[State]string{Closed: "closed", HalfOpen: "half-open", Open: "open", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("%d is called %q", s, s)
		}
	}
	if Closed != 0 || HalfOpen != 1 || Open != 2 {
		t.Error("the states have other numbers than metrics show")
	}
}

func TestRealClock(t *testing.T) {
	b := New(Options{MinRequests: 1, Cooldown: time.Hour})
	ticket, _, _ := b.Allow()
	b.Report(ticket, Failure)
	if _, wait, ok := b.Allow(); ok || wait <= 59*time.Minute || wait > time.Hour {
		t.Errorf("%v, %v", wait, ok)
	}
}

func TestPassingDoesNotAllocate(t *testing.T) {
	b := New(Options{})
	if n := testing.AllocsPerRun(100, func() {
		ticket, _, _ := b.Allow()
		b.Report(ticket, Success)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	c := open(t, Options{})
	if n := testing.AllocsPerRun(100, func() { c.Allow() }); n != 0 {
		t.Errorf("a refusal: %v allocations", n)
	}
}

func BenchmarkPass(b *testing.B) {
	b.ReportAllocs()
	br := New(Options{})
	for b.Loop() {
		ticket, _, _ := br.Allow()
		br.Report(ticket, Success)
	}
}
