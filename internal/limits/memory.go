package limits

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Memory is the engine of one process. It is safe for concurrent use, needs no
// closing, and does not allocate.
type Memory struct {
	now   func() time.Time
	start time.Time
	today atomic.Pointer[civil]

	onCrossing func(Crossing) // nil = nobody is told; see OnCrossing

	mu     sync.Mutex
	states map[subjectKey]*state
}

type subjectKey struct {
	scope Scope
	name  string
}

// state is all that is counted for one subject. Rules are not part of it: each
// call brings those of its own configuration.
type state struct {
	mu         sync.Mutex
	requests   bucket
	tokens     window
	inFlight   int
	day, month account

	kept bool // a configuration has it, or had; guarded by Memory.mu
}

// NewMemory makes an engine with nothing used. now is the clock; nil =
// time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	return &Memory{now: now, start: now(), states: map[subjectKey]*state{}}
}

// bind gives a subject its counters: those it had before, or new ones.
func (m *Memory) bind(s *Subject) {
	k := subjectKey{s.Scope, s.Name}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.states[k] == nil {
		m.states[k] = &state{}
	}
	s.state, s.home = m.states[k], m
	s.state.kept = s.state.kept || !s.guest
}

// Charge adds money to what a subject has spent on the current day and month,
// as after a restart from the ledger's sums. A subject need not exist yet.
func (m *Memory) Charge(scope Scope, name string, day, month llm.Money) {
	s := &Subject{Scope: scope, Name: name}
	m.bind(s)
	c := m.civil(m.now())
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.roll(c)
	s.state.day.add(day)
	s.state.month.add(month)
	s.state.day.known, s.state.month.known = s.state.day.spent, s.state.month.spent
}

// Adopt takes over what a subject has spent on the current day and month as the
// ledger knows it, for a budget that begins while calls are made. The greater
// counts of that and of what is counted already, which may be in both. Shares of
// the budget that are reached by it are told with the next settlement.
func (m *Memory) Adopt(scope Scope, name string, day, month llm.Money) {
	s := &Subject{Scope: scope, Name: name}
	m.bind(s)
	c := m.civil(m.now())
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.roll(c)
	s.state.day.spent, s.state.month.spent = max(s.state.day.spent, day), max(s.state.month.spent, month)
}

// instant is a point in time as the counters need it.
type instant struct {
	at  time.Duration // since the engine's start, monotonic
	sec int64
	cal *civil
	now time.Time
}

func (m *Memory) instant() instant {
	now := m.now()
	at := max(now.Sub(m.start), 0)
	return instant{at: at, sec: int64(at / time.Second), cal: m.civil(now), now: now}
}

// civil returns the calendar of a day that is computed once a day.
func (m *Memory) civil(now time.Time) *civil {
	unix := now.Unix()
	if c := m.today.Load(); c != nil && c.validFrom <= unix && unix < c.validTil {
		return c
	}
	c := civilAt(now)
	m.today.Store(&c)
	return &c
}

// take locks the few states of the call in the order of their scopes, checks
// all, and commits all or nothing.
func (m *Memory) take(_ context.Context, l *Lease) (refusal, error) {
	in := m.instant()
	for _, s := range l.subjects[:l.n] {
		s.state.mu.Lock()
	}
	worst := refusal{}
	for i, s := range l.subjects[:l.n] {
		if r := s.state.check(s, l.tokens[i], &in); worst.worse(r) {
			worst = r
		}
	}
	for i, s := range l.subjects[:l.n] {
		if worst.limit == LimitNone {
			s.state.commit(s, l.tokens[i])
			l.slots[i] = s.state.tokens.head
		}
		l.note(i, s.state.left(s, in.at))
	}
	for _, s := range l.subjects[:l.n] {
		s.state.mu.Unlock()
	}
	return worst, nil
}

// settle corrects the reservation to what was used and frees the slots.
func (m *Memory) settle(l *Lease, u used) {
	in := m.instant()
	for i, s := range l.subjects[:l.n] {
		if n := s.state.settle(l, i, &u, &in); n != (news{}) {
			m.tell(s, n)
		}
	}
}

func (st *state) roll(c *civil) {
	st.day.roll(c.day)
	st.month.roll(c.month)
}

// check brings the counters up to now and says which limit is in the way for
// the longest time.
func (st *state) check(s *Subject, tokens int64, in *instant) refusal {
	worst := refusal{}
	refuse := func(l Limit, wait time.Duration) {
		if r := (refusal{subject: s, limit: l, wait: wait, tokens: tokens}); worst.worse(r) {
			worst = r
		}
	}
	r := &s.Rule
	if s.rate > 0 {
		st.requests.fill(s, in.at)
		if st.requests.level < nano {
			refuse(LimitRequests, st.requests.until(s, nano))
		}
	}
	if r.TPM > 0 {
		st.tokens.roll(in.sec)
		if tokens > r.TPM {
			refuse(LimitTooLarge, 0)
		} else if st.tokens.sum > r.TPM-tokens {
			refuse(LimitTokens, st.tokens.until(r.TPM-tokens, in.at))
		}
	}
	if r.Concurrency > 0 && st.inFlight >= r.Concurrency {
		refuse(LimitConcurrency, slotWait)
	}
	if r.budgeted() {
		st.roll(in.cal)
		if r.Day > 0 && st.day.spent >= r.Day {
			refuse(LimitDay, untilUnix(in.cal.validTil, in.now))
		}
		if r.Month > 0 && st.month.spent >= r.Month {
			refuse(LimitMonth, civilAt(in.now).nextMonth)
		}
	}
	return worst
}

// slotWait is what a caller is told to wait for a slot: nobody can know when
// another's call ends.
const slotWait = time.Second

func untilUnix(sec int64, now time.Time) time.Duration { return time.Unix(sec, 0).Sub(now) }

func (st *state) commit(s *Subject, tokens int64) {
	if s.rate > 0 {
		st.requests.level -= nano
	}
	if s.Rule.TPM > 0 {
		st.tokens.add(tokens)
	}
	// Counted without a limit too, so that one that a reload brings in knows
	// of the calls that are under way.
	st.inFlight++
}

func (st *state) settle(l *Lease, i int, u *used, in *instant) (n news) {
	s := l.subjects[i]
	st.mu.Lock()
	defer st.mu.Unlock()
	st.inFlight--
	if s.Rule.TPM > 0 {
		st.tokens.roll(in.sec)
		now, before := u.of(l.tokens[i]), l.tokens[i]
		if now < before {
			st.tokens.refund(l.slots[i], before-now)
		} else {
			st.tokens.add(now - before)
		}
	}
	if u.cost > 0 {
		st.roll(in.cal)
		st.day.add(u.cost)
		st.month.add(u.cost)
		n = st.news(&s.Rule)
	}
	return n
}

// left says what remains for the headers.
func (st *state) left(s *Subject, at time.Duration) remains {
	var r remains
	if s.rate > 0 {
		r.requests = st.requests.level / nano
		r.requestsReset = st.requests.until(s, s.cap)
	}
	if s.Rule.TPM > 0 {
		r.tokens = max(s.Rule.TPM-st.tokens.sum, 0)
		r.tokensReset = st.tokens.empty(at)
	}
	return r
}
