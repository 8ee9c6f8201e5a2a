package app

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// pollRedis is how often a replica whose attempts wait at an account looks for
// what others have given back.
const pollRedis = 25 * time.Millisecond

// limit keeps the limits of a provider account. A reload leaves what is in use of
// them. An attempt counts with the cost that its record in the ledger has, so
// that both tell the same after a restart.
func (t *targets) limit(name string, l config.ProviderLimits, record *attemptRecorder) chain.LimitOptions {
	rule := accountRule(l, t.cfg.Limits.BudgetAlerts)
	if rule.Unlimited() {
		return chain.LimitOptions{}
	}
	o := chain.LimitOptions{
		Admit: t.admitAttempts(limits.AccountOptions{Engine: t.a.limits, Name: name, Rule: rule, Priced: t.pricedBy(record)}),
		Gate:  t.a.state.gates.get(name, "", chain.NewGate), MaxWait: orNever(l.MaxWait),
	}
	if budgeted(rule) {
		o.Cost = record.cost
	}
	if l.RPS > 0 {
		o.Pace = time.Duration(float64(time.Second) / l.RPS)
	}
	if t.a.redis != nil {
		o.Poll = pollRedis
	}
	return o
}

func (t *targets) admitAttempts(o limits.AccountOptions) func(context.Context, *llm.Call) (chain.Pass, string, error) {
	account := limits.NewAccount(o)
	return func(ctx context.Context, c *llm.Call) (chain.Pass, string, error) {
		lease, held, err := account.Admit(ctx, c)
		if err != nil {
			return nil, held.String(), err // not a nil *Lease in an interface
		}
		return lease, "", nil
	}
}

// pricedBy returns nil where calls without a price are let through.
func (t *targets) pricedBy(record *attemptRecorder) func(*llm.Call) bool {
	if !t.cfg.Usage.UnknownPrice.Deny {
		return nil
	}
	return func(c *llm.Call) bool { return c.Op == llm.OpCountTokens || t.prices.of(record.kind, c.Model) != nil }
}

func accountRule(l config.ProviderLimits, def []config.Share) limits.Rule {
	return limitRule(config.Limits{
		RPS: l.RPS, Burst: l.Burst, TPM: l.TPM, Concurrency: l.Concurrency, Budget: l.Budget, BudgetAlerts: l.BudgetAlerts,
	}, def)
}

// accountRules are those of all accounts that have limits.
func accountRules(cfg *config.Config) map[string]limits.Rule {
	rules := map[string]limits.Rule{}
	for name, p := range cfg.Providers {
		if r := accountRule(p.Limits, cfg.Limits.BudgetAlerts); !r.Unlimited() {
			rules[name] = r
		}
	}
	return rules
}
