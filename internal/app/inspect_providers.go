package app

import (
	"context"
	"maps"
	"net/url"
	"slices"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/admin"
	"github.com/llm-gateway/llm-gateway/internal/limits"
)

// Providers lists the accounts by name.
func (v inspector) Providers(ctx context.Context) ([]admin.Provider, error) {
	cfg := v.snap().cfg
	inUse, err := v.accountUse(ctx, cfg)
	if err != nil {
		return nil, err
	}
	out := make([]admin.Provider, 0, len(cfg.Providers))
	circuits := v.a.state.circuits.all()
	for _, name := range slices.Sorted(maps.Keys(cfg.Providers)) {
		p := cfg.Providers[name]
		row := admin.Provider{Name: name, Type: string(p.Type), Credentials: len(p.Keys), Targets: v.targets(name, circuits), Limits: accountLimits(inUse[name])}
		if u, err := url.Parse(p.BaseURL); err == nil {
			row.Host = u.Host
		}
		out = append(out, row)
	}
	return out, nil
}

// accountUse reads what is in use of the limits of accounts, by their names.
func (v inspector) accountUse(ctx context.Context, cfg *config.Config) (map[string]*limits.Reading, error) {
	rules := accountRules(cfg)
	reader, ok := v.a.limits.(limitReader)
	if !ok || len(rules) == 0 {
		return nil, nil
	}
	var named []limits.Named
	for name, r := range rules {
		named = append(named, limits.Named{Scope: limits.ScopeProvider, Name: name, Rule: r})
	}
	readings, err := reader.Read(ctx, named)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*limits.Reading, len(readings))
	for i := range readings {
		out[readings[i].Name] = &readings[i]
	}
	return out, nil
}

// accountLimits returns nil for an account without a limit.
func accountLimits(now *limits.Reading) *admin.AccountLimits {
	if now == nil {
		return nil
	}
	r := &now.Rule
	row := &admin.AccountLimits{RPS: r.RPS, Concurrency: r.Concurrency}
	if r.RPS > 0 {
		row.Burst, row.Left = now.Burst, int(now.RequestsLeft)
	}
	if r.Concurrency > 0 {
		row.InFlight = now.InFlight
	}
	if r.TPM > 0 {
		row.Tokens = &admin.LimitTokens{TPM: r.TPM, Used: now.TokensUsed, Remaining: max(r.TPM-now.TokensUsed, 0), ResetMS: now.TokensReset.Milliseconds()}
	}
	row.Day, row.Month = budgetView(r.Day, now.Day, now.DayReset), budgetView(r.Month, now.Month, now.MonthReset)
	return row
}

// accountRows lists the limits of accounts that have some.
func accountRows(providers []admin.Provider) []admin.LimitRow {
	var rows []admin.LimitRow
	for _, p := range providers {
		l := p.Limits
		if l == nil {
			continue
		}
		row := admin.LimitRow{Scope: limits.ScopeProvider.String(), Name: p.Name, Tokens: l.Tokens, Day: l.Day, Month: l.Month}
		if l.RPS > 0 {
			missing := float64(l.Burst-l.Left) / l.RPS
			row.Requests = &admin.LimitRate{RPS: l.RPS, Burst: int64(l.Burst), Remaining: int64(l.Left), ResetMS: int64(missing * 1000)}
		}
		if l.Concurrency > 0 {
			row.Concurrency = &admin.LimitSlots{Limit: l.Concurrency, Used: l.InFlight, Remaining: max(l.Concurrency-l.InFlight, 0)}
		}
		rows = append(rows, row)
	}
	return rows
}
