package app

import (
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/admin"
	"github.com/llm-gateway/llm-gateway/internal/provider"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// inspector shows operators the App as it is now.
type inspector struct{ a *App }

// snap returns what is in force.
func (v inspector) snap() *snapshot {
	v.a.mu.Lock()
	defer v.a.mu.Unlock()
	return v.a.current
}

// Status tells of the gateway as a whole.
func (v inspector) Status() admin.Status {
	a, s := v.a, v.snap()
	out := admin.Status{
		Version: a.o.Version, Commit: a.o.Commit, Go: runtime.Version(),
		Started: a.ops.started.UTC(), UptimeSeconds: int64(time.Since(a.ops.started).Seconds()), State: "ready",
		Configuration: admin.Configuration{Files: append([]string{}, s.cfg.Files...), LoadedAt: s.loaded.UTC(), Warnings: append([]string{}, s.cfg.Warnings...)},
		Anonymous:     !s.cfg.AuthConfigured(), Goroutines: runtime.NumGoroutine(), HeapBytes: heapInUse(),
	}
	out.Requests, out.Streams = a.server.Load()
	if a.server.Draining() {
		out.State = "draining"
	}
	if s.guard != nil {
		g := s.guard.State()
		out.Overload = &admin.Overload{Bound: g.Bound, InFlight: g.InFlight, Queued: g.Queued}
	}
	if a.redis != nil {
		out.Redis = &admin.Redis{Up: a.redis.Up(), OnFailure: string(a.o.Config.Redis.OnFailure)}
	}
	out.Alerts = a.notify.Counts()
	l := a.ledger.Stats()
	out.Ledger = admin.Ledger{Store: l.Store, Waiting: l.Waiting, Written: l.Written, Lost: l.Lost, Failing: l.Failing != ""}
	return out
}

// targets lists the models of a provider that were configured or asked for.
func (v inspector) targets(provider string, circuits map[string]*breaker.Breaker) []admin.ProviderTarget {
	models := map[string]*admin.Circuit{}
	for label, b := range circuits {
		if model, ok := cutPrefix(label, provider); ok {
			models[model] = circuitView(b)
		}
	}
	for _, r := range v.snap().cfg.Models {
		for _, t := range r.Targets {
			if _, ok := models[t.Model]; !ok && t.Provider == provider {
				models[t.Model] = nil
			}
		}
	}
	out := make([]admin.ProviderTarget, 0, len(models))
	for _, m := range slices.Sorted(maps.Keys(models)) {
		out = append(out, admin.ProviderTarget{Model: m, Circuit: models[m]})
	}
	return out
}

// cutPrefix takes the provider's name off a target's label.
func cutPrefix(label, provider string) (model string, ok bool) {
	n := len(provider)
	if len(label) <= n || label[:n] != provider || label[n] != '/' {
		return "", false
	}
	return label[n+1:], true
}

func circuitView(b *breaker.Breaker) *admin.Circuit {
	s := b.Snapshot()
	c := &admin.Circuit{State: s.State.String(), Since: s.Since.UTC(), Requests: s.Requests, Failures: s.Failures}
	if s.Requests > 0 {
		c.FailureRatio = float64(s.Failures) / float64(s.Requests)
	}
	return c
}

// Routes lists the configured names.
func (v inspector) Routes() []admin.Route {
	s := v.snap()
	out := make([]admin.Route, 0, len(s.cfg.Models))
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Models)) {
		r := s.cfg.Models[name]
		row := admin.Route{Name: name, Aliases: append([]string{}, r.Aliases...), Strategy: string(r.Strategy)}
		if made := s.table.Routes()[name]; made != nil {
			row.TimeoutMS = made.Timeout.Milliseconds()
		}
		row.Targets = v.routeTargets(s, name, r)
		out = append(out, row)
	}
	return out
}

