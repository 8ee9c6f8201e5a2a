package limits

import (
	"context"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// ProviderBudgetOptions makes a ProviderBudget.
type ProviderBudgetOptions struct {
	Engine Engine // required: that of the Limiters
	Name   string // the provider account's
	Rule   Rule   // of which only Day, Month and Alerts count

	// Priced reports whether the price of a call's model is known: a call of
	// which it says no is refused. nil = it is let through, and not counted.
	Priced func(c *llm.Call) bool
}

// ProviderBudget is the money that may be spent at one provider account. It is asked
// for every attempt and not once for each call, since a retry, a hedge and the
// copy of a call are billed, too. It is safe for concurrent use.
type ProviderBudget struct {
	o       ProviderBudgetOptions
	subject *Subject
}

// NewProviderBudget makes a ProviderBudget. What the engine has counted for the name is kept.
func NewProviderBudget(o ProviderBudgetOptions) *ProviderBudget {
	return &ProviderBudget{o, bound(o.Engine, providerSubject(o.Name, o.Rule))}
}

// providerSubject leaves out of a rule what others keep: the chain has the rate,
// the tokens and the slots of an account.
func providerSubject(name string, r Rule) *Subject {
	return newSubject(ScopeProvider, name, Rule{Day: r.Day, Month: r.Month, Alerts: r.Alerts})
}

func bound(e Engine, s *Subject) *Subject {
	e.bind(s)
	return s
}

// Admit lets an attempt be made as long as the money is not spent. Errors are
// *llm.Error that name the provider: of KindBudgetExceeded, or of
// KindOverloaded when the budget cannot be checked and the settings say to
// refuse then. The lease must be spent (Lease.Spend) exactly once.
func (b *ProviderBudget) Admit(ctx context.Context, c *llm.Call) (*Lease, error) {
	if b.o.Priced != nil && !b.o.Priced(c) {
		return nil, b.named(unpriced(b.subject, c))
	}
	lease := leases.Get().(*Lease)
	lease.engine = b.o.Engine
	lease.add(b.subject)
	r, err := lease.engine.take(ctx, lease)
	switch {
	case err == nil && r.limit == LimitNone:
		return lease, nil
	case err == nil:
		err = r.err()
	}
	lease.release()
	return nil, b.named(llm.AsError(err))
}

// named says whose limit it was. The error is of this call alone.
func (b *ProviderBudget) named(e *llm.Error) *llm.Error {
	e.Provider = b.o.Name
	return e
}

// Spend ends the reservation of an attempt with what it has cost, 0 for nothing
// or for nobody knows. Nothing may be done with the lease after it.
func (l *Lease) Spend(cost llm.Money) {
	l.engine.settle(l, used{cost: max(cost, 0)})
	l.release()
}
