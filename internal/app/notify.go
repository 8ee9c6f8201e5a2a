package app

import (
	"context"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/notify"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

const (
	notifyFlush  = 5 * time.Second  // for webhooks that are still to be told, at the end
	refusalEvery = 10 * time.Minute // a refused credential is told no more often
	maxRefusals  = 1000             // credentials whose last refusal is remembered
)

// openNotifier starts what tells operators. It is made first, as everything
// else may have something to tell, and so it ends last.
func (a *App) openNotifier(cfg *config.Config) {
	name, err := os.Hostname()
	if err != nil {
		name = "llm-gateway"
	}
	a.notify = notify.New(notify.Options{
		Gateway: name, Hooks: hooks(cfg), Logger: a.log, Observer: a.metrics.Alerts(notify.Kinds()...),
	})
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), notifyFlush)
		defer cancel()
		if err := a.notify.Close(ctx); err != nil {
			a.log.Warn("not all webhooks were told before the end", slog.Any("error", err))
		}
		return nil
	})
}

func hooks(cfg *config.Config) []notify.Hook {
	list := make([]notify.Hook, 0, len(cfg.Webhooks))
	for _, w := range cfg.Webhooks {
		h := notify.Hook{URL: w.URL.Reveal(), Secret: w.Secret.Reveal(), Timeout: w.Timeout.Std()}
		for _, e := range w.Events {
			h.Events = append(h.Events, string(e))
		}
		list = append(list, h)
	}
	return list
}

// circuitAlert tells of a circuit that opened, or that closed after it had been
// open. The trials between are no news: a target that stays down is told once.
func (a *App) circuitAlert(target string, c breaker.Change) {
	switch {
	case c.From == breaker.Closed && c.To == breaker.Open:
		a.notify.Notify(notify.Event{
			Kind: notify.CircuitOpened, Subject: target, Message: "circuit open: too many calls of the target failed",
			Facts: []notify.Fact{
				{Name: "target", Value: target}, {Name: "requests", Value: strconv.FormatInt(c.Requests, 10)},
				{Name: "failures", Value: strconv.FormatInt(c.Failures, 10)},
			},
		})
	case c.To == breaker.Closed:
		a.notify.Notify(notify.Event{
			Kind: notify.CircuitClosed, Subject: target, Message: "circuit closed: the target answers again",
			Facts: []notify.Fact{{Name: "target", Value: target}},
		})
	}
}

// redisChanged returns what the limits' engine tells of Redis. That it answers
// at the start is no news for operators.
func (a *App) redisChanged(onFailure config.RedisOnFailure) func(bool, error) {
	lost := false // changes come one after the other
	return func(up bool, err error) {
		a.metrics.RedisUp(up)
		switch {
		case !up:
			a.notify.Notify(notify.Event{
				Kind: notify.RedisLost, Subject: "redis", Message: "redis does not answer",
				Facts: []notify.Fact{{Name: "error", Value: err.Error()}, {Name: "on_failure", Value: string(onFailure)}},
			})
		case lost:
			a.notify.Notify(notify.Event{Kind: notify.RedisRestored, Subject: "redis", Message: "redis answers again; limits are shared"})
		default:
			a.log.Info("redis answers; limits are shared")
		}
		lost = !up
	}
}

// reloadFailed counts and tells a reload that changed nothing.
func (a *App) reloadFailed(err error) {
	a.metrics.Reloaded(err)
	a.notify.Notify(notify.Event{
		Kind: notify.ReloadFailed, Subject: "configuration", Message: "a new configuration was refused; the one in force stays",
		Facts: []notify.Fact{{Name: "error", Value: err.Error()}},
	})
}

// refusals remembers which credentials were told to be refused.
type refusals struct {
	mu   sync.Mutex
	last map[credentialKey]time.Time
}

// news reports whether a refusal is to be told.
func (r *refusals) news(k credentialKey, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.last[k]; ok && now.Sub(at) < refusalEvery {
		return false
	}
	if r.last == nil || len(r.last) >= maxRefusals {
		r.last = map[credentialKey]time.Time{}
	}
	r.last[k] = now
	return true
}

// credentialRefused returns what a provider tells when the upstream refuses a
// credential (401 or 403).
func (a *App) credentialRefused(name string) func(fingerprint string) {
	return func(fingerprint string) {
		if !a.refusals.news(credentialKey{name, fingerprint}, time.Now()) {
			return
		}
		a.notify.Notify(notify.Event{
			Kind: notify.CredentialRefused, Subject: name, Message: "the provider refuses our credential; it rests where there is another",
			Facts: []notify.Fact{{Name: "provider", Value: name}, {Name: "credential", Value: fingerprint}},
		})
	}
}

// circuitChanged returns what a target's circuit breaker tells of itself.
func (a *App) circuitChanged(label string, t *telemetry.Target) func(breaker.Change) {
	return func(c breaker.Change) {
		t.CircuitState(int(c.To))
		a.log.LogAttrs(a.life, slog.LevelDebug, "circuit "+c.To.String(), slog.String("target", label), slog.String("from", c.From.String()))
		a.circuitAlert(label, c)
	}
}
