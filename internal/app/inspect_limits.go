package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/admin"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// limitReader is what both engines are besides.
type limitReader interface {
	Read(ctx context.Context, rules []limits.Named) ([]limits.Reading, error)
}

// Limits lists the limits of the gateway, the tenants, keys, routes and
// providers, in this order, and of each kind by name.
func (v inspector) Limits(ctx context.Context, most int) ([]admin.LimitRow, bool, error) {
	rules := namedRules(v.a.withRuntimeKeys(v.a.limitRules(v.snap().cfg)))
	providers, err := v.Providers(ctx)
	if err != nil {
		return nil, false, err
	}
	accounts := accountRows(providers)
	more := len(rules)+len(accounts) > most
	rules = rules[:min(len(rules), max(most-len(accounts), 0))]
	accounts = accounts[:min(len(accounts), most)]

	rows := []admin.LimitRow{}
	if reader, ok := v.a.limits.(limitReader); ok && len(rules) > 0 {
		readings, err := reader.Read(ctx, rules)
		if err != nil {
			return nil, false, err
		}
		for i := range readings {
			rows = append(rows, limitRow(&readings[i]))
		}
	}
	return append(v.withRate(rows), accounts...), more, nil
}

// namedRules puts rules into a fixed order and leaves out those that bound
// nothing.
func namedRules(r limits.Rules) []limits.Named {
	var out []limits.Named
	add := func(scope limits.Scope, name string, rule limits.Rule) {
		if !rule.Unlimited() {
			out = append(out, limits.Named{Scope: scope, Name: name, Rule: rule})
		}
	}
	add(limits.ScopeGateway, "", r.Gateway)
	for _, g := range []struct {
		scope limits.Scope
		rules map[string]limits.Rule
	}{{limits.ScopeTenant, r.Tenants}, {limits.ScopeKey, r.Keys}, {limits.ScopeRoute, r.Routes}} {
		for _, name := range slices.Sorted(maps.Keys(g.rules)) {
			add(g.scope, name, g.rules[name])
		}
	}
	return out
}

// withRate puts the process's own bucket on the gateway's row: where Redis does
// not keep the rate, the server does.
func (v inspector) withRate(rows []admin.LimitRow) []admin.LimitRow {
	rate, ok := v.a.server.Rate()
	if !ok || len(rows) > 0 && rows[0].Requests != nil && rows[0].Scope == limits.ScopeGateway.String() {
		return rows
	}
	if len(rows) == 0 || rows[0].Scope != limits.ScopeGateway.String() {
		rows = slices.Insert(rows, 0, admin.LimitRow{Scope: limits.ScopeGateway.String()})
	}
	rows[0].Requests = &admin.LimitRate{RPS: rate.RPS, Burst: int64(rate.Burst), Remaining: int64(rate.Left), ResetMS: rate.Reset.Milliseconds()}
	return rows
}

func limitRow(r *limits.Reading) admin.LimitRow {
	row := admin.LimitRow{Scope: r.Scope.String(), Name: r.Name}
	if r.Rule.RPS > 0 {
		row.Requests = &admin.LimitRate{RPS: r.Rule.RPS, Burst: int64(r.Burst), Remaining: r.RequestsLeft, ResetMS: r.RequestsReset.Milliseconds()}
	}
	if n := r.Rule.TPM; n > 0 {
		row.Tokens = &admin.LimitTokens{TPM: n, Used: r.TokensUsed, Remaining: max(n-r.TokensUsed, 0), ResetMS: r.TokensReset.Milliseconds()}
	}
	if n := r.Rule.Concurrency; n > 0 {
		row.Concurrency = &admin.LimitSlots{Limit: n, Used: r.InFlight, Remaining: max(n-r.InFlight, 0)}
	}
	row.Day, row.Month = budgetView(r.Rule.Day, r.Day, r.DayReset), budgetView(r.Rule.Month, r.Month, r.MonthReset)
	return row
}

func budgetView(budget, spent llm.Money, reset time.Duration) *admin.LimitMoney {
	if budget <= 0 {
		return nil
	}
	return &admin.LimitMoney{Budget: budget, Spent: spent, Remaining: max(budget-spent, 0), ResetMS: reset.Milliseconds()}
}
