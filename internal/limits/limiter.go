package limits

import (
	"context"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// DefaultOutput is how many output tokens are reserved for a call that sets no
// maximum.
const DefaultOutput = 1024

// Engine keeps the counters. Memory and Redis are the engines; one may serve
// many Limiters and Accounts, one after the other or at once.
type Engine interface {
	counter
	reader
}

// counter counts.
type counter interface {
	// bind prepares a subject; counters of the same scope and name go on.
	bind(s *Subject)
	// take reserves for all of the lease's subjects or for none. An error says
	// that the limits could not be checked.
	take(ctx context.Context, l *Lease) (refusal, error)
	// settle ends a reservation that take has made.
	settle(l *Lease, u used)
}

// reader tells what is in use of a subject's limits.
type reader interface {
	standing(ctx context.Context, s *Subject) (Standing, error)
}

// Options makes a Limiter.
type Options struct {
	Rules  Rules
	Engine Engine // nil = a new Memory

	// Callers counts those who bring limits of their own; nil = such limits do
	// not count.
	Callers *Callers

	// DefaultOutput is reserved for a call that sets no maximum of output
	// tokens; 0 = DefaultOutput. It is never a reason to refuse: what would go
	// beyond a minute's tokens is not reserved.
	DefaultOutput int64

	// Priced reports whether the price is known of every target that may
	// answer a call. It is asked only for calls under a budget; those of which
	// it says no are refused. nil = calls without a price are let through, and
	// no budget counts them.
	Priced func(c *llm.Call) bool
}

// Limiter admits calls under the rules of one configuration. It is safe for
// concurrent use and needs no closing.
type Limiter struct {
	o       Options
	gateway *Subject // nil = no limits
	tenants map[string]*Subject
	keys    map[string]*Subject
	routes  map[string]*Subject
	spends  []*Subject // the provider accounts that have a budget
	free    bool       // the rules bound nothing
}

// New resolves the rules. Counters that the engine holds are kept, whatever the
// rules were before.
func New(o Options) *Limiter {
	if o.Engine == nil {
		o.Engine = NewMemory(nil)
	}
	if o.DefaultOutput <= 0 {
		o.DefaultOutput = DefaultOutput
	}
	l := &Limiter{o: o}
	if !o.Rules.Gateway.Unlimited() {
		l.gateway = l.subject(ScopeGateway, "", o.Rules.Gateway)
	}
	l.tenants = l.subjects(ScopeTenant, o.Rules.Tenants)
	l.keys = l.subjects(ScopeKey, o.Rules.Keys)
	l.routes = l.subjects(ScopeRoute, o.Rules.Routes)
	for name, r := range o.Rules.Providers {
		if r.budgeted() {
			l.spends = append(l.spends, bound(o.Engine, newSubject(ScopeProvider, name, r)))
		}
	}
	l.free = l.Unlimited()
	return l
}

func (l *Limiter) subjects(scope Scope, rules map[string]Rule) map[string]*Subject {
	m := make(map[string]*Subject, len(rules))
	for name, r := range rules {
		if !r.Unlimited() {
			m[name] = l.subject(scope, name, r)
		}
	}
	return m
}

func (l *Limiter) subject(scope Scope, name string, r Rule) *Subject {
	return bound(l.o.Engine, newSubject(scope, name, r))
}

// Unlimited reports whether the rules bound nothing: then there is no need to
// ask.
func (l *Limiter) Unlimited() bool {
	return l.gateway == nil && len(l.tenants)+len(l.keys)+len(l.routes) == 0
}

// Bounds reports whether there is any limit that a call may meet: one of the
// rules, or one that its caller brings.
func (l *Limiter) Bounds(m *llm.Meta) bool {
	return !l.free || m.Caller != nil && m.Caller.Limits != nil && !m.Caller.Limits.Unlimited()
}

// own returns the subject with a caller's own limits, nil when it has none. What
// the configuration says of its name comes before what it brings.
func (l *Limiter) own(ctx context.Context, c *llm.Caller) (*Subject, error) {
	if s := l.keys[c.Name]; s != nil {
		return s, nil
	}
	return l.o.Callers.of(ctx, c)
}

// Lease is what one call has reserved. It is reused: nothing may be done with
// it after Settle.
type Lease struct {
	engine   Engine
	n        int
	subjects [scopes]*Subject
	tokens   [scopes]int64 // reserved
	slots    [scopes]int64 // the window's second in which they are counted
	remains  [scopes]remains
	prompt   int64 // estimate; 0 when no subject counts tokens or money
	id       uint64
}

// remains is what is left of a subject's limits after an admission.
type remains struct {
	requests      int64
	requestsReset time.Duration
	tokens        int64
	tokensReset   time.Duration
}

func (l *Lease) note(i int, r remains) { l.remains[i] = r }

// leases are reused. The pool is no state of the program: it holds nothing.
var leases = sync.Pool{New: func() any { return new(Lease) }}

func (l *Lease) release() {
	*l = Lease{}
	leases.Put(l)
}

// Admit reserves for a call what it may use: everything or nothing. Errors are
// *llm.Error of KindRateLimited or KindBudgetExceeded that name the limit, or
// of KindOverloaded when the limits cannot be checked and the settings say to
// refuse then. What is left of the caller's own limits goes to c.Meta.Quota,
// when there is one, in both cases. The lease must be settled exactly once.
func (l *Limiter) Admit(ctx context.Context, c *llm.Call) (*Lease, error) {
	lease := leases.Get().(*Lease)
	lease.engine = l.o.Engine
	err := l.collect(ctx, lease, c.Meta)
	if err == nil {
		err = l.estimate(lease, c)
	}
	if err != nil {
		lease.release()
		return nil, err
	}
	if lease.n == 0 {
		return lease, nil
	}
	r, err := lease.engine.take(ctx, lease)
	if err == nil {
		lease.quota(c.Meta.Quota)
		if r.limit == LimitNone {
			return lease, nil
		}
		err = r.err()
	}
	lease.release()
	return nil, err
}

// collect finds the subjects of a call, in the order of their scopes.
func (l *Limiter) collect(ctx context.Context, lease *Lease, m *llm.Meta) error {
	lease.add(l.gateway)
	if m.Caller != nil {
		lease.add(l.tenants[m.Caller.Tenant])
		own, err := l.own(ctx, m.Caller)
		if err != nil {
			return err
		}
		lease.add(own)
	}
	lease.add(l.routes[m.Route])
	return nil
}

func (l *Lease) add(s *Subject) {
	if s != nil {
		l.subjects[l.n] = s
		l.n++
	}
}

// estimate fills in how many tokens each subject has to reserve, and asks for
// the price where money is bounded.
func (l *Limiter) estimate(lease *Lease, c *llm.Call) error {
	counts := false
	for _, s := range lease.subjects[:lease.n] {
		counts = counts || s.Rule.TPM > 0 || s.Rule.budgeted()
		if s.Rule.budgeted() && l.o.Priced != nil && !l.o.Priced(c) {
			return unpriced(s, c)
		}
	}
	if !counts {
		return nil
	}
	n, err := demandOf(c)
	if err != nil {
		return err
	}
	lease.prompt = n.prompt
	for i, s := range lease.subjects[:lease.n] {
		if s.Rule.TPM > 0 {
			lease.tokens[i] = n.reserve(s.Rule.TPM, l.o.DefaultOutput)
		}
	}
	return nil
}

// quota tells what is left of the caller's own limits: the key's, else the
// tenant's, else the gateway's. Routes are nobody's own.
func (l *Lease) quota(q *llm.Quota) {
	if q == nil {
		return
	}
	*q = llm.Quota{}
	for i := l.n - 1; i >= 0; i-- {
		s, r := l.subjects[i], &l.remains[i]
		if s.Scope == ScopeRoute {
			continue
		}
		if s.Rule.RPS > 0 && q.Requests == 0 {
			q.Requests, q.RequestsLeft, q.RequestsReset = int64(s.Rule.Burst), r.requests, r.requestsReset
		}
		if s.Rule.TPM > 0 && q.Tokens == 0 {
			q.Tokens, q.TokensLeft, q.TokensReset = s.Rule.TPM, r.tokens, r.tokensReset
		}
	}
}

// used is what a call turned out to use.
type used struct {
	tokens int64
	kept   bool // the use is not known: what was reserved stands
	cost   llm.Money
}

// of returns the tokens used where before were reserved.
func (u *used) of(before int64) int64 {
	if u.kept {
		return before
	}
	return u.tokens
}

// Settle ends the reservation with what the call has really used. price is that
// of the target which answered, nil when none did or it has none. A call that
// failed keeps no tokens, unless usage was reported or part of an answer came;
// the request that it took stays taken.
func (l *Lease) Settle(d llm.Done, price llm.Pricer) {
	if l.n > 0 {
		l.engine.settle(l, l.used(d, price))
	}
	l.release()
}

func (l *Lease) used(d llm.Done, price llm.Pricer) used {
	usage, kept := d.Usage, false
	if usage.Source == llm.UsageUnknown {
		usage, kept = l.guess(d)
	}
	u := used{tokens: min(max(usage.Total(), 0), maxTokens), kept: kept}
	if price != nil && usage.Source != llm.UsageUnknown {
		if cost, ok := price.Cost(usage); ok {
			u.cost = max(cost, 0)
		}
	}
	return u
}

// guess says what a call used of which no usage was reported: a stream what
// came of it; a whole answer what was reserved; a failure nothing.
func (l *Lease) guess(d llm.Done) (u llm.Usage, kept bool) {
	switch {
	case d.Events > 0 || d.Gone:
		return llm.Usage{Input: l.prompt, Output: (d.TextBytes + 3) / 4, Source: llm.UsageEstimated}, false
	case d.Err == nil:
		return llm.Usage{}, true
	}
	return llm.Usage{}, false
}
