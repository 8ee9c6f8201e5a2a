package service

// GuardState is how near a Guard is to shedding load.
type GuardState struct {
	Bound    int // calls in flight at most; 0 = no bound
	InFlight int
	Queued   int
}

// State returns the state of things, for people to look at.
func (g *Guard) State() GuardState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GuardState{Bound: g.bound, InFlight: g.flying, Queued: len(g.queue)}
}
