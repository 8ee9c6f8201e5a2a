// Package route turns the model name that a client asks for into the targets
// that may answer it. It owns the table of names, not the chains behind them:
// those are made by the function that the table is given, once for each
// target, and outlive the table.
package route

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Other is the name, in metrics and logs, of every model that neither the
// configuration nor the catalogue knows.
const Other = "other"

// maxAdHoc bounds how many names of the form provider/model are remembered.
const maxAdHoc = 4096

// Route is a name that clients ask for and the targets that may answer it, in
// the order in which they are configured; Plan says which to try for a call.
type Route struct {
	Name          string // bounded, for metrics and logs
	Targets       []*Target
	Timeout       time.Duration // whole request, unary; 0 = the table's default
	StreamTimeout time.Duration // whole request, stream; 0 = the table's default

	world    *world       // nil = the real one
	order    orderer      // nil = as configured
	timed    bool         // the order depends on how quick targets are
	lacks    Capabilities // what some target is known to lack
	windows  bool         // some target has a known bound on tokens
	smallest int64        // the smallest of those bounds
	trial    *trialOf     // nil = no canary
}

// Spec describes one configured route.
type Spec struct {
	Name          string
	Aliases       []string // further names that clients may use
	Targets       []TargetSpec
	Timeout       time.Duration
	StreamTimeout time.Duration
	Strategy      Strategy    // "" = Ordered
	Sticky        bool        // keep a caller on its target, for weighted and least_latency
	Canary        *CanarySpec // nil = none
}

// Catalog answers what is known of models.
type Catalog interface {
	// Known reports whether the catalogue lists the provider's model.
	Known(provider, model string) bool
	// Family returns the kind of provider that a model belongs to, by its
	// entry or by the prefix of its family.
	Family(model string) (provider string, ok bool)
}

// Options makes a Table.
type Options struct {
	Routes          []Spec
	Providers       map[string]string // configured providers: name → the catalogue's name for their kind
	DefaultModel    string            // asked for when a client names none; "" = the client must
	DefaultProvider string            // answers models that nothing else claims; "" = none
	Timeout         time.Duration     // default 120 s
	StreamTimeout   time.Duration     // default 600 s
	Catalog         Catalog

	// Target returns the target of a spec, whose Label is set. It may be
	// called at any time, from several goroutines.
	Target func(TargetSpec) *Target

	// Estimate returns the tokens of a call's prompt and the most that it
	// allows for its answer, below 0 when it does not say. nil = none are known.
	Estimate func(c *llm.Call) (prompt, output int64)

	Now  func() time.Time // nil = time.Now
	Rand func() float64   // in [0, 1), safe for concurrent use; nil = math/rand/v2
}

// Table resolves names. It is safe for concurrent use and does not change
// after New but for its memory of ad-hoc names.
type Table struct {
	o      Options
	world  *world
	routes map[string]*Route

	mu    sync.RWMutex
	adHoc map[string]*Route
}

// New makes a table and the targets of its configured routes.
func New(o Options) *Table {
	if o.Timeout == 0 {
		o.Timeout = 120 * time.Second
	}
	if o.StreamTimeout == 0 {
		o.StreamTimeout = 600 * time.Second
	}
	t := &Table{o: o, world: o.world(), routes: make(map[string]*Route, len(o.Routes)), adHoc: map[string]*Route{}}
	for _, s := range o.Routes {
		r := &Route{Name: s.Name, Timeout: s.Timeout, StreamTimeout: s.StreamTimeout}
		for _, ts := range s.Targets {
			ts.Label = ts.Model
			r.Targets = append(r.Targets, o.Target(ts))
		}
		t.routes[s.Name] = t.withDefaults(r)
		r.order = t.world.orderer(s.Strategy, s.Sticky, r.Targets)
		r.timed = s.Strategy == LeastLatency && r.order != nil
		if s.Canary != nil {
			r.trial = t.trialOf(r, s.Canary)
		}
		for _, alias := range s.Aliases {
			t.routes[alias] = r
		}
	}
	return t
}

