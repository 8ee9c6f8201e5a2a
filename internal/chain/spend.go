package chain

import (
	"context"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Expense is an attempt that the budget of its account has admitted. Spend is
// called exactly once, when the attempt has ended, with what it has cost.
type Expense interface {
	Spend(cost llm.Money)
}

// SpendOptions makes a Spend.
type SpendOptions struct {
	// Admit refuses an attempt with an *llm.Error when the account's money is
	// spent. nil = there is no budget.
	Admit func(ctx context.Context, c *llm.Call) (Expense, error)
	// Cost says what an attempt has cost: 0 for nothing, and for nobody knows.
	Cost func(c *llm.Call, d llm.Done) llm.Money
}

// Spend keeps the money of a provider account, attempt by attempt. What it
// refuses has not reached the provider (Attempts is 0): it is not tried again,
// no failure of the target, and costs nothing; the service goes to the next one.
type Spend struct {
	next llm.Provider
	o    SpendOptions
}

// NewSpend decorates a provider.
func NewSpend(next llm.Provider, o SpendOptions) *Spend {
	return &Spend{next: next, o: o}
}

// Do performs the call when there is money left. It counts as in flight until it
// has ended.
func (s *Spend) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	x, err := s.o.Admit(ctx, c)
	if err != nil {
		return nil, err
	}
	returned := false
	defer func() {
		if !returned { // a panic on the way
			x.Spend(0)
		}
	}()
	reply, err := s.next.Do(ctx, c)
	returned = true
	if d, over := llm.Settled(reply, err); over {
		x.Spend(s.o.Cost(c, d))
		return reply, err
	}
	llm.OnDone(reply, nil, func(d llm.Done) { x.Spend(s.o.Cost(c, d)) })
	return reply, nil
}
