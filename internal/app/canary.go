package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/notify"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/route/canary"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// canaryTick is how often canaries are looked at, and replicas tell one another
// what they have counted.
const canaryTick = time.Second

// canarySettings are what a canary begins anew with when they change: its
// position survives any other reload.
type canarySettings struct {
	candidate string
	rules     canary.Rules
}

// canaryRun is the canary of one route.
type canaryRun struct {
	route     string
	candidate string
	baseline  []string
	settings  canarySettings
	control   *canary.Controller
}

// canaries is what the App keeps of them all.
type canaries struct {
	controllers registry[canarySettings, *canary.Controller] // by route
	metrics     *telemetry.Canaries
	snap        atomic.Pointer[snapshot] // in force

	mu    sync.Mutex      // one look at a time
	shown map[string]bool // routes whose weight is shown
}

// canariesOf returns the canaries of a configuration, sorted by route.
func (a *App) canariesOf(cfg *config.Config) []*canaryRun {
	var runs []*canaryRun
	for _, name := range slices.Sorted(maps.Keys(cfg.Models)) {
		c := cfg.Models[name].Canary
		if c == nil {
			continue
		}
		run := &canaryRun{route: name, candidate: c.Candidate.Provider + "/" + c.Candidate.Model}
		steps := make([]float64, len(c.Steps))
		for i, s := range c.Steps {
			steps[i] = 100 * s.Ratio()
		}
		run.settings = canarySettings{run.candidate, canary.Rules{
			Steps: fmt.Sprint(steps), Interval: c.StepInterval.Std(), MinRequests: c.MinRequests,
			MaxErrorRate: c.MaxErrorRate.Ratio(), MaxLatencyRatio: c.MaxLatencyRatio,
		}}
		run.control = a.canaries.controllers.get(name, run.settings, func() *canary.Controller {
			return canary.New(canary.Options{Rules: run.settings.rules, Steps: steps}, time.Now())
		})
		for _, t := range cfg.Models[name].Targets {
			run.baseline = append(run.baseline, t.Provider+"/"+t.Model)
		}
		runs = append(runs, run)
	}
	return runs
}

// withCanaries adds the canaries to the routes' specs.
func withCanaries(specs []route.Spec, cfg *config.Config, runs []*canaryRun) []route.Spec {
	for i := range specs {
		s := &specs[i]
		for _, run := range runs {
			if run.route == s.Name {
				m := cfg.Models[s.Name]
				s.Canary = &route.CanarySpec{Control: run.control, Candidate: route.TargetSpec{
					Provider: m.Canary.Candidate.Provider, Model: m.Canary.Candidate.Model, Retries: m.Retries, Weight: 1,
				}}
			}
		}
	}
	return specs
}

// watchCanaries starts what judges canaries, until the App is closed.
func (a *App) watchCanaries() {
	a.canaries.metrics, a.canaries.shown = a.metrics.Canaries(), map[string]bool{}
	ctx, cancel := context.WithCancel(a.life)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(canaryTick)
		defer tick.Stop()
		for {
			a.lookAtCanaries(ctx, time.Now())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	a.closers = append(a.closers, func() error {
		cancel()
		wg.Wait()
		return nil
	})
}

// runningCanaries are those of the configuration in force. It takes no lock of
// the App's, which is held while the watcher is waited for at the end.
func (a *App) runningCanaries() []*canaryRun {
	if snap := a.canaries.snap.Load(); snap != nil {
		return snap.canaries
	}
	return nil
}

// lookAtCanaries judges each of them once.
func (a *App) lookAtCanaries(ctx context.Context, now time.Time) {
	a.canaries.mu.Lock()
	defer a.canaries.mu.Unlock()
	runs := a.runningCanaries()
	here := make(map[string]bool, len(runs))
	for _, run := range runs {
		here[run.route] = true
		shared := a.syncCanary(ctx, run)
		if m, ok := run.control.Judge(now); ok {
			a.moveCanary(ctx, run, m, shared)
		}
		share, _ := run.control.Share()
		a.canaries.metrics.Weight(run.route, 100*share)
	}
	for name := range a.canaries.shown {
		if !here[name] {
			a.canaries.metrics.Forget(name)
		}
	}
	a.canaries.shown = here
}

// moveCanary makes a move, when replicas agree, and tells of it. It reports
// whether this replica is the one that made it.
func (a *App) moveCanary(ctx context.Context, run *canaryRun, m canary.Move, shared bool) bool {
	if shared && !a.casCanary(ctx, run, m) || !run.control.Apply(m) {
		return false
	}
	a.canaries.metrics.Judged(run.route, m.What)
	a.tellCanary(ctx, run, m)
	return true
}

// tellCanary writes a move down, and alerts where someone must know.
func (a *App) tellCanary(ctx context.Context, run *canaryRun, m canary.Move) {
	level := slog.LevelInfo
	switch m.What {
	case canary.MoveRolledBack:
		level = slog.LevelWarn
		a.alertCanary(notify.CanaryRolledBack, "the canary was rolled back: ", run, m)
	case canary.MoveCompleted:
		a.alertCanary(notify.CanaryCompleted, "the canary is complete: ", run, m)
	case canary.MoveHeld:
		level = slog.LevelDebug
	}
	a.log.LogAttrs(ctx, level, "canary "+m.What, slog.String("route", run.route), slog.String("candidate", run.candidate),
		slog.Float64("percent", run.control.Status().Percent), slog.String("reason", m.To.Reason), slog.String("by", m.By))
}

func (a *App) alertCanary(kind, message string, run *canaryRun, m canary.Move) {
	a.notify.Notify(notify.Event{
		Kind: kind, Subject: run.route, Message: message + m.To.Reason,
		Facts: []notify.Fact{
			{Name: "route", Value: run.route}, {Name: "candidate", Value: run.candidate}, {Name: "by", Value: m.By}, {Name: "reason", Value: m.To.Reason},
		},
	})
}

// Canaries shows all canaries to operators.
func (a *App) Canaries() []canary.Status {
	all := []canary.Status{}
	for _, run := range a.runningCanaries() {
		all = append(all, run.status())
	}
	return all
}

func (r *canaryRun) status() canary.Status {
	s := r.control.Status()
	s.Route, s.Candidate, s.Baseline = r.route, r.candidate, r.baseline
	return s
}

// SteerCanary does what an operator asks for; see canary.Controller.Steer.
func (a *App) SteerCanary(ctx context.Context, name, action string) (canary.Status, error) {
	for _, run := range a.runningCanaries() {
		if run.route != name {
			continue
		}
		const tries = 3 // another replica, or the judge, may move it meanwhile
		for range tries {
			shared := a.syncCanary(ctx, run)
			m, err := run.control.Steer(time.Now(), action)
			if err != nil {
				return canary.Status{}, llm.Invalid("action", "%v", err)
			}
			if a.moveCanary(ctx, run, m, shared) {
				return run.status(), nil
			}
		}
		return canary.Status{}, llm.Errorf(llm.KindOverloaded, "the canary is being moved by others; try again")
	}
	e := llm.Errorf(llm.KindNotFound, "the route %q has no canary", name)
	e.Param = "route"
	return canary.Status{}, e
}
