package breaker

import "time"

// Snapshot is what a circuit looks like at one moment.
type Snapshot struct {
	State    State
	Since    time.Time // of the state
	Requests int64     // results in the window of a closed circuit
	Failures int64     // how many of them were failures
}

// Snapshot returns the state of things, for people to look at.
func (b *Breaker) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	good, bad := b.window.Sum(b.now())
	return Snapshot{State: b.State(), Since: b.start.Add(b.changed), Requests: good + bad, Failures: bad}
}
