package canary

import (
	"fmt"
	"slices"
	"time"
)

// State is what a canary is doing.
type State string

// The states.
const (
	Running    State = "running"
	Paused     State = "paused"      // the share stays; a worse candidate is still rolled back
	RolledBack State = "rolled_back" // no share until an operator resumes
	Completed  State = "completed"   // the last step was passed; nothing is judged any more
)

// Who moves a canary.
const (
	ByGateway  = "gateway"
	ByOperator = "operator"
)

// maxHistory bounds how many changes are remembered.
const maxHistory = 20

// Change is one move of the share, in per cent.
type Change struct {
	Time   time.Time `json:"time"`
	From   float64   `json:"from"`
	To     float64   `json:"to"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
}

// Position is where a canary stands: all that replicas must agree on beside the
// sums. It is a value; a change makes another one with the next version.
type Position struct {
	Version int64     `json:"version"`
	Run     int64     `json:"run"`    // calls of an earlier run do not count
	Window  int64     `json:"window"` // number of the window that is being filled
	Before  int64     `json:"before"` // the one before it, judged together with it; 0 = none
	Base    int64     `json:"base"`   // whose baseline is the yardstick at 100 %; 0 = none
	Step    int       `json:"step"`   // index into the steps
	State   State     `json:"state"`
	Since   time.Time `json:"since"`  // of the state and step
	Opened  time.Time `json:"opened"` // when the window began
	Reason  string    `json:"reason,omitempty"`
	History []Change  `json:"history,omitempty"`
}

// begin is the position of a new canary.
func begin(now time.Time) Position {
	return Position{Version: 1, Run: 1, Window: 1, State: Running, Since: now, Opened: now}
}

// What a move is, as metrics and logs call it.
const (
	MovePromoted   = "promoted"
	MoveHeld       = "held" // another window at the same step
	MoveRolledBack = "rolled_back"
	MoveCompleted  = "completed"
	MovePaused     = "paused"
	MoveResumed    = "resumed"
)

// Move is a change from one position to the next. It is applied only where the
// position is still the one it was made from.
type Move struct {
	What string
	By   string
	From Position
	To   Position
}

// next starts a move.
func (c *Controller) next(now time.Time, what, by, reason string) Move {
	to := c.pos
	to.Version++
	to.Reason = reason
	to.History = slices.Clone(c.pos.History)
	return Move{What: what, By: by, From: c.pos, To: to}
}

// open lets a move begin a new window. With same the window that ends is judged
// together with the new one.
func (c *Controller) open(m *Move, now time.Time, same bool) {
	m.To.Window, m.To.Opened = c.pos.Window+1, now
	if m.To.Before = 0; same {
		m.To.Before = c.pos.Window
	}
	if c.share() < 1 && c.total()[Baseline].Requests >= int64(c.o.Rules.MinRequests) {
		m.To.Base = c.pos.Window
	}
}

// settle writes the move into the history when it moves the share or the state.
func (c *Controller) settle(m *Move, now time.Time) {
	m.To.Since = now
	m.To.History = append(m.To.History, Change{
		Time: now, From: c.percent(&m.From), To: c.percent(&m.To), Reason: m.To.Reason, By: m.By,
	})
	if n := len(m.To.History); n > maxHistory {
		m.To.History = m.To.History[n-maxHistory:]
	}
}

// hold begins another window at the same step.
func (c *Controller) hold(now time.Time, why string) Move {
	m := c.next(now, MoveHeld, ByGateway, why)
	c.open(&m, now, true)
	return m
}

// promote goes one step on, or to the end after the last.
func (c *Controller) promote(now time.Time, by, why string) Move {
	m := c.next(now, MovePromoted, by, why)
	if m.To.State = Running; m.To.Step == len(c.o.Steps)-1 {
		m.What, m.To.State = MoveCompleted, Completed
	} else {
		m.To.Step++
	}
	c.open(&m, now, true)
	c.settle(&m, now)
	return m
}

// rollBack takes the candidate's share away.
func (c *Controller) rollBack(now time.Time, by, why string) Move {
	m := c.next(now, MoveRolledBack, by, why)
	m.To.State, m.To.Step = RolledBack, 0
	m.To.Run++
	c.settle(&m, now)
	return m
}

// Steer makes the move that an operator asks for: pause, resume, promote or
// rollback. The error says why it cannot be.
func (c *Controller) Steer(now time.Time, action string) (Move, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state := c.pos.State; action {
	case "pause":
		if state == Running {
			m := c.next(now, MovePaused, ByOperator, "paused by an operator")
			m.To.State = Paused
			c.settle(&m, now)
			return m, nil
		}
	case "resume":
		if state == Paused || state == RolledBack {
			return c.resume(now), nil
		}
	case "promote":
		if state == Running || state == Paused {
			return c.promote(now, ByOperator, "promoted by an operator"), nil
		}
	case "rollback":
		if state != RolledBack {
			return c.rollBack(now, ByOperator, "rolled back by an operator"), nil
		}
	default:
		return Move{}, fmt.Errorf("there is no action %q; there are pause, resume, promote and rollback", action)
	}
	return Move{}, fmt.Errorf("a canary that is %s cannot be asked to %s", c.pos.State, action)
}

// resume goes on where a pause began, or from the first step after a rollback.
func (c *Controller) resume(now time.Time) Move {
	m := c.next(now, MoveResumed, ByOperator, "resumed by an operator")
	if c.pos.State == RolledBack {
		m.To.Run++
		m.To.Base = 0
		m.To.Window, m.To.Before, m.To.Opened = c.pos.Window+1, 0, now
	}
	m.To.State = Running
	c.settle(&m, now)
	return m
}
