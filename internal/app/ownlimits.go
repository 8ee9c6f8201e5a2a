package app

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/server"
)

// ownLimits shows callers the limits of one configuration.
type ownLimits struct{ limiter *limits.Limiter }

// CallerLimits returns what is in use of a caller's limits.
func (o ownLimits) CallerLimits(ctx context.Context, c *llm.Caller) (server.OwnLimits, error) {
	all, err := o.limiter.Standing(ctx, c)
	if err != nil {
		return server.OwnLimits{}, err
	}
	var out server.OwnLimits
	now := time.Now()
	for i := range all {
		use := limitsUse(&all[i], now)
		switch all[i].Scope {
		case limits.ScopeKey:
			out.Key = use
		case limits.ScopeTenant:
			out.Tenant = use
		}
	}
	return out, nil
}

func limitsUse(s *limits.Standing, now time.Time) *server.LimitsUse {
	r := &s.Rule
	u := &server.LimitsUse{
		Name:        s.Name,
		Tokens:      server.NewLimitUse(r.TPM, s.Tokens, now, s.TokensReset),
		Concurrency: server.NewLimitUse(int64(r.Concurrency), s.InFlight, now, 0),
	}
	if r.RPS > 0 {
		u.Requests = server.NewLimitUse(int64(r.Burst), s.Requests, now, s.RequestsReset)
		u.Requests.RPS = r.RPS
	}
	if r.Day > 0 || r.Month > 0 {
		u.Budget = &server.BudgetUse{
			Day: server.NewLimitUse(r.Day, s.Day, now, s.DayReset), Month: server.NewLimitUse(r.Month, s.Month, now, s.MonthReset),
		}
	}
	return u
}