// world returns what strategies see, complete.
func (o *Options) world() *world {
	w := &world{now: o.Now, rand: o.Rand, estimate: o.Estimate}
	if w.now == nil {
		w.now = time.Now
	}
	if w.rand == nil {
		w.rand = rand.Float64
	}
	if w.estimate == nil {
		w.estimate = func(*llm.Call) (int64, int64) { return 0, -1 }
	}
	return w
}

// withDefaults completes a route that has its targets.
func (t *Table) withDefaults(r *Route) *Route {
	r.world = t.world
	for _, tg := range r.Targets {
		r.lacks |= tg.Traits.lacking()
		for _, bound := range [...]int64{tg.Traits.ContextWindow, tg.Traits.MaxOutput} {
			if bound > 0 && (!r.windows || bound < r.smallest) {
				r.windows, r.smallest = true, bound
			}
		}
	}
	if r.Timeout == 0 {
		r.Timeout = t.o.Timeout
	}
	if r.StreamTimeout == 0 {
		r.StreamTimeout = t.o.StreamTimeout
	}
	return r
}

// Default returns the model that is asked for when a client names none.
func (t *Table) Default() string { return t.o.DefaultModel }

// Resolve returns the route for a model name: a configured route, or
// provider/model, or a model of a configured provider, or the default
// provider's. The name may be empty when there is a default model. Errors are
// of KindInvalidRequest or KindNotFound.
func (t *Table) Resolve(model string) (*Route, error) {
	if model == "" {
		if model = t.o.DefaultModel; model == "" {
			return nil, llm.Invalid("model", "model is required: no default model is configured")
		}
	}
	if r, ok := t.routes[model]; ok {
		return r, nil
	}
	t.mu.RLock()
	r, ok := t.adHoc[model]
	t.mu.RUnlock()
	if ok {
		return r, nil
	}
	return t.resolveAdHoc(model)
}

func (t *Table) resolveAdHoc(model string) (*Route, error) {
	provider, name, ok := t.claim(model)
	if !ok {
		e := llm.Errorf(llm.KindNotFound, "the model %q does not exist or no provider for it is configured", clip(model))
		e.Param, e.Code = "model", "model_not_found"
		return nil, e
	}
	label := Other
	if model == t.o.DefaultModel || t.o.Catalog.Known(t.o.Providers[provider], name) {
		label = name
	}
	r := t.withDefaults(&Route{Name: label, Targets: []*Target{
		t.o.Target(TargetSpec{Provider: provider, Model: name, Label: label}),
	}})
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.adHoc) < maxAdHoc {
		t.adHoc[model] = r
	}
	return r, nil
}

// claim finds the provider that a name without a route belongs to.
func (t *Table) claim(model string) (provider, name string, ok bool) {
	if p, rest, cut := strings.Cut(model, "/"); cut && rest != "" {
		if _, configured := t.o.Providers[p]; configured {
			return p, rest, true
		}
	}
	if kind, known := t.o.Catalog.Family(model); known {
		if p, found := t.providerOf(kind); found {
			return p, model, true
		}
	}
	return t.o.DefaultProvider, model, t.o.DefaultProvider != ""
}

// providerOf returns the configured provider of a kind: the default provider
// when it is of that kind, else the one named like it, else the first by name.
func (t *Table) providerOf(kind string) (string, bool) {
	if t.o.Providers[t.o.DefaultProvider] == kind {
		return t.o.DefaultProvider, true
	}
	if t.o.Providers[kind] == kind {
		return kind, true
	}
	best := ""
	for name, k := range t.o.Providers {
		if k == kind && (best == "" || name < best) {
			best = name
		}
	}
	return best, best != ""
}

// Routes returns the configured routes; the map must not be changed.
func (t *Table) Routes() map[string]*Route { return t.routes }

// clip bounds what a client's text may take in an error message.
func clip(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}
