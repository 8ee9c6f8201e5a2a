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

// spendings are what both engines know of money besides.
type spendings interface {
	Charge(scope limits.Scope, name string, day, month llm.Money)
	Adopt(scope limits.Scope, name string, day, month llm.Money)
}

// restoreBudgets tells the counters what has been spent this day and month, so
// that a restart forgives nobody, nor a Redis that has lost its data.
func (a *App) restoreBudgets(ctx context.Context, cfg *config.Config) {
	counters, ok := a.limits.(spendings)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	for scope, rules := range rulesByScope(a.limitRules(cfg)) {
		a.restore(ctx, counters, scope, rules)
	}
}

// rulesByScope lays out the rules by the scope of their subjects.
func rulesByScope(r limits.Rules) map[limits.Scope]map[string]limits.Rule {
	return map[limits.Scope]map[string]limits.Rule{
		limits.ScopeGateway: {"": r.Gateway}, limits.ScopeTenant: r.Tenants, limits.ScopeKey: r.Keys,
		limits.ScopeRoute: r.Routes, limits.ScopeProvider: r.Providers,
	}
}

func (a *App) restore(ctx context.Context, counters spendings, scope limits.Scope, rules map[string]limits.Rule) {
	for name, r := range rules {
		if !budgeted(r) {
			continue
		}
		if today, sum, err := a.spentInCalendar(ctx, scope, name); err != nil {
			a.budgetUnknown(ctx, scope, name, err)
		} else {
			counters.Charge(scope, name, today, sum)
		}
	}
}

// spentInCalendar asks the ledger for the sums of this day and month.
func (a *App) spentInCalendar(ctx context.Context, scope limits.Scope, name string) (today, sum llm.Money, err error) {
	day, month := calendar(time.Now())
	if today, err = a.spentSince(ctx, scope, name, day); err != nil {
		return 0, 0, err
	}
	sum, err = a.spentSince(ctx, scope, name, month)
	return today, sum, err
}

func budgeted(r limits.Rule) bool { return r.Day > 0 || r.Month > 0 }

// adoptBudgets tells the counters what the subjects whose budget a
// reload adds have spent: without one, nobody counted it. Reload asks before the
// new budgets hold, so that none is overspent meanwhile, and again after, for
// what ended in between; what both answers know counts once.
func (a *App) adoptBudgets(ctx context.Context, from, to *config.Config) {
	counters, ok := a.limits.(spendings)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, restoreTime)
	defer cancel()
	before, after := rulesByScope(a.limitRules(from)), rulesByScope(a.limitRules(to))
	flushed := false
	for scope, rules := range after {
		for name, r := range rules {
			if !budgeted(r) || budgeted(before[scope][name]) {
				continue
			}
			if !flushed {
				flushed = a.ledger.Flush(ctx) == nil // else the sums are a little short
			}
			if today, sum, err := a.spentInCalendar(ctx, scope, name); err != nil {
				a.budgetUnknown(ctx, scope, name, err)
			} else {
				counters.Adopt(scope, name, today, sum)
			}
		}
	}
}
