// Package breaker is a circuit breaker whose calls may last long: each
// permission carries the generation in which it was given, and a result that
// comes in another generation is discarded. Nothing here blocks, starts a
// goroutine or keeps a timer; time is read when someone asks.
package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

// State is the state of a circuit.
type State uint8

// The states, in the order of their severity.
const (
	Closed   State = iota // all pass
	HalfOpen              // a few probes pass
	Open                  // none pass
)

// String returns closed, half-open or open.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case HalfOpen:
		return "half-open"
	case Open:
		return "open"
	}
	return "unknown"
}

// Result is how an admitted call ended, as far as the circuit is concerned.
type Result uint8

// The results. Ignored says nothing about the target: the caller left, or was
// itself at fault.
const (
	Ignored Result = iota
	Success
	Failure
)

// Options makes a Breaker. Each zero field has a default.
type Options struct {
	FailureRatio float64       // opens at this share of failures; default 0.5; above 1 never
	MinRequests  int64         // but not below so many results in the window; default 20
	Window       time.Duration // default 30 s
	Cooldown     time.Duration // from open to half-open; default 15 s
	Probes       int           // most probes at once, and successes in a row that close; default 1

	// OnChange is told of every change of state, in order, without a lock
	// held, on the goroutine of a caller of Allow or Report.
	OnChange func(Change)

	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Change is one change of state.
type Change struct {
	From, To   State
	Generation uint64 // of To; grows by one with each change
	Requests   int64  // results in the window when a closed circuit opened, else 0
	Failures   int64  // how many of them were failures
}

// Ticket is the permission for one call. It must be handed to Report exactly
// once. The zero Ticket belongs to no generation: reporting it does nothing.
type Ticket struct{ word uint64 }

// Probe reports whether the call tests a half-open circuit.
func (t Ticket) Probe() bool { return t.word&stateMask == uint64(HalfOpen) }

const (
	slots     = 10
	stateBits = 2
	stateMask = 1<<stateBits - 1
)

// Breaker is one circuit. It is safe for concurrent use.
type Breaker struct {
	o     Options
	start time.Time

	// word is generation<<stateBits | state. It changes only under mu; a
	// closed circuit admits without the lock.
	word atomic.Uint64

	mu      sync.Mutex
	window  *Window
	since   time.Duration // when the circuit opened, or admitted its latest probe
	changed time.Duration // when the present state began
	probes  int           // admitted and not yet reported
	good    int           // probes that succeeded
	pending []Change      // not yet told
	telling bool          // someone is telling
}

// New makes a closed Breaker.
func New(o Options) *Breaker {
	if o.FailureRatio <= 0 {
		o.FailureRatio = 0.5
	}
	if o.MinRequests <= 0 {
		o.MinRequests = 20
	}
	if o.Window <= 0 {
		o.Window = 30 * time.Second
	}
	if o.Cooldown <= 0 {
		o.Cooldown = 15 * time.Second
	}
	if o.Probes <= 0 {
		o.Probes = 1
	}
	b := &Breaker{o: o, window: NewWindow(o.Window, slots)}
	b.start = time.Now()
	if o.Now != nil {
		b.start = o.Now()
	}
	b.word.Store(1 << stateBits)
	return b
}

// State returns the current state. An open circuit whose cool-down has passed
// stays open until the next Allow.
func (b *Breaker) State() State { return State(b.word.Load() & stateMask) }

// Allow asks for permission to call. When ok is false, wait says after what
// time it is worth asking again; it is more than zero.
func (b *Breaker) Allow() (t Ticket, wait time.Duration, ok bool) {
	word := b.word.Load()
	if State(word&stateMask) == Closed {
		return Ticket{word}, 0, true
	}
	b.mu.Lock()
	t, wait, ok = b.allow(b.now())
	b.unlock()
	return t, wait, ok
}

// allow decides under the lock. A probe that has been silent for a cool-down
// does not hold up the next one: a circuit must not stay half-open because one
// call hangs.
func (b *Breaker) allow(now time.Duration) (Ticket, time.Duration, bool) {
	wait := b.since + b.o.Cooldown - now
	switch b.State() {
	case Open:
		if wait > 0 {
			return Ticket{}, wait, false
		}
		b.change(Change{To: HalfOpen}, now)
	case HalfOpen:
		if b.probes >= b.o.Probes && wait > 0 {
			return Ticket{}, wait, false
		}
	}
	if b.State() == HalfOpen {
		b.probes++
		b.since = now
	}
	return Ticket{b.word.Load()}, 0, true
}

// Report tells how the call of a ticket ended. It does nothing when the state
// has changed since the ticket was given.
func (b *Breaker) Report(t Ticket, r Result) {
	if r == Ignored && !t.Probe() {
		return
	}
	b.mu.Lock()
	switch {
	case t.word != b.word.Load():
	case t.Probe():
		b.probed(r)
	default:
		b.count(r)
	}
	b.unlock()
}

// probed takes the result of a probe.
func (b *Breaker) probed(r Result) {
	b.probes = max(b.probes-1, 0)
	switch r {
	case Failure:
		b.change(Change{To: Open}, b.now())
	case Success:
		if b.good++; b.good >= b.o.Probes {
			b.change(Change{To: Closed}, b.now())
		}
	}
}

// count takes a result of a closed circuit. Only a failure can open it.
func (b *Breaker) count(r Result) {
	now := b.now()
	if r == Success {
		b.window.Add(now, 1, 0)
		return
	}
	b.window.Add(now, 0, 1)
	good, bad := b.window.Sum(now)
	if total := good + bad; total >= b.o.MinRequests && float64(bad) >= b.o.FailureRatio*float64(total) {
		b.change(Change{To: Open, Requests: total, Failures: bad}, now)
	}
}

// change starts the next generation, in the state c.To.
func (b *Breaker) change(c Change, now time.Duration) {
	c.From, c.Generation = b.State(), b.word.Load()>>stateBits+1
	b.word.Store(c.Generation<<stateBits | uint64(c.To))
	b.since, b.changed, b.probes, b.good = now, now, 0, 0
	b.window.Reset()
	if b.o.OnChange != nil {
		b.pending = append(b.pending, c)
	}
}

// unlock releases mu, having told of all pending changes without holding it.
// One goroutine at a time tells, so that changes arrive in order; a callback
// that causes another change leaves it to the same loop.
func (b *Breaker) unlock() {
	for len(b.pending) > 0 && !b.telling {
		changes := b.pending
		b.pending, b.telling = nil, true
		b.mu.Unlock()
		for _, c := range changes {
			b.o.OnChange(c)
		}
		b.mu.Lock()
		b.telling = false
	}
	b.mu.Unlock()
}

// now returns the time since the breaker was made.
func (b *Breaker) now() time.Duration {
	if b.o.Now != nil {
		return b.o.Now().Sub(b.start)
	}
	return time.Since(b.start)
}
