package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// newCallers makes the counters of identities that bring limits of their own.
// They last as long as the App, as those of the configuration do.
func (a *App) newCallers() {
	a.callers = limits.NewCallers(limits.CallersOptions{
		Engine: a.limits, Spent: a.spentByKey, Alerts: millionths(a.o.Config.Limits.BudgetAlerts),
		Unknown: func(name string, err error) { a.budgetUnknown(a.life, limits.ScopeKey, name, err) },
	})
}

// spentByKey asks the ledger what a key has spent this day and month.
func (a *App) spentByKey(ctx context.Context, name string) (day, month llm.Money, err error) {
	dayBegan, monthBegan := calendar(time.Now())
	if day, err = a.spentSince(ctx, limits.ScopeKey, name, dayBegan); err != nil {
		return 0, 0, err
	}
	month, err = a.spentSince(ctx, limits.ScopeKey, name, monthBegan)
	return day, month, err
}

// calendar returns when this day and this month began, in UTC.
func calendar(now time.Time) (day, month time.Time) {
	now = now.UTC()
	y, m, d := now.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
}

func (a *App) budgetUnknown(ctx context.Context, scope limits.Scope, name string, err error) {
	a.log.LogAttrs(ctx, slog.LevelWarn, "a budget starts empty: the ledger does not answer",
		slog.String("scope", scope.String()), slog.String("name", name), slog.Any("error", err))
}
