// Package route turns the model name that a client asks for into the targets
// that may answer it. It owns the table of names, not the chains behind them:
// those are made by the function that the table is given, once for each
// target, and outlive the table.
package route

import (
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

// Target is a provider and its model, with the chain that leads there.
type Target struct {
	Provider string
	Model    string // the upstream's name
	Label    string // provider/model for metrics and logs; the model is Other when unknown
	Chain    llm.Provider
	Price    llm.Pricer // nil when the model has no price
}

// Route is a name that clients ask for and the targets that may answer it, in
// the order in which they are tried.
type Route struct {
	Name          string // bounded, for metrics and logs
	Targets       []*Target
	Timeout       time.Duration // whole request, unary; 0 = the table's default
	StreamTimeout time.Duration // whole request, stream; 0 = the table's default
}

// Spec describes one configured route.
type Spec struct {
	Name          string
	Aliases       []string // further names that clients may use
	Targets       []TargetSpec
	Timeout       time.Duration
	StreamTimeout time.Duration
}

// TargetSpec names one target.
type TargetSpec struct {
	Provider string
	Model    string
	Label    string // the model's bounded name; "" = Model
	Retries  *int   // after the first try; nil = the provider's own setting
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
}

// Table resolves names. It is safe for concurrent use and does not change
// after New but for its memory of ad-hoc names.
type Table struct {
	o      Options
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
	t := &Table{o: o, routes: make(map[string]*Route, len(o.Routes)), adHoc: map[string]*Route{}}
	for _, s := range o.Routes {
		r := &Route{Name: s.Name, Timeout: s.Timeout, StreamTimeout: s.StreamTimeout}
		for _, ts := range s.Targets {
			ts.Label = ts.Model
			r.Targets = append(r.Targets, o.Target(ts))
		}
		t.routes[s.Name] = t.withDefaults(r)
		for _, alias := range s.Aliases {
			t.routes[alias] = r
		}
	}
	return t
}

func (t *Table) withDefaults(r *Route) *Route {
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
