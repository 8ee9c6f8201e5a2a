package limits

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Named is a rule and what it is for.
type Named struct {
	Scope Scope
	Name  string // "" for the gateway
	Rule  Rule
}

// Reading is how much of a rule is in use. What has no limit shows as zero, but
// InFlight where the counters are in memory.
type Reading struct {
	Named
	Burst         int           // requests at once, as it is applied
	RequestsLeft  int64         // that may start at once now
	RequestsReset time.Duration // until the burst is whole again
	TokensUsed    int64         // of the last minute
	TokensReset   time.Duration // until nothing of them counts any more
	InFlight      int
	Day, Month    llm.Money     // spent
	DayReset      time.Duration // until the next day begins
	MonthReset    time.Duration
}

// Read says how much of each rule is in use, for people to look at.
func (m *Memory) Read(_ context.Context, rules []Named) ([]Reading, error) {
	in := m.instant()
	out := make([]Reading, len(rules))
	for i, n := range rules {
		m.mu.Lock()
		st := m.states[subjectKey{n.Scope, n.Name}]
		m.mu.Unlock()
		if st == nil {
			st = &state{}
		}
		out[i] = st.reading(n, &in)
	}
	return out, nil
}

// reading does not change what is counted, but brings it up to now.
func (st *state) reading(n Named, in *instant) Reading {
	s := newSubject(n.Scope, n.Name, n.Rule)
	r := Reading{Named: n, Burst: s.Rule.Burst}
	st.mu.Lock()
	defer st.mu.Unlock()
	r.InFlight = st.inFlight
	if s.rate > 0 {
		b := st.requests
		b.fill(s, in.at)
		r.RequestsLeft, r.RequestsReset = b.level/nano, b.until(s, s.cap)
	} else {
		r.Burst = 0
	}
	if n.Rule.TPM > 0 {
		st.tokens.roll(in.sec)
		r.TokensUsed, r.TokensReset = st.tokens.sum, st.tokens.empty(in.at)
	}
	if n.Rule.budgeted() {
		st.roll(in.cal)
		r.Day, r.Month = st.day.spent, st.month.spent
		r.DayReset, r.MonthReset = civilAt(in.now).nextDay, civilAt(in.now).nextMonth
	}
	return r
}
