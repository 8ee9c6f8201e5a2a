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
	spent, err := v.accountMoney(ctx, cfg)
	if err != nil {
		return nil, err
	}
	out := make([]admin.Provider, 0, len(cfg.Providers))
	circuits := v.a.state.circuits.all()
	for _, name := range slices.Sorted(maps.Keys(cfg.Providers)) {
		p := cfg.Providers[name]
		row := admin.Provider{Name: name, Type: string(p.Type), Credentials: len(p.Keys), Targets: v.targets(name, circuits), Limits: v.accountLimits(name, p.Limits, spent)}
		if u, err := url.Parse(p.BaseURL); err == nil {
			row.Host = u.Host
		}
		out = append(out, row)
	}
	return out, nil
}

// accountMoney reads what was spent of the budgets of accounts, by their names.
func (v inspector) accountMoney(ctx context.Context, cfg *config.Config) (map[string]*limits.Reading, error) {
	rules := providerRules(cfg)
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
func (v inspector) accountLimits(name string, l config.ProviderLimits, spent map[string]*limits.Reading) *admin.AccountLimits {
	money := spent[name]
	if l.RPS <= 0 && l.Concurrency <= 0 && l.TPM <= 0 && money == nil {
		return nil
	}
	row := &admin.AccountLimits{RPS: l.RPS, Concurrency: l.Concurrency}
	g, _ := v.a.state.gates.peek(name) // nil before the first call that leads there
	now := g.State()
	row.Burst, row.Left, row.InFlight = now.Burst, now.Left, now.InFlight
	if l.TPM > 0 {
		row.Tokens = &admin.LimitTokens{TPM: l.TPM, Used: now.TokensUsed, Remaining: max(l.TPM-now.TokensUsed, 0), ResetMS: now.TokensReset.Milliseconds()}
	}
	if money != nil {
		row.Day, row.Month = budgetView(money.Rule.Day, money.Day, money.DayReset), budgetView(money.Rule.Month, money.Month, money.MonthReset)
	}
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
