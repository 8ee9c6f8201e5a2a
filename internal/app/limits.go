package app

import (
	"context"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

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

// admitter returns what admits the calls of one configuration, nil when it
// limits nothing.
func (a *App) admitter(cfg *config.Config, table *route.Table) service.Admitter {
	o := limits.Options{Engine: a.limits, Rules: limitRules(cfg)}
	if cfg.Usage.UnknownPrice.Deny {
		o.Priced = priced(table)
	}
	l := limits.New(o)
	if l.Unlimited() {
		return nil
	}
	return admitter{l}
}

// limitRules collects the limits of a configuration. Those of provider accounts
// are the chains', as every attempt pays for them and not every call.
func limitRules(cfg *config.Config) limits.Rules {
	r := limits.Rules{
		Gateway: limitRule(cfg.Limits), Tenants: map[string]limits.Rule{}, Keys: map[string]limits.Rule{}, Routes: map[string]limits.Rule{},
	}
	if cfg.Redis.URL.IsZero() {
		// The server's own bucket is all there is to the rate of one process.
		// Replicas share a second one besides.
		r.Gateway.RPS = 0
	}
	for name, t := range cfg.Auth.Tenants {
		r.Tenants[name] = limitRule(t.Limits)
	}
	for i := range cfg.Auth.Keys {
		r.Keys[cfg.Auth.Keys[i].Name] = limitRule(cfg.Auth.Keys[i].Limits)
	}
	for name, m := range cfg.Models {
		r.Routes[name] = limitRule(m.Limits)
	}
	return r
}

func limitRule(l config.Limits) limits.Rule {
	return limits.Rule{
		RPS: l.RPS, Burst: l.Burst, TPM: l.TPM, Concurrency: l.Concurrency, Day: l.Budget.Day.Amount(), Month: l.Budget.Month.Amount(),
	}
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
		return true
	}
}
