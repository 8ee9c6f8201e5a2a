package app

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/notify"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

const (
	maxBudgetSeries  = 1000                // of one scope, in the metric
	maxCrossings     = 10_000              // remembered as told
	crossingsWaiting = 256                 // for Redis to say who tells them
	crossingLife     = 35 * 24 * time.Hour // of a mark in Redis: longer than a month
)

// budgetAlerts tells operators when a budget's spending reaches a share, once,
// and shows the shares in a metric.
type budgetAlerts struct {
	notify  *notify.Notifier
	limiter atomic.Pointer[limits.Limiter] // of the configuration in force

	mu     sync.Mutex
	told   map[string]bool
	queue  chan limits.Crossing // nil = this process tells all by itself
	closed bool
}

// crossed is told by the limits, in the way of a request: it does not block.
func (b *budgetAlerts) crossed(c limits.Crossing) {
	if !b.first(crossingName(c)) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue != nil && !b.closed {
		select {
		case b.queue <- c:
			return
		default: // twice is better than never
		}
	}
	b.tell(c)
}

// crossingName names a crossing for good: a budget that is changed is another.
func crossingName(c limits.Crossing) string {
	return fmt.Sprintf("%s:%s:%s:%d:%d:%d", c.Scope, c.Name, c.Period, c.Number, int64(c.Budget), c.Share)
}

// first reports whether this process has not seen a crossing yet. Calls of two
// configurations may be under way at once, each with a budget of its own.
func (b *budgetAlerts) first(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told[name] {
		return false
	}
	if b.told == nil || len(b.told) >= maxCrossings {
		b.told = map[string]bool{}
	}
	b.told[name] = true
	return true
}

func (b *budgetAlerts) tell(c limits.Crossing) {
	kind := notify.BudgetAlert
	if c.Share >= limits.Whole {
		kind = notify.BudgetExceeded
	}
	subject := c.Scope.String()
	if c.Name != "" {
		subject += " " + c.Name
	}
	b.notify.Notify(notify.Event{Kind: kind, Subject: subject, Message: c.String(), Facts: []notify.Fact{
		{Name: "scope", Value: c.Scope.String()}, {Name: "name", Value: c.Name}, {Name: "period", Value: c.Period.String()},
		{Name: "percent", Value: strconv.FormatFloat(float64(c.Share)*100/limits.Whole, 'g', -1, 64)},
		{Name: "spent", Value: c.Spent.String()}, {Name: "budget", Value: c.Budget.String()},
	}})
}

// shareBudgetAlerts lets one of the replicas that share a Redis tell what all
// of them see.
func (a *App) shareBudgetAlerts(c config.Redis) {
	b := &a.budgets
	b.queue = make(chan limits.Crossing, crossingsWaiting) // so that no request waits for Redis
	done := make(chan struct{})
	go func() {
		defer close(done)
		for c2 := range b.queue {
			if a.mineToTell(c, c2) {
				b.tell(c2)
			}
		}
	}()
	a.closers = append(a.closers, func() error {
		b.mu.Lock()
		b.closed = true
		close(b.queue)
		b.mu.Unlock()
		<-done
		return nil
	})
}

// mineToTell reports whether no other replica has told a crossing. Without
// Redis each tells its own.
func (a *App) mineToTell(c config.Redis, x limits.Crossing) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), 10*c.Timeout.Std())
	defer cancel()
	err := a.sharedRedis().SetArgs(ctx, c.Prefix+"alert:"+crossingName(x), "1", redis.SetArgs{Mode: "NX", TTL: crossingLife}).Err()
	switch {
	case err == nil:
		return true
	case err == redis.Nil: //nolint:errorlint // go-redis returns it bare
		return false
	}
	a.log.Debug("redis does not say whether a budget alert was told", slog.Any("error", err))
	return true
}

// spendings is what the metric shows.
func (b *budgetAlerts) spendings() []telemetry.Spending {
	l := b.limiter.Load()
	if l == nil {
		return nil
	}
	var list []telemetry.Spending
	for _, s := range l.Spendings(nil, maxBudgetSeries) {
		list = append(list, telemetry.Spending{
			Scope: s.Scope.String(), Name: s.Name, Period: s.Period.String(), Ratio: float64(s.Spent) / float64(s.Budget),
		})
	}
	return list
}
