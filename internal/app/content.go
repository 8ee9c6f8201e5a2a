package app

import (
	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/content"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// withContent gives the routes that ask for it what records their calls.
func (a *App) withContent(policies map[*route.Route]*service.Policy, cfg *config.Config, table *route.Table) map[*route.Route]*service.Policy {
	var recorder *content.Recorder
	for name, m := range cfg.Models {
		if !m.LogBody {
			continue
		}
		if recorder == nil {
			o := content.Options{Logger: a.log, Limit: int(cfg.Telemetry.MaxLogged)}
			if a.tracer != nil {
				o.Spans = a.tracer
			}
			recorder = content.New(o)
		}
		if policies == nil {
			policies = map[*route.Route]*service.Policy{}
		}
		r := table.Routes()[name]
		if policies[r] == nil {
			policies[r] = &service.Policy{}
		}
		policies[r].Content = recorder
	}
	return policies
}
