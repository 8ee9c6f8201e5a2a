package app

import (
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/cache"
	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/service"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// answers is what the caches of all routes share. It outlives reloads.
type answers struct {
	store   cache.Store
	flights *cache.Flights
	metrics *telemetry.Cache
}

// openCache makes the store of answers, which no route need use.
func (a *App) openCache(cfg *config.Config) {
	c := &answers{flights: cache.NewFlights(0)}
	a.closers = append(a.closers, c.flights.Close)
	if client := a.sharedRedis(); client != nil && cfg.Cache.Store == config.CacheRedis {
		c.metrics = a.metrics.Cache(nil)
		shared := cache.NewRedis(cache.RedisOptions{
			Client: client, Prefix: cfg.Redis.Prefix, Timeout: cfg.Redis.Timeout.Std(), Failed: c.metrics.Failed,
		})
		a.closers = append(a.closers, shared.Close)
		c.store = shared
	} else {
		memory := cache.NewMemory(cache.MemoryOptions{MaxSize: int64(cfg.Cache.MaxSize), MaxEntry: int64(cfg.Cache.MaxEntry)})
		c.metrics = a.metrics.Cache(memory.Size)
		c.store = memory
	}
	a.cache = c
}

// policies are what single routes of a configuration have besides; nil when
// none has anything.
func (a *App) policies(cfg *config.Config, table *route.Table) map[*route.Route]*service.Policy {
	var all map[*route.Route]*service.Policy
	routes := table.Routes()
	for name, m := range cfg.Models {
		p := &service.Policy{}
		if m.Cache != nil && a.cache != nil {
			p.Cache = a.cacheOf(cfg, m, m.Targets)
			if m.Canary != nil {
				p.Tried = a.cacheOf(cfg, m, append([]config.Target{m.Canary.Candidate}, m.Targets...))
			}
		}
		if m.Hedge != nil && len(m.Targets) > 1 {
			p.Hedge = a.hedgeOf(name, *m.Hedge)
		}
		if p.Cache == nil && p.Hedge == nil {
			continue
		}
		if all == nil {
			all = map[*route.Route]*service.Policy{}
		}
		all[routes[name]] = p
	}
	return all
}

func (a *App) cacheOf(cfg *config.Config, m *config.Route, targets []config.Target) *cache.Route {
	o := cache.Options{
		Store: a.cache.store, TTL: m.Cache.TTL.Std(), MaxEntry: int(cfg.Cache.MaxEntry), Observer: a.cache.metrics, Salt: namesOf(cfg, targets),
	}
	if m.Cache.Share {
		o.Flights = a.cache.flights
	}
	return cache.NewRoute(o)
}

// namesOf names who may answer for a route, the same in every replica: with
// other targets, kept answers are not given any more.
func namesOf(cfg *config.Config, targets []config.Target) string {
	var b strings.Builder
	for _, t := range targets {
		p := cfg.Providers[t.Provider]
		for _, s := range [...]string{t.Provider, string(p.Type), p.BaseURL, t.Model} {
			b.WriteString(s)
			b.WriteByte(0)
		}
	}
	return b.String()
}

// hedgeOf returns the hedge of a route, which outlives reloads with its samples
// and its budget.
func (a *App) hedgeOf(name string, h config.Hedge) *service.Hedge {
	return a.state.hedges.get(name, h, func() *service.Hedge {
		hedge := service.NewHedge(service.HedgeOptions{
			Percentile: h.After.Percentile, After: h.After.Delay, MaxExtra: h.MaxExtra.Ratio(), Estimate: calledOff,
			Observe: func(result string) { a.metrics.Hedged(name, result) },
		})
		a.onClose(hedge.Close)
		return hedge
	})
}

// onClose has something closed with the gateway.
func (a *App) onClose(fn func() error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closers = append(a.closers, fn)
}

// calledOff is what a call is taken to have used that was called off before it
// brought anything: its prompt.
func calledOff(c *llm.Call) llm.Usage {
	return ledger.Estimate(llm.Done{Stream: true, Gone: true}, promptBytes(c))
}

// served records a call that no provider was asked for.
func (a *App) served(c *llm.Call, s service.Served) {
	r := recordOf(c)
	r.Time, r.Outcome = s.Start, s.Done.Outcome()
	r.Provider, r.Model, r.Upstream, r.Usage = s.Provider, s.Model, s.Model, s.Usage
	r.Answered, r.Took = s.Answered, s.Took
	if d := s.Done; d.Err != nil {
		r.Kind = d.Err.Kind.String()
	} else if d.Gone {
		r.Kind = llm.KindCanceled.String()
	}
	if d := s.Done; !d.FirstAt.IsZero() {
		r.FirstToken = max(d.FirstAt.Sub(s.Start), time.Nanosecond)
	}
	a.ledger.Record(r)
}
