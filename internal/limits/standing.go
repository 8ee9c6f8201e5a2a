package limits

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Standing is what is in use of one subject's limits at a moment. Members whose
// limit is 0 in Rule say nothing.
type Standing struct {
	Scope Scope
	Name  string
	Rule  Rule // as it is in force: Burst is never 0 when RPS is not

	Requests      int64         // of the burst
	RequestsReset time.Duration // until all of it is there again; 0 = it is
	Tokens        int64         // of the last minute, reservations included; it can be above the limit
	TokensReset   time.Duration // until all have fallen out; 0 = there are none
	InFlight      int64
	Day, Month    llm.Money // spent; it can be above the budget
	DayReset      time.Duration
	MonthReset    time.Duration
}

// Standing returns what is in use of a caller's own limits: those of its key or
// subject, and those of its tenant, as far as there are any.
func (l *Limiter) Standing(ctx context.Context, c *llm.Caller) ([]Standing, error) {
	own, err := l.own(ctx, c)
	if err != nil {
		return nil, err
	}
	var all []Standing
	for _, s := range []*Subject{own, l.tenants[c.Tenant]} {
		if s == nil {
			continue
		}
		st, err := l.o.Engine.standing(ctx, s)
		if err != nil {
			return nil, err
		}
		all = append(all, st)
	}
	return all, nil
}

// standing reads a subject's counters.
func (m *Memory) standing(_ context.Context, s *Subject) (Standing, error) {
	in := m.instant()
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	out := s.standing(in.now)
	if s.rate > 0 {
		st.requests.fill(s, in.at)
	}
	st.tokens.roll(in.sec)
	st.roll(in.cal)
	out.fill(s, st.left(s, in.at))
	out.Tokens, out.InFlight, out.Day, out.Month = st.tokens.sum, int64(st.inFlight), st.day.spent, st.month.spent
	return out, nil
}

// standing is a subject of which nothing is in use.
func (s *Subject) standing(now time.Time) Standing {
	c := civilAt(now)
	return Standing{Scope: s.Scope, Name: s.Name, Rule: s.Rule, DayReset: c.nextDay, MonthReset: c.nextMonth}
}

func (st *Standing) fill(s *Subject, r remains) {
	if s.rate > 0 {
		st.Requests, st.RequestsReset = max(int64(s.Rule.Burst)-r.requests, 0), r.requestsReset
	}
	st.TokensReset = r.tokensReset
}

// standing asks Redis for the counters that replicas share, else it tells those
// of this process.
func (r *Redis) standing(ctx context.Context, s *Subject) (Standing, error) {
	if !r.up.Load() {
		return r.local.standing(ctx, s)
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Timeout)
	defer cancel()
	raw, err := r.reads.Run(ctx, r.client, []string{s.hash, s.slots}, s.args[0], s.args[1]).Slice()
	if err != nil {
		return r.local.standing(ctx, s)
	}
	a := answer{raw: raw}
	now := time.UnixMicro(a.int())
	level, sum, last, inFlight, day, month := a.int(), a.int(), a.int(), a.int(), a.int(), a.int()
	if a.bad {
		return Standing{}, errAnswer
	}
	out := s.standing(now)
	out.fill(s, s.shared(level, sum, time.Unix(last+windowSlots, 0).Sub(now)))
	out.Tokens, out.InFlight, out.Day, out.Month = sum, inFlight, llm.Money(day), llm.Money(month)
	return out, nil
}
