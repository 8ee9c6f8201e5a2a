package limits

import (
	"context"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Charge tells what a subject has spent on the current day and month, as the
// ledger knows it at a start: for a Redis that has lost it, and for the time when
// Redis is away. The greater counts of that and of what is counted already. What
// replicas tell of the same subject counts once.
func (r *Redis) Charge(scope Scope, name string, day, month llm.Money) {
	s := r.spender(scope, name)
	r.local.restored(s, day, month)
	r.atLeast(s, day, month)
}

// Adopt does the same for a budget that begins while calls are made; see
// Memory.Adopt.
func (r *Redis) Adopt(scope Scope, name string, day, month llm.Money) {
	r.local.Adopt(scope, name, day, month)
	r.atLeast(r.spender(scope, name), day, month)
}

// spender is a subject of which only the money counts.
func (r *Redis) spender(scope Scope, name string) *Subject {
	s := newSubject(scope, name, Rule{Day: 1, Month: 1})
	r.bind(s)
	return s
}

// atLeast makes the sums in Redis at least these, and waits for that as a
// settlement does.
func (r *Redis) atLeast(s *Subject, day, month llm.Money) {
	if day <= 0 && month <= 0 {
		return
	}
	r.queue.put(entry{subject: s, leastDay: day, leastMonth: month})
	if r.up.Load() {
		mark, _ := r.queue.mark()
		r.queue.await(context.Background(), mark, r.o.Timeout)
	}
}

// remind tells a Redis that has come back what this replica knows to be spent,
// in case it has lost its data. What it knows is never more than what was.
func (r *Redis) remind() {
	var list []entry
	for _, k := range r.local.spenders() {
		s := newSubject(k.scope, k.name, Rule{Day: 1, Month: 1})
		s.guest = true // it makes nothing of a configuration's
		r.bind(s)
		day, month := s.spent()
		if day > 0 || month > 0 {
			list = append(list, entry{subject: s, leastDay: day, leastMonth: month})
		}
	}
	r.queue.put(list...)
}

// spenders are the subjects that have spent money.
func (m *Memory) spenders() (list []subjectKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, st := range m.states {
		st.mu.Lock()
		if st.month.spent > 0 {
			list = append(list, k)
		}
		st.mu.Unlock()
	}
	return list
}

// spent is what this process knows of.
func (s *Subject) spent() (day, month llm.Money) {
	c := civilAt(s.home.now())
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.roll(&c)
	return s.state.day.spent, s.state.month.spent
}
