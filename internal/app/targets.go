package app

import (
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/service"
	"github.com/llm-gateway/llm-gateway/internal/shadow"
	"github.com/llm-gateway/llm-gateway/pkg/backoff"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// registry keeps by name what must outlive a reload: an open circuit stays
// open, a spent budget stays spent. An entry is made anew only when its
// settings have changed.
type registry[O comparable, V any] struct {
	mu sync.Mutex
	m  map[string]registered[O, V]
}

type registered[O comparable, V any] struct {
	o O
	v V
}

func (r *registry[O, V]) get(name string, o O, mk func() V) V {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.m[name]; ok && e.o == o {
		return e.v
	}
	if r.m == nil {
		r.m = map[string]registered[O, V]{}
	}
	v := mk()
	r.m[name] = registered[O, V]{o, v}
	return v
}

// state is what the targets of all snapshots share.
type state struct {
	circuits registry[config.Breaker, *breaker.Breaker]
	gates    registry[string, *chain.Gate]
	budgets  registry[config.Retry, *chain.RetryBudget]
	health   registry[string, *route.Health] // made anew with other credentials
	guards   registry[config.Overload, *service.Guard]
	hedges   registry[config.Hedge, *service.Hedge]
	shadows  registry[config.Shadow, *shadow.Shadow]
}

// targets makes the targets of one snapshot: a chain for each provider and
// model label, and the price of each model.
type targets struct {
	a         *App
	cfg       *config.Config
	prices    prices
	providers map[string]llm.Provider

	mu     sync.Mutex
	chains map[chainKey]llm.Provider
}

type chainKey struct {
	provider, label string
	retries         int // -1 = the provider's own setting
}

// target returns the target of a spec. Models that nobody has configured share
// the chain of their provider's label "other".
func (t *targets) target(s route.TargetSpec) *route.Target {
	key := chainKey{s.Provider, s.Label, -1}
	if s.Retries != nil {
		key.retries = *s.Retries
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, ok := t.chains[key]
	if !ok {
		c = t.chain(key)
		t.chains[key] = c
	}
	return &route.Target{
		Provider: s.Provider, Model: s.Model, Label: s.Provider + "/" + s.Label, Chain: c,
		Price: t.prices.of(t.kind(s.Provider), s.Model), Traits: t.prices.traits(t.kind(s.Provider), s.Model), Weight: s.Weight,
		Health: t.a.state.health.get(s.Provider+"/"+s.Label, t.account(s.Provider), func() *route.Health { return new(route.Health) }),
	}
}

// account names what a provider's quota belongs to: where it is and with which
// keys it is asked.
func (t *targets) account(name string) string {
	p := t.cfg.Providers[name]
	id := p.BaseURL
	for _, k := range p.Keys {
		id += " " + k.Fingerprint()
	}
	return id
}

// kind returns the catalogue's name for a provider's kind.
func (t *targets) kind(name string) string { return string(t.cfg.Providers[name].Type) }

func (t *targets) chain(k chainKey) llm.Provider {
	p := t.cfg.Providers[k.provider]
	watch := &targetObserver{target: t.a.metrics.Target(k.provider, k.label), prices: t.prices, kind: t.kind(k.provider)}
	record := &attemptRecorder{ledger: t.a.ledger, prices: t.prices, provider: k.provider, kind: t.kind(k.provider), label: k.label, speaks: speakerOf(t.providers[k.provider])}
	o := chain.Options{
		Provider: k.provider,
		Observer: watch,
		Attempts: record,
		Retry:    t.retry(k, p, watch),
		Circuit:  t.circuit(k, p.Breaker, watch),
		Timeout:  timeouts(p),
		Limit:    t.limit(k.provider, p.Limits, record),
	}
	t.a.trace(&o, p)
	made := chain.Build(t.providers[k.provider], o)
	if p.OnClientGone == config.GoneDrain && t.a.drainer != nil {
		return chain.NewDrain(made, t.a.drainer)
	}
	return made
}

func (t *targets) retry(k chainKey, p *config.Provider, watch *targetObserver) chain.RetryOptions {
	r := p.Retry
	if k.retries >= 0 {
		r.Max = k.retries
	}
	if r.Max == 0 {
		r.Max = -1 // chain: 0 means the default, negative none
	}
	return chain.RetryOptions{
		Max: r.Max, Backoff: backoff.Backoff{Base: r.Base.Std(), Cap: r.Cap.Std()}, MaxRetryAfter: r.Cap.Std(), Observer: watch,
		Budget: t.a.state.budgets.get(k.provider, p.Retry, func() *chain.RetryBudget {
			return chain.NewRetryBudget(chain.BudgetOptions{Ratio: r.Budget.Ratio(), Min: int64(r.BudgetMin), Window: r.BudgetSpan.Std()})
		}),
	}
}

func (t *targets) circuit(k chainKey, b config.Breaker, watch *targetObserver) *breaker.Breaker {
	if b.MinRequests == 0 {
		return nil
	}
	label := k.provider + "/" + k.label
	return t.a.state.circuits.get(label, b, func() *breaker.Breaker {
		return breaker.New(breaker.Options{
			FailureRatio: b.FailureRatio.Ratio(), MinRequests: int64(b.MinRequests), Window: b.Window.Std(), Cooldown: b.Cooldown.Std(),
			OnChange: t.a.circuitChanged(label, watch.target),
		})
	})
}

// timeouts leaves the clock for the whole call out: its route's deadline, which
// the service puts into each call, says the same.
func timeouts(p *config.Provider) chain.TimeoutOptions {
	return chain.TimeoutOptions{FirstByte: orNever(p.Timeouts.FirstByte), Idle: orNever(p.Timeouts.Idle), Unary: -1, Stream: -1}
}

// orNever says in chain's terms what 0 says in the configuration's: off.
func orNever(d config.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d.Std()
}
