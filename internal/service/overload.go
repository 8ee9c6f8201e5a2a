package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	// window is how long samples are gathered before the bound is moved.
	window = 100 * time.Millisecond
	// minSamples is how many a window must have to say anything.
	minSamples = 10
	// quick is an own time that no one calls overload, whatever it was before.
	quick = 5 * time.Millisecond
	// highMemory is the share of the memory limit above which the bound shrinks:
	// the collector needs the rest to keep up.
	highMemory = 0.8
	// startFactor times the smallest bound is where an adaptive bound starts.
	startFactor = 4
)

// GuardOptions makes a Guard.
type GuardOptions struct {
	Min       int           // the adaptive bound never goes below; default 64
	Max       int           // calls in flight at most, streams included; 0 = no fixed bound
	Adaptive  bool          // find the bound between Min and Max
	Tolerance float64       // own time may grow by this factor over its usual value; default 2
	MaxWait   time.Duration // for a slot; 0 = 100 ms, negative = no queue

	// Memory returns the share of the memory limit that is in use; nil = not
	// looked at. It is asked once a window.
	Memory func() float64
}

// Guard bounds the calls in flight, so that the gateway sheds load before its
// own latency or memory run away. The bound moves by the gateway's own time per
// call, upstreams excluded, once a window of 100 ms: it grows by a twentieth
// while more than half of it is in use, and shrinks by a tenth when the mean own
// time is above Tolerance times the usual one, or memory is nearly used up.
// What finds no slot waits in a queue, a quarter of the bound long, at most
// MaxWait: the higher class first, within a class first come, first served. When
// the queue is full, a newcomer takes the place of the last of a lower class. It
// is safe for concurrent use.
type Guard struct {
	o GuardOptions

	mu     sync.Mutex
	bound  int
	flying int
	queue  []*waiter // the next one in front

	since   time.Time // start of the window
	samples int
	sum     time.Duration
	usual   time.Duration // the least mean of late; 0 = unknown
}

// Class is how important a caller is when not all can be served; 0 = normal,
// more is more.
type Class int8

// waiter is a call in the queue.
type waiter struct {
	class Class
	turn  chan bool // true: the slot is handed over; false: the place is lost
}

// NewGuard makes a Guard.
func NewGuard(o GuardOptions) *Guard {
	if o.Min <= 0 {
		o.Min = 64
	}
	if o.Tolerance <= 1 {
		o.Tolerance = 2
	}
	if o.MaxWait == 0 {
		o.MaxWait = 100 * time.Millisecond
	}
	g := &Guard{o: o, bound: o.Max, since: time.Now()}
	if o.Adaptive && (g.bound == 0 || g.bound > startFactor*o.Min) {
		g.bound = startFactor * o.Min
	}
	return g
}

// Do performs a call when there is a slot for it, and holds the slot until the
// call has ended, a stream with its last event. Otherwise it refuses with
// KindOverloaded. class is asked only when there is no slot; nil = all are
// normal.
func (g *Guard) Do(ctx context.Context, class func() Class, do func() (*llm.Reply, error)) (*llm.Reply, error) {
	if err := g.enter(ctx, class); err != nil {
		return nil, err
	}
	held := true
	defer func() {
		if held { // a panic on the way: the slot must not leak
			g.leave()
		}
	}()
	start := time.Now()
	reply, err := do()
	g.sample(start, reply, err)
	held = false
	llm.OnDone(reply, err, func(llm.Done) { g.leave() })
	return reply, err
}

// enter takes a slot, if need be after a wait.
func (g *Guard) enter(ctx context.Context, class func() Class) error {
	g.mu.Lock()
	if g.bound == 0 || g.flying < g.bound {
		g.flying++
		g.mu.Unlock()
		return nil
	}
	w := &waiter{turn: make(chan bool, 1)} // 1: whoever hands over does not wait
	if class != nil {
		w.class = class()
	}
	queued := g.line(w)
	g.mu.Unlock()
	if !queued {
		return shed()
	}
	return g.wait(ctx, w)
}

