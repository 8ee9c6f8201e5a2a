package app

import (
	"context"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// spend keeps the money of a provider account. An attempt counts there with the
// cost that its record in the ledger has, so that both tell the same after a
// restart.
func (t *targets) spend(name string, l config.ProviderLimits, record *attemptRecorder) chain.SpendOptions {
	if l.Budget == (config.Budget{}) {
		return chain.SpendOptions{}
	}
	o := limits.ProviderBudgetOptions{Engine: t.a.limits, Name: name, Rule: providerRule(l, t.cfg.Limits.BudgetAlerts)}
	if t.cfg.Usage.UnknownPrice.Deny {
		o.Priced = func(c *llm.Call) bool { return c.Op == llm.OpCountTokens || t.prices.of(record.kind, c.Model) != nil }
	}
	budget := limits.NewProviderBudget(o)
	return chain.SpendOptions{Cost: record.cost, Admit: func(ctx context.Context, c *llm.Call) (chain.Expense, error) {
		lease, err := budget.Admit(ctx, c)
		if err != nil {
			return nil, err // not a nil *Lease in an interface
		}
		return lease, nil
	}}
}

// providerRule is the money of an account; its other limits are the chain's.
func providerRule(l config.ProviderLimits, def []config.Share) limits.Rule {
	return limitRule(config.Limits{Budget: l.Budget, BudgetAlerts: l.BudgetAlerts}, def)
}

// providerRules are those of all accounts that have a budget.
func providerRules(cfg *config.Config) map[string]limits.Rule {
	rules := map[string]limits.Rule{}
	for name, p := range cfg.Providers {
		if r := providerRule(p.Limits, cfg.Limits.BudgetAlerts); !r.Unlimited() {
			rules[name] = r
		}
	}
	return rules
}
