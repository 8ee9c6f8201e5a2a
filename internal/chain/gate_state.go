package chain

import "math"

// GateState is how much of an account's limits is in use. A limit that there is
// not shows as zeros.
type GateState struct {
	InFlight, Slots int // requests under way, and how many there may be
	Left, Burst     int // requests that may start at once now, and after a rest
}

// State returns the state of things, for people to look at.
func (g *Gate) State() GateState {
	s := GateState{InFlight: len(g.slots), Slots: cap(g.slots)}
	if g.pace != nil {
		s.Burst = g.pace.Burst()
		s.Left = max(int(math.Floor(g.pace.Tokens())), 0)
	}
	return s
}
