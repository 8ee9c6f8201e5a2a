package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"reflect"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/auth"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/service"
	"github.com/llm-gateway/llm-gateway/internal/shadow"
)

// snapshot is what one configuration makes. Requests keep the one they began
// with.
type snapshot struct {
	cfg     *config.Config
	service *service.Service
	limiter *limits.Limiter
	auth    *auth.Authenticator
	edge    *server.Snapshot
	tls     *tls.Config // nil = plain HTTP
	close   func()

	table  *route.Table   // what operators look at
	guard  *service.Guard // likewise; nil = nothing sheds load
	loaded time.Time

	canaries []*canaryRun
	shadows  []*shadow.Copier
}

// build makes a snapshot.
func (a *App) build(cfg *config.Config) (*snapshot, error) {
	prices, err := loadPrices(cfg)
	if err != nil {
		return nil, err
	}
	encrypted, err := loadTLS(cfg.Server.TLS)
	if err != nil {
		return nil, err
	}
	t := &targets{a: a, cfg: cfg, prices: prices, providers: map[string]llm.Provider{}, chains: map[chainKey]llm.Provider{}}
	kinds := map[string]string{}
	for name, p := range cfg.Providers {
		made, err := a.newProvider(name, p, prices)
		if err != nil {
			closeProviders(t.providers)
			return nil, err
		}
		t.providers[name] = made
		kinds[name] = string(p.Type)
	}
	trials := a.canariesOf(cfg)
	table := route.New(route.Options{
		Routes: withCanaries(routeSpecs(cfg), cfg, trials), Providers: kinds, DefaultModel: cfg.DefaultModel, DefaultProvider: cfg.DefaultProvider,
		Timeout: cfg.Server.RequestTimeout.Std(), StreamTimeout: cfg.Server.StreamTimeout.Std(), Catalog: prices, Target: t.target,
		Estimate: limits.Estimate,
	})
	connects := connectTimeouts(cfg)
	a.connects.Store(&connects)
	s := &snapshot{cfg: cfg, canaries: trials, limiter: a.limiter(cfg, table), table: table, guard: a.guard(cfg.Overload), loaded: time.Now(), tls: encrypted}
	var policies map[*route.Route]*service.Policy
	policies, s.shadows = a.withShadows(a.policies(cfg, table), t, table, s.guard)
	policies = a.withContent(policies, cfg, table)
	s.service = service.New(service.Options{
		Router: table, Guard: s.guard, Class: classes(cfg.Auth), Admit: admitter{s.limiter}, Bounded: s.limiter.Bounds, Observer: fallbacks{a.metrics, a.tracer},
		Models: models(cfg, prices), Refused: a.refused, Policies: policies, Served: a.served,
	})
	var closeAuth func()
	if s.auth, closeAuth, err = newAuth(cfg.Auth); err != nil {
		closeProviders(t.providers)
		return nil, err
	}
	s.close = func() { closeAuth(); closeProviders(t.providers) }
	s.edge = a.edge(s)
	a.credentials.adopt(t.providers)
	return s, nil
}

// edge is the server's part of a snapshot.
func (a *App) edge(s *snapshot) *server.Snapshot {
	srv := s.cfg.Server
	e := &server.Snapshot{
		Service: s.service, Limit: server.NewLimit(s.cfg.Limits.RPS, s.cfg.Limits.Burst), MaxBody: int64(srv.MaxBody),
		Checks: a.checks, Proxies: proxies(srv),
		Write:  srv.WriteTimeout.Std(),
		Limits: ownLimits{s.limiter}, Auth: s.auth,
		Batch: server.BatchOptions{MaxItems: srv.BatchMaxItems, Concurrency: srv.BatchConcurrency, MaxConcurrency: srv.BatchConcMax},
	}
	if extra := s.cfg.HTTP.ForwardHeaders; len(extra) > 0 {
		e.Forward = append(server.DefaultForward(), extra...)
	}
	a.withLedger(e, s.cfg)
	return e
}

func (a *App) serverOptions(cfg *config.Config, s *snapshot) server.Options {
	srv := cfg.Server
	return server.Options{
		Snapshot: s.edge, Logger: a.log, Metrics: a.metrics.Handler(), Observe: a.observe, Tracer: a.traceServer(),
		ReadHeader: srv.ReadHeaderTimeout.Std(), ReadBody: srv.ReadTimeout.Std(), Idle: srv.IdleTimeout.Std(),
		TLS:            a.serveTLS(s),
		OperatorsApart: srv.Admin.Addr != "",
		Cut:            a.cutOff(),
		MaxHeaderBytes: int(srv.MaxHeader), Grace: srv.ShutdownGrace.Std(), Drain: srv.DrainTimeout.Std(),
	}
}

func routeSpecs(cfg *config.Config) []route.Spec {
	var specs []route.Spec
	for name, r := range cfg.Models {
		s := route.Spec{
			Name: name, Aliases: r.Aliases, Timeout: r.Timeout.Std(), StreamTimeout: r.StreamTimeout.Std(),
			Strategy: route.Strategy(r.Strategy), Sticky: r.Sticky,
		}
		for _, t := range r.Targets {
			s.Targets = append(s.Targets, route.TargetSpec{Provider: t.Provider, Model: t.Model, Retries: r.Retries, Weight: t.Weight})
		}
		specs = append(specs, s)
	}
	return specs
}

