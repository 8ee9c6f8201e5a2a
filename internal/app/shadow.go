package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/service"
	"github.com/llm-gateway/llm-gateway/internal/shadow"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// withShadows gives routes what copies their calls, and returns the copiers,
// in no particular order.
func (a *App) withShadows(policies map[*route.Route]*service.Policy, t *targets, table *route.Table, guard *service.Guard) (map[*route.Route]*service.Policy, []*shadow.Copier) {
	var all []*shadow.Copier
	for name, m := range t.cfg.Models {
		if m.Shadow == nil {
			continue
		}
		r := table.Routes()[name]
		k := a.copier(t, r, m.Shadow, guard)
		all = append(all, k)
		if policies == nil {
			policies = map[*route.Route]*service.Policy{}
		}
		if policies[r] == nil {
			policies[r] = &service.Policy{}
		}
		policies[r].Shadow = k
	}
	return policies, all
}

// copier makes what copies one route's calls. A copy is not retried: it is to
// show how the target answers, not how well we insist.
func (a *App) copier(t *targets, r *route.Route, s *config.Shadow, guard *service.Guard) *shadow.Copier {
	none := 0
	to := t.target(route.TargetSpec{Provider: s.Target.Provider, Model: s.Target.Model, Label: s.Target.Model, Retries: &none})
	o := shadow.Target{
		Provider: to.Provider, Model: to.Model, Chain: to.Chain, Price: to.Price, Timeout: r.Timeout, StreamTimeout: r.StreamTimeout, JSON: route.AnswersJSON,
	}
	if guard != nil {
		o.Busy = guard.Busy
	}
	return a.state.shadows.get(r.Name, *s, func() *shadow.Shadow { return a.newShadow(r.Name, s) }).To(o)
}

func (a *App) newShadow(name string, s *config.Shadow) *shadow.Shadow {
	made := shadow.New(shadow.Options{
		Route: name, Share: s.Percent.Ratio(), Budget: s.BudgetPerDay.Amount(), Spent: a.shadowSpent(name, s), MaxInFlight: s.MaxInFlight,
		Observer: &shadowObserver{a.shadowMetrics(), name},
	})
	a.onClose(made.Close)
	return made
}

// shadowSpent is what copies have cost today, so that a restart does not begin
// the budget anew.
func (a *App) shadowSpent(name string, s *config.Shadow) llm.Money {
	if s.BudgetPerDay == 0 || a.ledger == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(a.life, restoreTime)
	defer cancel()
	sum, err := a.spentSince(ctx, limits.ScopeRoute, shadow.Prefix+name, time.Now().UTC().Truncate(24*time.Hour))
	if err != nil {
		a.log.LogAttrs(ctx, slog.LevelWarn, "a shadow's budget starts empty: the ledger does not answer", slog.String("route", name), slog.Any("error", err))
	}
	return sum
}

// shadowMetrics declares them with the first shadow.
func (a *App) shadowMetrics() *telemetry.Shadows {
	a.shadowOnce.Do(func() { a.shadowed = a.metrics.Shadows() })
	return a.shadowed
}

// shadowObserver joins one route's shadow to the metrics.
type shadowObserver struct {
	metrics *telemetry.Shadows
	route   string
}

// Dropped counts a copy that was not made.
func (o *shadowObserver) Dropped(reason string) { o.metrics.Dropped(o.route, reason) }

// Ended counts a copy.
func (o *shadowObserver) Ended(outcome string) { o.metrics.Ended(o.route, outcome) }

// Compared counts a pair.
func (o *shadowObserver) Compared(p shadow.Pair) {
	result := map[[2]bool]string{{true, true}: "ok", {true, false}: "target_failed", {false, true}: "primary_failed", {false, false}: "both_failed"}
	ok := [2]bool{p.Primary.Outcome == "complete", p.Target.Outcome == "complete"}
	o.metrics.Paired(o.route, result[ok])
	if ok != [2]bool{true, true} {
		return
	}
	for side, s := range map[string]*shadow.Side{"primary": &p.Primary, "target": &p.Target} {
		dollars := 0.0
		if s.Cost != nil {
			dollars = s.Cost.Dollars()
		}
		o.metrics.Measured(o.route, side, s.LatencyMs/1000, float64(s.OutputTokens), dollars)
	}
}

// Shadows shows all shadows to operators.
func (a *App) Shadows() []shadow.Status {
	all := []shadow.Status{}
	if snap := a.canaries.snap.Load(); snap != nil {
		for _, k := range snap.shadows {
			all = append(all, k.Status())
		}
	}
	return all
}
