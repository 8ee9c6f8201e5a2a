package limits

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The bounds of Callers.
const (
	// DefaultCallers is how many identities that bring limits of their own are
	// counted at once; one takes about a kilobyte.
	DefaultCallers = 16384

	callerIdle   = time.Minute      // after which one may be forgotten: the ledger has its records by then
	sweepPause   = time.Second      // between two looks for such
	restorePause = 10 * time.Second // between two questions for what was spent
	restoreTime  = 2 * time.Second  // for one
)

// CallersOptions makes Callers.
type CallersOptions struct {
	Engine Engine           // required: that of the Limiters
	Most   int              // identities at once; 0 = DefaultCallers
	Now    func() time.Time // nil = time.Now

	// Spent tells what a key has spent this day and month, when its budget is
	// asked for the first time, so that neither a restart nor idleness forgives
	// it. nil = nobody knows: then money is remembered until its month has ended.
	Spent func(ctx context.Context, name string) (day, month llm.Money, err error)
	// Alerts are the shares of their budgets that are told; see Rule.Alerts.
	Alerts Shares

	// Unknown is told of a Spent that failed: the budget starts empty, and is
	// asked for again. nil = nobody.
	Unknown func(name string, err error)
}

// Callers are the subjects of identities that bring their limits themselves
// (llm.Caller.Limits): keys made at run time, subjects of tokens. Like the Engine
// they outlive a configuration. Their number is bounded: one that is idle and has
// nothing in use is forgotten when others come; when all are in use, newcomers
// are refused rather than let in uncounted. It is safe for concurrent use.
type Callers struct {
	o      CallersOptions
	shared bool // the engine remembers what was spent

	mu     sync.RWMutex
	byName map[string]*guest
	swept  time.Time
}

// guest is one identity.
type guest struct {
	subject *Subject   // guarded by Callers.mu
	limits  llm.Limits // those of subject; guarded by Callers.mu
	used    atomic.Int64

	restored atomic.Bool
	mu       sync.Mutex // one question at a time
	asked    time.Time
}

// NewCallers makes an empty table.
func NewCallers(o CallersOptions) *Callers {
	if o.Most <= 0 {
		o.Most = DefaultCallers
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Unknown == nil {
		o.Unknown = func(string, error) {}
	}
	_, shared := o.Engine.(*Redis)
	return &Callers{o: o, shared: shared, byName: map[string]*guest{}}
}

// Len returns how many identities are counted.
func (c *Callers) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.byName)
}

// of returns the subject of an identity, nil when it brings no limits.
func (c *Callers) of(ctx context.Context, who *llm.Caller) (*Subject, error) {
	if c == nil || who.Limits == nil || who.Limits.Unlimited() {
		return nil, nil
	}
	now := c.o.Now()
	g, s := c.find(who, now)
	if g == nil {
		var err error
		if g, s, err = c.add(who, now); err != nil {
			return nil, err
		}
	}
	if s.Rule.budgeted() && !g.restored.Load() {
		c.restore(ctx, g, s)
	}
	return s, nil
}

// find returns an identity that is known by these limits.
func (c *Callers) find(who *llm.Caller, now time.Time) (*guest, *Subject) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	g := c.byName[who.Name]
	if g == nil || g.limits != *who.Limits {
		return nil, nil
	}
	g.used.Store(now.UnixNano())
	return g, g.subject
}

// add takes an identity in, or gives one that is known its new limits: what was
// used before stays used.
func (c *Callers) add(who *llm.Caller, now time.Time) (*guest, *Subject, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.byName[who.Name]
	if g == nil {
		if now.Sub(c.swept) >= callerIdle || len(c.byName) >= c.o.Most && now.Sub(c.swept) >= sweepPause {
			c.sweep(now)
		}
		if len(c.byName) >= c.o.Most {
			return nil, nil, errFull()
		}
		g = &guest{}
		g.restored.Store(c.shared || c.o.Spent == nil)
		c.byName[who.Name] = g
	}
	g.used.Store(now.UnixNano())
	if g.subject == nil || g.limits != *who.Limits {
		g.limits = *who.Limits
		r := ruleOf(g.limits)
		r.Alerts = c.o.Alerts
		g.subject = newSubject(ScopeKey, who.Name, r)
		g.subject.guest = true
		c.o.Engine.bind(g.subject)
	}
	return g, g.subject, nil
}

func errFull() *llm.Error {
	e := llm.Errorf(llm.KindOverloaded, "too many callers with limits of their own are active")
	e.RetryAfter = sweepPause
	return e
}

func ruleOf(l llm.Limits) Rule {
	return Rule{RPS: l.RPS, Burst: l.Burst, TPM: l.TPM, Concurrency: l.Concurrency, Day: l.Day, Month: l.Month}
}

// sweep forgets those who are idle and would come back to the same counters.
// c.mu is held, so nobody can be on the way from find to a reservation for as
// long as callerIdle.
func (c *Callers) sweep(now time.Time) {
	c.swept = now
	for name, g := range c.byName {
		if now.UnixNano()-g.used.Load() >= int64(callerIdle) && g.subject.atRest(c.shared || c.o.Spent != nil) {
			delete(c.byName, name)
			g.subject.home.forget(g.subject)
		}
	}
}

// restore asks what was spent before. Meanwhile others with the same name wait.
func (c *Callers) restore(ctx context.Context, g *guest, s *Subject) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := c.o.Now()
	if g.restored.Load() || !g.asked.IsZero() && now.Sub(g.asked) < restorePause {
		return
	}
	g.asked = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreTime) // who asks may leave; the others wait for the answer
	defer cancel()
	day, month, err := c.o.Spent(ctx, s.Name)
	if err != nil {
		c.o.Unknown(s.Name, err)
		return
	}
	// The greater counts: what was spent here meanwhile may be in both.
	s.home.restored(s, day, month)
	g.restored.Store(true)
}

// forget drops the counters of a subject, unless a configuration has them too.
func (m *Memory) forget(s *Subject) {
	k := subjectKey{s.Scope, s.Name}
	m.mu.Lock()
	defer m.mu.Unlock()
	if st := m.states[k]; st == s.state && !st.kept {
		delete(m.states, k)
	}
}

// atRest reports whether nothing of a subject's limits is in use, so that
// forgetting it would change nothing. Money counts as such when someone else
// remembers it.
func (s *Subject) atRest(moneyIsKnown bool) bool {
	in := s.home.instant()
	st := s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	st.tokens.roll(in.sec)
	if st.inFlight > 0 || st.tokens.sum > 0 {
		return false
	}
	if s.rate > 0 {
		if st.requests.fill(s, in.at); st.requests.level < s.cap {
			return false
		}
	}
	st.roll(in.cal)
	return moneyIsKnown || st.day.spent == 0 && st.month.spent == 0
}
