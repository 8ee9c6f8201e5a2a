package limits

import (
	"fmt"
	"math/bits"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Whole is a share of everything: shares are counted in millionths.
const Whole = 1_000_000

// Shares are shares of a budget, in millionths, ascending; the rest are 0.
type Shares [8]int64

// Period is the time for which a budget is given.
type Period uint8

// The periods.
const (
	Day Period = iota
	Month
)

// String returns day or month.
func (p Period) String() string {
	if p == Month {
		return "month"
	}
	return "day"
}

// Crossing tells that what a subject has spent reached a share of its budget.
type Crossing struct {
	Scope  Scope
	Name   string // "" for the gateway
	Period Period
	Number int64 // which day or month it is; grows with time
	Share  int64 // in millionths
	Spent  llm.Money
	Budget llm.Money
}

// String says it in a sentence.
func (c Crossing) String() string {
	s := Subject{Scope: c.Scope, Name: c.Name}
	return fmt.Sprintf("%s has spent %s dollars: %g %% of its budget of %s dollars for this %s (UTC) are reached",
		s.who(), c.Spent, float64(c.Share)*100/Whole, c.Budget, c.Period)
}

// Spending is what a subject has spent of a budget in the current period.
type Spending struct {
	Scope         Scope
	Name          string
	Period        Period
	Spent, Budget llm.Money
}

// OnCrossing sets who is told when a subject's spending reaches one of its
// rule's Alerts: once for each share, period and amount of the budget. What had
// been reached when Charge was called counts as told. fn must not block. It is
// set before the first call is admitted.
func (m *Memory) OnCrossing(fn func(Crossing)) { m.onCrossing = fn }

// reached notes the shares of the budget that were reached since the last time.
func (a *account) reached(shares *Shares, budget llm.Money) (after, upTo int64) {
	if budget <= 0 {
		return 0, 0
	}
	if a.of != budget {
		a.of, a.told = budget, 0
	}
	after, upTo = a.told, a.told
	for _, share := range shares {
		if share > upTo && a.spent >= portion(budget, share) {
			upTo = share
		}
	}
	a.told = upTo
	for _, share := range shares { // a process before this one has told these
		if share > after && share <= upTo && a.known >= portion(budget, share) {
			after = share
		}
	}
	return after, upTo
}

// portion returns a share of a budget, rounded up.
func portion(budget llm.Money, share int64) llm.Money {
	hi, lo := bits.Mul64(uint64(max(budget, 0)), uint64(max(share, 0)))
	lo, carry := bits.Add64(lo, Whole-1, 0)
	if hi += carry; hi >= Whole {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, Whole)
	return llm.Money(min(q, 1<<63-1))
}

// news are the shares that a settlement has reached, to be told when no lock is
// held.
type news struct{ day, month crossed }

type crossed struct {
	after, upTo int64 // the shares between are to be told
	number      int64
	spent       llm.Money
}

// news looks at both accounts of a subject. st.mu is held.
func (st *state) news(r *Rule) (n news) {
	if r.Alerts[0] == 0 {
		return n
	}
	n.day.after, n.day.upTo = st.day.reached(&r.Alerts, r.Day)
	n.day.number, n.day.spent = st.day.period, st.day.spent
	n.month.after, n.month.upTo = st.month.reached(&r.Alerts, r.Month)
	n.month.number, n.month.spent = st.month.period, st.month.spent
	return n
}

// tell passes news on.
func (m *Memory) tell(s *Subject, n news) {
	if m.onCrossing == nil {
		return
	}
	for p, c := range [...]crossed{Day: n.day, Month: n.month} {
		if c.after == c.upTo {
			continue
		}
		budget := s.Rule.Day
		if Period(p) == Month {
			budget = s.Rule.Month
		}
		for _, share := range s.Rule.Alerts {
			if share > c.after && share <= c.upTo {
				m.onCrossing(Crossing{s.Scope, s.Name, Period(p), c.number, share, c.spent, budget})
			}
		}
	}
}

// Spendings appends what each subject with a budget has spent, as far as this
// process knows, and returns the list; of subjects of one scope at most limit, of
// callers that bring their limits as many again, in no order.
func (l *Limiter) Spendings(list []Spending, limit int) []Spending {
	list = appendSpending(list, l.gateway)
	for _, m := range []map[string]*Subject{l.tenants, l.keys, l.routes} {
		n := 0
		for _, s := range m {
			if !s.Rule.budgeted() {
				continue
			}
			if n++; n > limit {
				break
			}
			list = appendSpending(list, s)
		}
	}
	for _, s := range l.spends[:min(len(l.spends), max(limit, 0))] {
		list = appendSpending(list, s)
	}
	return l.o.Callers.spendings(list, limit)
}

// spendings appends those of the callers that bring budgets of their own.
func (c *Callers) spendings(list []Spending, limit int) []Spending {
	if c == nil {
		return list
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, g := range c.byName {
		if limit <= 0 {
			break
		}
		if g.subject.Rule.budgeted() {
			limit--
			list = appendSpending(list, g.subject)
		}
	}
	return list
}

func appendSpending(list []Spending, s *Subject) []Spending {
	if s == nil || !s.Rule.budgeted() {
		return list
	}
	day, month := s.spent()
	if s.Rule.Day > 0 {
		list = append(list, Spending{s.Scope, s.Name, Day, day, s.Rule.Day})
	}
	if s.Rule.Month > 0 {
		list = append(list, Spending{s.Scope, s.Name, Month, month, s.Rule.Month})
	}
	return list
}

// learn takes over what all replicas together have spent, so that a budget
// which is used up stays so when Redis goes away.
func (m *Memory) learn(s *Subject, day, month llm.Money) {
	c, st := m.civil(m.now()), s.state
	st.mu.Lock()
	st.roll(c)
	st.day.spent = max(st.day.spent, day)
	st.month.spent = max(st.month.spent, month)
	n := st.news(&s.Rule)
	st.mu.Unlock()
	m.tell(s, n)
}

// restored takes over what was spent before this process began, whose alerts an
// earlier one has told.
func (m *Memory) restored(s *Subject, day, month llm.Money) {
	c, st := m.civil(m.now()), s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	st.roll(c)
	st.day.spent, st.month.spent = max(st.day.spent, day), max(st.month.spent, month)
	st.day.known, st.month.known = day, month
}

// spend adds what a call has cost and Redis is told besides.
func (m *Memory) spend(s *Subject, cost llm.Money) {
	if cost <= 0 {
		return
	}
	c, st := m.civil(m.now()), s.state
	st.mu.Lock()
	st.roll(c)
	st.day.add(cost)
	st.month.add(cost)
	n := st.news(&s.Rule)
	st.mu.Unlock()
	m.tell(s, n)
}