// line puts a call into the queue, behind those of its class, and reports
// whether there was room. g.mu is held.
func (g *Guard) line(w *waiter) bool {
	if g.o.MaxWait < 0 {
		return false
	}
	if len(g.queue) >= max(g.bound/4, 1) {
		last := g.queue[len(g.queue)-1]
		if last.class >= w.class {
			return false
		}
		g.queue = g.queue[:len(g.queue)-1]
		last.turn <- false
	}
	at := len(g.queue)
	for at > 0 && g.queue[at-1].class < w.class {
		at--
	}
	g.queue = slices.Insert(g.queue, at, w)
	return true
}

// wait waits for a turn. A slot that was handed over at the last moment is
// taken.
func (g *Guard) wait(ctx context.Context, w *waiter) error {
	t := time.NewTimer(g.o.MaxWait)
	defer t.Stop()
	var err error
	select {
	case mine := <-w.turn:
		return refusedUnless(mine)
	case <-t.C:
		err = shed()
	case <-ctx.Done():
		err = llm.ContextError(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.queue, w); i >= 0 {
		g.queue = slices.Delete(g.queue, i, i+1)
		return err
	}
	return refusedUnless(<-w.turn)
}

func refusedUnless(served bool) error {
	if served {
		return nil
	}
	return shed()
}

// shed is the refusal. Its wait is short: the bound moves within a second.
func shed() error {
	e := llm.Errorf(llm.KindOverloaded, "the gateway is overloaded")
	e.RetryAfter = time.Second
	return e
}

// leave gives a slot back, or on to whoever waits longest.
func (g *Guard) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.flying--
	g.admit()
}

// admit lets waiting calls in while there is room. g.mu is held.
func (g *Guard) admit() {
	for len(g.queue) > 0 && (g.bound == 0 || g.flying < g.bound) {
		g.queue[0].turn <- true
		g.queue = slices.Delete(g.queue, 0, 1)
		g.flying++
	}
}

// sample notes the gateway's own time for a call: until the reply, without what
// upstreams and back-off took. A client that left says nothing.
func (g *Guard) sample(start time.Time, reply *llm.Reply, err error) {
	if !g.o.Adaptive {
		return
	}
	now := time.Now()
	own := now.Sub(start)
	if err != nil {
		e := llm.AsError(err)
		if e.Kind == llm.KindCanceled || e.Kind == llm.KindTimeout {
			return
		}
		own -= e.Upstream
	} else {
		own -= reply.Upstream
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.samples++
	g.sum += max(own, 0)
	if now.Sub(g.since) >= window {
		g.move(now)
	}
}

// move ends a window and moves the bound. g.mu is held.
func (g *Guard) move(now time.Time) {
	n, mean := g.samples, g.sum/time.Duration(g.samples)
	g.since, g.samples, g.sum = now, 0, 0
	full := g.o.Memory != nil && g.o.Memory() > highMemory
	if n < minSamples && !full {
		return
	}
	slow := g.usual > 0 && mean > quick && float64(mean) > g.o.Tolerance*float64(g.usual)
	if !slow && n >= minSamples {
		g.learn(mean)
	}
	switch {
	case slow || full:
		g.bound -= max(g.bound/10, 1)
	case g.flying > g.bound/2:
		g.bound += max(g.bound/20, 1)
	}
	g.bound = max(g.bound, g.o.Min)
	if g.o.Max > 0 {
		g.bound = min(g.bound, g.o.Max)
	}
	g.admit()
}

// learn follows the usual own time: down at once, up by a hundredth a window,
// so that work which has really become heavier is not taken for overload for
// ever.
func (g *Guard) learn(mean time.Duration) {
	if g.usual == 0 || mean < g.usual {
		g.usual = mean
		return
	}
	g.usual += min(g.usual/100+1, mean-g.usual)
}

// Bound returns how many calls may be in flight now; 0 = any number.
func (g *Guard) Bound() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bound
}
