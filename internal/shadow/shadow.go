// Package shadow sends copies of calls to another target and measures how that
// one would have answered. A copy is detached from the client: it has a deadline
// of its own, is never shown, and is the first thing to be dropped.
//
// Ownership: a Shadow owns the goroutines of its copies; Close cancels and
// awaits them. It outlives reloads; what a configuration makes of it is a
// Copier.
package shadow

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/tasks"
)

// Prefix stands before the route's name in the ledger, metrics and traces of
// copies, so that none is taken for a client's call.
const Prefix = "shadow:"

// maxBytes bounds the requests that the copies of one route hold.
const maxBytes = 16 << 20

// unknownBytes is what a call without a body is taken to hold.
const unknownBytes = 4 << 10

// Why a copy was not made.
const (
	DropBusy     = "overload"      // the gateway sheds load, or nearly
	DropInFlight = "max_in_flight" // as many are under way as may be
	DropMemory   = "memory"        // they hold too much
	DropBudget   = "budget"        // the day's money is spent
	DropUnpriced = "no_price"      // there is a budget, and the model has no price to hold against it
	DropStopping = "stopping"
)

// Observer is told of copies; see telemetry.Shadows. No method may block.
type Observer interface {
	Dropped(reason string)
	Ended(outcome string)
	Compared(p Pair)
}

// Options makes a Shadow.
type Options struct {
	Route       string
	Share       float64   // of the calls, 0 to 1
	Budget      llm.Money // a day, UTC; 0 = no limit
	Spent       llm.Money // of it today, before the start
	MaxInFlight int
	Observer    Observer         // must not be nil
	Rand        func() float64   // nil = math/rand/v2
	Now         func() time.Time // nil = time.Now
}

// Shadow measures one target on behalf of one route. It is safe for concurrent
// use.
type Shadow struct {
	o     Options
	life  context.Context
	end   context.CancelFunc
	tasks tasks.Group

	mu       sync.Mutex
	day      int // of the year and its number: when spent began
	spent    llm.Money
	inFlight int
	held     int64
	copied   int64
	failed   int64
	dropped  map[string]int64
	sums     sums
	recent   []Pair // the latest maxRecent, a ring
	next     int
}

// New makes a Shadow, which must be closed.
func New(o Options) *Shadow {
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Shadow{o: o, dropped: map[string]int64{}, spent: o.Spent}
	s.day = dayOf(o.Now())
	// Of no client: that is what makes it a shadow.
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Close calls off what is under way and waits for it.
func (s *Shadow) Close() error {
	s.end()
	s.tasks.Close()
	return nil
}

// Target is where copies go.
type Target struct {
	Provider, Model string
	Chain           llm.Provider
	Price           llm.Pricer // nil = unknown
	Timeout         time.Duration
	StreamTimeout   time.Duration
	Busy            func() bool // the gateway is near its bound; nil = never

	// JSON reports whether an answer to a call that asks for JSON is JSON;
	// known is false when nobody asked or it cannot be told cheaply. nil = never known.
	JSON func(c *llm.Call, r *llm.Reply) (valid, known bool)
}

// Copier is a Shadow with the target of one configuration.
type Copier struct {
	s *Shadow
	t Target
}

// To returns what copies calls to a target.
func (s *Shadow) To(t Target) *Copier { return &Copier{s, t} }

// Copy sends a copy of the call when chance and the bounds have it so. What it
// returns is to be told how the client's own call went; nil = there is no copy.
func (k *Copier) Copy(c *llm.Call) func(*llm.Reply, error) {
	if c.Op != llm.OpChat && c.Op != llm.OpEmbed || k.s.o.Rand() >= k.s.o.Share {
		return nil
	}
	size := int64(max(len(c.Raw), unknownBytes))
	if !k.admit(size) {
		return nil
	}
	p := &pending{s: k.s, start: k.s.o.Now(), id: c.Meta.RequestID}
	if !k.s.tasks.Go(func() { k.run(c, p, size) }) {
		k.s.release(size)
		k.s.drop(DropStopping)
		return nil
	}
	return p.primary
}

// admit takes a slot and memory, or drops the copy.
func (k *Copier) admit(size int64) bool {
	s := k.s
	busy := k.t.Busy != nil && k.t.Busy()
	s.mu.Lock()
	s.turn()
	reason := ""
	switch {
	case busy:
		reason = DropBusy
	case s.o.Budget > 0 && k.t.Price == nil:
		reason = DropUnpriced
	case s.o.Budget > 0 && s.spent >= s.o.Budget:
		reason = DropBudget
	case s.inFlight >= s.o.MaxInFlight:
		reason = DropInFlight
	case s.held+size > maxBytes:
		reason = DropMemory
	default:
		s.inFlight++
		s.copied++
		s.held += size
	}
	s.mu.Unlock()
	if reason != "" {
		s.drop(reason)
	}
	return reason == ""
}

// turn begins a new day's budget. s.mu is held.
func (s *Shadow) turn() {
	if day := dayOf(s.o.Now()); day != s.day {
		s.day, s.spent = day, 0
	}
}

func dayOf(t time.Time) int { t = t.UTC(); return t.Year()*1000 + t.YearDay() }

func (s *Shadow) drop(reason string) {
	s.mu.Lock()
	s.dropped[reason]++
	s.mu.Unlock()
	s.o.Observer.Dropped(reason)
}

func (s *Shadow) release(size int64) {
	s.mu.Lock()
	s.inFlight--
	s.held -= size
	s.mu.Unlock()
}

// run makes the copy and measures it.
func (k *Copier) run(c *llm.Call, p *pending, size int64) {
	defer k.s.release(size)
	timeout := k.t.Timeout
	if c.Stream {
		timeout = k.t.StreamTimeout
	}
	ctx, cancel := context.WithTimeout(k.s.life, timeout)
	defer cancel()
	copied := c.WithModel(k.t.Model)
	copied.Deadline = time.Now().Add(timeout)
	copied.Meta = &llm.Meta{RequestID: c.Meta.RequestID, TraceID: c.Meta.TraceID, Route: Prefix + k.s.o.Route, Caller: &llm.Caller{}}
	reply, err := k.t.Chain.Do(ctx, copied)
	var done llm.Done
	llm.OnDone(reply, err, func(d llm.Done) { done = d })
	if err == nil {
		for e := error(nil); e == nil && reply.Stream != nil; {
			_, e = reply.Stream.Recv()
		}
		_ = reply.Close() // it has ended
	}
	side := sideOf(&done, reply, p.since(), k.t.Price)
	if err == nil && k.t.JSON != nil && reply.Stream == nil {
		if valid, known := k.t.JSON(c, reply); known {
			side.JSON = &valid
		}
	}
	k.s.ended(&side)
	p.set(&p.target, side)
}

// ended counts a copy, and its cost.
func (s *Shadow) ended(side *Side) {
	s.mu.Lock()
	s.turn()
	if side.Outcome != complete {
		s.failed++
	}
	if side.Cost != nil {
		s.spent += *side.Cost
	}
	s.mu.Unlock()
	s.o.Observer.Ended(side.Outcome)
}
