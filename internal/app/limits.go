package app

import (
	"context"
	"fmt"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// newLimits makes the engine that keeps the counters of all limits. It lasts as
// long as the App: other settings of Redis need a restart.
func (a *App) newLimits(c config.Redis) error {
	memory := limits.NewMemory(nil)
	memory.OnCrossing(a.budgets.crossed)
	a.limits = memory
	if c.URL.IsZero() {
		return nil
	}
	local := a.metrics.LimitsWithoutRedis()
	shared, err := limits.NewRedis(a.life, limits.RedisOptions{
		URL: c.URL.Reveal(), Prefix: c.Prefix, Timeout: c.Timeout.Std(), Refuse: c.OnFailure == config.RedisRefuse,
		Local: memory, OnLocal: local.Inc, OnChange: a.redisChanged(c.OnFailure),
	})
	if err != nil {
		return fmt.Errorf("redis.url: %w", err)
	}
	a.limits, a.redis = shared, shared
	a.closers = append(a.closers, shared.Close)
	a.shareBudgetAlerts(c)
	return nil
}

// checks is the detail of GET /readyz. Nothing of it is fatal: without Redis
// every replica would leave its load balancer at once.
func (a *App) checks() []server.Check {
	if a.redis == nil {
		return nil
	}
	c := server.Check{Name: "redis", State: server.StateOK}
	switch {
	case a.redis.Up():
	case a.redis.Refuses():
		c.State, c.Detail = server.StateFailed, "redis does not answer: calls with a limit are refused"
	default:
		c.State, c.Detail = server.StateDegraded, "redis does not answer: limits hold for this replica alone"
	}
	return []server.Check{c}
}

// admitter lets a Limiter serve the service, which declares its own interfaces.
type admitter struct{ limiter *limits.Limiter }

// Admit reserves for a call.
func (a admitter) Admit(ctx context.Context, c *llm.Call) (service.Lease, error) {
	lease, err := a.limiter.Admit(ctx, c)
	if err != nil {
		return nil, err // not a nil *Lease in an interface
	}
	return lease, nil
}

// limiter makes what admits the calls of one configuration.
func (a *App) limiter(cfg *config.Config, table *route.Table) *limits.Limiter {
	o := limits.Options{Engine: a.limits, Callers: a.callers, Rules: a.limitRules(cfg)}
	if cfg.Usage.UnknownPrice.Deny {
		o.Priced = priced(table)
	}
	return limits.New(o)
}

// limitRules collects the limits of a configuration.
func (a *App) limitRules(cfg *config.Config) limits.Rules {
	def := cfg.Limits.BudgetAlerts
	r := limits.Rules{
		Gateway: limitRule(cfg.Limits, def), Tenants: map[string]limits.Rule{}, Keys: map[string]limits.Rule{}, Routes: map[string]limits.Rule{},
		Providers: accountRules(cfg),
	}
	if a.redis == nil {
		// The server's own bucket is all there is to the rate of one process.
		// Replicas share a second one besides.
		r.Gateway.RPS = 0
	}
	for name, t := range cfg.Auth.Tenants {
		r.Tenants[name] = limitRule(t.Limits, def)
	}
	for i := range cfg.Auth.Keys {
		r.Keys[cfg.Auth.Keys[i].Name] = limitRule(cfg.Auth.Keys[i].Limits, def)
	}
	for name, m := range cfg.Models {
		r.Routes[name] = limitRule(m.Limits, def)
	}
	return r
}

// limitRule is the rule of one subject; def are the shares of a budget that are
// told when it names none.
func limitRule(l config.Limits, def []config.Share) limits.Rule {
	r := limits.Rule{
		RPS: l.RPS, Burst: l.Burst, TPM: l.TPM, Concurrency: l.Concurrency, Day: l.Budget.Day.Amount(), Month: l.Budget.Month.Amount(),
	}
	if len(l.BudgetAlerts) > 0 {
		def = l.BudgetAlerts
	}
	r.Alerts = millionths(def)
	return r
}

// millionths are the shares that the limits know. The configuration has no more.
func millionths(list []config.Share) (shares limits.Shares) {
	for i, s := range list[:min(len(list), len(shares))] {
		shares[i] = int64(s)
	}
	return shares
}

// priced reports whether every target that may answer a call has a price.
func priced(table *route.Table) func(*llm.Call) bool {
	return func(c *llm.Call) bool {
		r, err := table.Resolve(c.Model)
		if err != nil {
			return false
		}
		for _, t := range r.Targets {
			if t.Price == nil {
				return false
			}
		}
		if t := r.Candidate(); t != nil && t.Price == nil {
			return false
		}
		return true
	}
}
