package app

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// restoreTime bounds how long a start waits for the ledger's sums.
const restoreTime = 10 * time.Second

// restoreBudgets tells the counters in memory what has been spent this day and
// month, so that a restart forgives nobody. Redis keeps its counters itself.
func (a *App) restoreBudgets(ctx context.Context, cfg *config.Config) {
	mem, ok := a.limits.(*limits.Memory)
	if !ok || a.redis != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	rules := a.limitRules(cfg)
	a.restore(ctx, mem, limits.ScopeGateway, map[string]limits.Rule{"": rules.Gateway})
	a.restore(ctx, mem, limits.ScopeTenant, rules.Tenants)
	a.restore(ctx, mem, limits.ScopeKey, rules.Keys)
	a.restore(ctx, mem, limits.ScopeRoute, rules.Routes)
	a.restore(ctx, mem, limits.ScopeProvider, rules.Providers)
}

func (a *App) restore(ctx context.Context, mem *limits.Memory, scope limits.Scope, rules map[string]limits.Rule) {
	day, month := calendar(time.Now())
	for name, r := range rules {
		if r.Day == 0 && r.Month == 0 {
			continue
		}
		today, err := a.spentSince(ctx, scope, name, day)
		if err == nil {
			var sum llm.Money
			if sum, err = a.spentSince(ctx, scope, name, month); err == nil {
				mem.Charge(scope, name, today, sum)
				continue
			}
		}
		a.budgetUnknown(ctx, scope, name, err)
	}
}
