package limits

import (
	"context"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// AccountOptions makes an Account.
type AccountOptions struct {
	Engine Engine // required: that of the Limiters
	Name   string // the provider account's
	Rule   Rule

	// Priced reports whether the price of a call's model is known: a call of
	// which it says no is refused where there is a budget. nil = it is let
	// through, and not counted.
	Priced func(c *llm.Call) bool
}

// Account is what may be used of one provider account. It is asked for every
// attempt and not once for each call, since a retry, a hedge and the copy of a
// call use it, too. It is safe for concurrent use.
type Account struct {
	o       AccountOptions
	subject *Subject
}

// NewAccount makes an Account. What the engine has counted for the name is kept.
func NewAccount(o AccountOptions) *Account {
	return &Account{o, bound(o.Engine, newSubject(ScopeProvider, o.Name, o.Rule))}
}

func bound(e Engine, s *Subject) *Subject {
	e.bind(s)
	return s
}

// Admit reserves for an attempt what it may use: everything or nothing. Errors
// are *llm.Error that name the provider: of KindUpstreamRateLimited, with the
// limit that is in the way; of KindBudgetExceeded; or of KindOverloaded when the
// limits cannot be checked and the settings say to refuse then. The limit's name
// is "" where waiting does not help. The lease must be spent (Lease.Spend)
// exactly once.
func (a *Account) Admit(ctx context.Context, c *llm.Call) (*Lease, Limit, error) {
	s := a.subject
	if s.Rule.budgeted() && a.o.Priced != nil && !a.o.Priced(c) {
		return nil, LimitNone, a.named(unpriced(s, c))
	}
	lease := leases.Get().(*Lease)
	lease.engine = a.o.Engine
	lease.add(s)
	if s.Rule.TPM > 0 {
		lease.prompt, lease.tokens[0] = s.demand(c)
	}
	r, err := lease.engine.take(ctx, lease)
	switch {
	case err == nil && r.limit == LimitNone:
		return lease, LimitNone, nil
	case err == nil:
		err = r.err()
	}
	lease.release()
	return nil, r.limit, a.named(llm.AsError(err))
}

// demand estimates an attempt. What would be more than a minute's tokens is let
// through with all of them: whether it is too large is for the provider to say.
func (s *Subject) demand(c *llm.Call) (prompt, tokens int64) {
	n, err := demandOf(c)
	if err != nil {
		n = demand{output: -1}
	}
	return n.prompt, min(n.reserve(s.Rule.TPM, DefaultOutput), s.Rule.TPM)
}

// named says whose limit it was. The error is of this call alone.
func (a *Account) named(e *llm.Error) *llm.Error {
	e.Provider = a.o.Name
	return e
}

// Spend ends the reservation of an attempt: how it ended, and what it has cost,
// 0 for nothing or for nobody knows. Nothing may be done with the lease after it.
func (l *Lease) Spend(d llm.Done, cost llm.Money) {
	u := l.used(d, nil)
	u.cost = max(cost, 0)
	l.engine.settle(l, u)
	l.release()
}