// newAuth makes what knows the callers of a configuration. Where that asks for
// no credential, only keys made at run time are anybody's; where it requires one
// and has none itself, these alone let in.
func newAuth(c config.Auth) (*auth.Authenticator, func(), error) {
	o := auth.Options{Anonymous: !c.Required && len(c.Keys) == 0 && c.JWT == nil}
	for i := range c.Keys {
		k := &c.Keys[i]
		o.Keys = append(o.Keys, auth.Key{
			Name: k.Name, Hash: k.Sum(), Tenant: k.Tenant, Models: allowed(k.Models, c.Tenants[k.Tenant].Models), Labels: k.Labels,
		})
	}
	closer := func() {}
	if c.JWT != nil {
		j, err := newJWT(c.JWT, c.Tenants)
		if err != nil {
			return nil, closer, fmt.Errorf("auth.jwt: %w", err)
		}
		o.JWT, closer = j, j.Close
	}
	return auth.New(o), closer, nil
}

// allowed returns what a key may call: its own list within its tenant's. nil
// means everything.
func allowed(key, tenant []string) []string {
	switch {
	case len(key) == 0:
		return tenant
	case len(tenant) == 0:
		return key
	}
	group := &llm.Caller{Models: tenant}
	both := []string{}
	for _, m := range key {
		if group.May(m) {
			both = append(both, m)
		}
	}
	return both
}

func newJWT(c *config.JWT, tenants map[string]config.Tenant) (*auth.JWT, error) {
	return auth.NewJWT(auth.JWTOptions{
		Issuer: c.Issuer, Audience: c.Audience, Secret: []byte(c.Secret.Reveal()), PublicKeys: []byte(c.PublicKey),
		JWKSURL: c.JWKSURL, JWKSTTL: c.JWKSTTL.Std(), JWKSInterval: c.JWKSInterval.Std(), Leeway: orNever(c.Leeway),
		Claims: auth.Claims{
			Name: c.Claims.Name, Tenant: c.Claims.Tenant, Models: c.Claims.Models, Limits: c.Claims.Limits, Labels: c.Claims.Labels,
			Within: func(tenant string, models []string) []string {
				if models != nil && len(models) == 0 {
					return models // a token for nothing; an empty list in the configuration means all
				}
				return allowed(models, tenants[tenant].Models)
			},
		},
	})
}

// Reload puts another configuration into force. Requests under way keep theirs.
// An error changes nothing. The address and the HTTP client's settings stay as
// they were: they need a restart.
func (a *App) Reload(_ context.Context, cfg *config.Config) error {
	next, err := a.build(cfg)
	if err != nil {
		a.reloadFailed(err)
		return fmt.Errorf("the configuration in force stays: %w", err)
	}
	a.metrics.Reloaded(nil)
	a.notify.SetHooks(hooks(cfg))
	from := a.configInForce()
	a.adoptBudgets(a.life, from, cfg)
	a.mu.Lock()
	old := a.current
	if !old.cfg.Usage.Database.Equal(cfg.Usage.Database) || old.cfg.Usage.Retention != cfg.Usage.Retention {
		a.log.Warn("usage.database and usage.retention stay as they were: they need a restart")
	}
	if old.cfg.Redis != cfg.Redis {
		a.log.Warn("the settings of redis stay as they were: they need a restart")
	}
	if old.cfg.Server.Admin.Addr != cfg.Server.Admin.Addr {
		a.log.Warn("server.admin.addr stays as it was: it needs a restart")
	}
	if !reflect.DeepEqual(old.cfg.Telemetry.Traces, cfg.Telemetry.Traces) {
		a.log.Warn("the settings of telemetry.traces stay as they were: they need a restart")
	}
	if old.cfg.Cache.Store != cfg.Cache.Store || old.cfg.Cache.MaxSize != cfg.Cache.MaxSize {
		a.log.Warn("cache.store and cache.max_size stay as they were: they need a restart")
	}
	if sameLimits(old.cfg.Limits, cfg.Limits) {
		next.edge.Limit = old.edge.Limit // a reload fills no bucket
	}
	a.current = next
	a.canaries.snap.Store(next)
	a.budgets.limiter.Store(next.limiter)
	a.inForce.adopt(a, next)
	a.server.Swap(next.edge)
	a.adoptTLS(next)
	a.mu.Unlock()
	a.adoptBudgets(a.life, from, cfg)
	old.close()
	a.operatorsSee(a.logReload(old.cfg, cfg))
	return nil
}

func (a *App) configInForce() *config.Config {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current.cfg
}

func sameLimits(a, b config.Limits) bool { return a.RPS == b.RPS && a.Burst == b.Burst }

// ReloadFailed counts and tells a reload whose configuration could not even be read.
func (a *App) ReloadFailed(err error) { a.reloadFailed(err) }
