package chain

import (
	"math"
	"time"
)

// GateState is how much of an account's limits is in use. A limit that there is
// not shows as zeros.
type GateState struct {
	InFlight, Slots int // requests under way, and how many there may be
	Left, Burst     int // requests that may start at once now, and after a rest

	TokensUsed  int64         // of the limit of tokens, reservations included
	TokensReset time.Duration // until all of it is there again
}

// State returns the state of things, for people to look at; zeros for a nil Gate.
func (g *Gate) State() GateState {
	if g == nil {
		return GateState{}
	}
	s := GateState{InFlight: len(g.slots), Slots: cap(g.slots)}
	if g.pace != nil {
		s.Burst = g.pace.Burst()
		s.Left = max(int(math.Floor(g.pace.Tokens())), 0)
	}
	if g.tokens != nil {
		left, reset := g.tokens.Level()
		s.TokensUsed, s.TokensReset = g.tokens.Burst()-left, reset
	}
	return s
}
