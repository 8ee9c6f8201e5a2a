package canary

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Options makes a Controller.
type Options struct {
	Rules Rules
	Steps []float64 // ascending, in per cent; at least one
}

// Controller counts the calls of one route's canary and says how it goes on.
// It is safe for concurrent use.
type Controller struct {
	o      Options
	weight atomic.Uint64 // bits of the share, 0 to 1: read by every call
	run    atomic.Int64

	mu     sync.Mutex
	pos    Position
	own    Sums  // counted here in this window
	given  Sums  // the part of own that others have been told
	shared Sums  // what all replicas have told, as last heard
	before Sums  // of the window before
	base   Tally // yardstick at 100 %
	look   int64 // candidate's requests at which to look next
}

// New makes a controller at its first step.
func New(o Options, now time.Time) *Controller {
	c := &Controller{o: o, pos: begin(now), look: int64(o.Rules.MinRequests)}
	c.publish()
	return c
}

// Share returns the candidate's part of the callers, 0 to 1, and the run that
// their calls belong to; 0 = they need not be counted.
func (c *Controller) Share() (share float64, run int64) {
	return math.Float64frombits(c.weight.Load()), c.run.Load()
}

// Judging reports whether calls still have to be counted.
func (c *Controller) Judging() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.judging()
}

func (c *Controller) judging() bool { return c.pos.State == Running || c.pos.State == Paused }

// Record counts a call that ended. One of an earlier run is forgotten: it says
// nothing of what was begun since.
func (c *Controller) Record(run int64, side Side, o Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if run == c.pos.Run && c.judging() {
		c.own[side].add(o)
	}
}

// total is what is known of this window: what replicas have told, and what was
// counted here since. c.mu is held.
func (c *Controller) total() *Sums {
	t := c.shared
	t.Add(&c.own, 1)
	t.Add(&c.given, -1)
	return &t
}

// share is the candidate's part. c.mu is held.
func (c *Controller) share() float64 { return c.percent(&c.pos) / 100 }

func (c *Controller) percent(p *Position) float64 {
	if p.State == RolledBack {
		return 0
	}
	return c.o.Steps[min(max(p.Step, 0), len(c.o.Steps)-1)]
}

func (c *Controller) publish() {
	c.weight.Store(math.Float64bits(c.share()))
	run := int64(0)
	if c.judging() {
		run = c.pos.Run
	}
	c.run.Store(run)
}

// Judge looks at the counts and returns the move that they ask for, if any. It
// may be asked as often as one likes.
func (c *Controller) Judge(now time.Time) (m Move, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.judging() {
		return m, false
	}
	window := c.window()
	requests, least := window[Candidate].Requests, int64(c.o.Rules.MinRequests)
	ended := requests >= least && window[Baseline].Requests >= least && now.Sub(c.pos.Opened) >= c.o.Rules.Interval
	if requests < c.look && !ended {
		return m, false
	}
	lately := *window
	if c.pos.Before != 0 {
		lately = *c.joined(window)
	}
	now1, both := c.o.Rules.judge(window), c.o.Rules.judge(&lately)
	worse := now1.worse
	if worse == "" {
		worse = both.worse
	}
	switch {
	case worse != "":
		return c.rollBack(now, ByGateway, worse), true
	case !ended:
		c.look = 2 * requests // a look at more of the same would only invite chance
		return m, false
	case both.doubts != "":
		return c.hold(now, both.doubts), true
	case c.pos.State == Paused:
		return c.hold(now, c.pos.Reason), true
	}
	return c.promote(now, ByGateway, "no worse than the baseline"), true
}

// window is this window's sums with the yardstick that they are held against:
// at 100 % no caller is left on the baseline, so its last counts are kept.
func (c *Controller) window() *Sums {
	w := c.total()
	if c.share() >= 1 {
		w[Baseline] = c.base
	}
	return w
}

// joined is a window together with the one before it.
func (c *Controller) joined(w *Sums) *Sums {
	j := c.before
	j.Add(w, 1)
	if c.share() >= 1 {
		j[Baseline] = c.base
	}
	return &j
}

// Apply makes a move, unless the position has changed since it was made.
func (c *Controller) Apply(m Move) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pos.Version != m.From.Version || c.pos.Run != m.From.Run {
		return false
	}
	c.take(m.To)
	return true
}

// take puts a position into force. c.mu is held.
func (c *Controller) take(p Position) {
	old := c.pos
	if p.Window != old.Window {
		total := c.total()
		if p.Base != old.Base {
			if c.base = (Tally{}); p.Base == old.Window {
				c.base = total[Baseline]
			}
		}
		if c.before = (Sums{}); p.Before != 0 && p.Before == old.Window {
			c.before = *total
		}
		c.own, c.given, c.shared = Sums{}, Sums{}, Sums{}
		c.look = int64(c.o.Rules.MinRequests)
	}
	c.pos = p
	c.publish()
}

// Position returns where the canary stands.
func (c *Controller) Position() Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pos
}
