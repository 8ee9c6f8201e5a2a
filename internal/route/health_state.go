package route

import "time"

// HealthState is what is remembered of a target. Latencies fade without calls;
// 0 = unknown.
type HealthState struct {
	CoolUntil  time.Time     // passed over until then; zero = it is not
	Latency    time.Duration // to a whole answer
	FirstToken time.Duration // to a stream's first event
	InFlight   int           // calls, of routes that choose by latency
}

// State returns the state of things, for people to look at.
func (h *Health) State(now time.Time) HealthState {
	var s HealthState
	if until := h.resting(func() time.Time { return now }); until > 0 {
		s.CoolUntil = time.Unix(0, until)
	}
	var unary, first int
	s.Latency, unary = h.unary.state(now)
	s.FirstToken, first = h.first.state(now)
	s.InFlight = unary + first
	return s
}

func (l *latency) state(now time.Time) (value time.Duration, pending int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.at.IsZero() {
		value = time.Duration(l.decayed(now) * float64(time.Second))
	}
	return value, l.pending
}