func (v inspector) routeTargets(s *snapshot, name string, r *config.Route) []admin.RouteTarget {
	out := make([]admin.RouteTarget, 0, len(r.Targets))
	now := time.Now()
	for i, t := range r.Targets {
		row := admin.RouteTarget{Provider: t.Provider, Model: t.Model, Weight: t.Weight, Circuit: "none"}
		if b, ok := v.a.state.circuits.peek(t.Provider + "/" + t.Model); ok {
			row.Circuit = b.State().String()
		}
		if made := s.table.Routes()[name]; made != nil && i < len(made.Targets) && made.Targets[i].Health != nil {
			h := made.Targets[i].Health.State(now)
			row.LatencyMS, row.FirstTokenMS, row.InFlight = millis(h.Latency), millis(h.FirstToken), h.InFlight
			row.CoolUntil = orNull(h.CoolUntil)
		}
		out = append(out, row)
	}
	return out
}

// Credentials lists those in force first, then those that were used before.
func (v inspector) Credentials() []admin.Credential {
	current := v.a.credentials.inForce()
	known := v.a.credentials.list() // with uses of earlier configurations
	last := make(map[credentialKey]time.Time, len(known))
	for _, u := range known {
		last[credentialKey{u.Provider, u.Fingerprint}] = u.LastUsed
	}
	out := make([]admin.Credential, 0, len(known))
	for k, u := range current {
		c := admin.Credential{Provider: k.provider, Fingerprint: k.fingerprint, LastUsed: orNull(last[k]), State: admin.InUse, Requests: u.Requests}
		if !u.AsideUntil.IsZero() {
			c.State, c.Since, c.Until, c.Reason = admin.SetAside, orNull(u.AsideSince), orNull(u.AsideUntil), u.Reason
		}
		out = append(out, c)
	}
	for _, u := range known {
		if _, ok := current[credentialKey{u.Provider, u.Fingerprint}]; !ok {
			out = append(out, admin.Credential{Provider: u.Provider, Fingerprint: u.Fingerprint, LastUsed: orNull(u.LastUsed), State: admin.Retired})
		}
	}
	slices.SortFunc(out, func(a, b admin.Credential) int {
		return cmp.Or(retiredLast(a, b), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return out
}

// retiredLast puts what is not configured any more behind what is.
func retiredLast(a, b admin.Credential) int {
	switch ra, rb := a.State == admin.Retired, b.State == admin.Retired; {
	case ra == rb:
		return 0
	case ra:
		return 1
	}
	return -1
}

// inForce returns the uses of the credentials that are configured now.
func (c *credentialUses) inForce() map[credentialKey]provider.CredentialUse {
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := map[credentialKey]provider.CredentialUse{}
	if len(c.generations) == 0 {
		return uses
	}
	for name, p := range c.generations[len(c.generations)-1] {
		if keeper, ok := p.(credentialKeeper); ok {
			for _, u := range keeper.CredentialUses() {
				uses[credentialKey{name, u.Fingerprint}] = u
			}
		}
	}
	return uses
}

// WriteConfig prints the configuration in force, secrets masked.
func (v inspector) WriteConfig(w io.Writer) error { return v.snap().cfg.Write(w) }

// errNoReload says that whoever started this gateway reads no configuration.
var errNoReload = errors.New("this gateway was not started from a configuration that could be read again")

// Reload does what SIGHUP does.
func (v inspector) Reload(ctx context.Context) ([]string, error) {
	v.a.ops.mu.Lock()
	reload := v.a.ops.reload
	v.a.ops.mu.Unlock()
	if reload == nil {
		return nil, errNoReload
	}
	if err := reload(ctx); err != nil {
		return nil, err
	}
	v.a.ops.mu.Lock()
	defer v.a.ops.mu.Unlock()
	return v.a.ops.changes, nil
}

// peek returns what is kept by a name.
func (r *registry[O, V]) peek(name string) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.m[name]
	return e.v, ok
}

// all returns what is kept, by name.
func (r *registry[O, V]) all() map[string]V {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]V, len(r.m))
	for name, e := range r.m {
		out[name] = e.v
	}
	return out
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// orNull returns no time for the zero time.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
