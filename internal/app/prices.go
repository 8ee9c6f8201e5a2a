package app

import (
	"fmt"
	"os"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/catalog"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// prices answers the rooms' questions about models from the catalogue.
type prices struct {
	catalog *catalog.Catalog
	unknown llm.Pricer // what a model without a price costs; nil = not known
}

// loadPrices reads the built-in catalogue and the operator's own on top.
func loadPrices(cfg *config.Config) (prices, error) {
	c, err := catalog.Load(config.Prices())
	if err != nil {
		return prices{}, fmt.Errorf("built-in catalogue: %w", err)
	}
	if file := cfg.Usage.Prices; file != "" {
		own, err := loadOwn(file)
		if err != nil {
			return prices{}, fmt.Errorf("usage.prices %s: %w", file, err)
		}
		if c, err = c.Merge(own); err != nil {
			return prices{}, fmt.Errorf("usage.prices %s: %w", file, err)
		}
	}
	p := prices{catalog: c}
	if u := cfg.Usage.UnknownPrice; u.Priced {
		p.unknown = flatPrice{input: u.Input, output: u.Output}
	}
	return p, nil
}

func loadOwn(file string) (*catalog.Catalog, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return catalog.Load(b)
}

// flatPrice is a price in dollars per million tokens, whatever the tokens are.
type flatPrice struct{ input, output llm.Money }

// Cost never fails.
func (f flatPrice) Cost(u llm.Usage) (llm.Money, bool) {
	const million = 1_000_000
	return f.input/million*llm.Money(u.Input) + f.output/million*llm.Money(u.Output), true
}

// orElse is a price and what counts where it says nothing: for a service tier that
// it does not know.
type orElse struct {
	*catalog.Price
	unknown llm.Pricer
}

// Cost never fails.
func (p orElse) Cost(u llm.Usage) (llm.Money, bool) {
	if cost, ok := p.Price.Cost(u); ok {
		return cost, true
	}
	return p.unknown.Cost(u)
}

// of returns which of the two counts.
func (p orElse) of(u llm.Usage) llm.Pricer {
	if _, ok := p.Price.Cost(u); ok {
		return p.Price
	}
	return p.unknown
}

// of returns what a provider's model costs now, nil when that is not known.
func (p prices) of(kind, model string) llm.Pricer {
	if e := p.catalog.Find(kind, model); e != nil {
		if price, ok := e.Pricer(time.Now()).(*catalog.Price); ok {
			if p.unknown == nil {
				return price
			}
			return orElse{price, p.unknown}
		}
	}
	return p.unknown
}

// Known reports whether the catalogue lists a model.
func (p prices) Known(kind, model string) bool { return p.catalog.Known(kind, model) }

// Family returns the kind of provider that a model belongs to.
func (p prices) Family(model string) (kind string, ok bool) { return p.catalog.Family(model) }

// traits returns what routing asks of a model: what it can do, by its entry or
// else by its family, and how much text it takes.
func (p prices) traits(kind, model string) (t route.Traits) {
	if e := p.catalog.Find(kind, model); e != nil {
		t.Sure, t.ContextWindow, t.MaxOutput = !e.Pattern(), e.ContextWindow, e.MaxOutput
	}
	known, ok := p.catalog.Traits(kind, model)
	if !ok || !known.Capabilities.Has(catalog.CanChat) {
		return t
	}
	t.Can = route.Any
	for _, c := range [...]struct {
		has catalog.Capabilities
		can route.Capabilities
	}{{catalog.CanTools, route.Tools}, {catalog.CanImages, route.Images}, {catalog.CanJSONSchema, route.JSONSchema}} {
		if known.Capabilities.Has(c.has) {
			t.Can |= c.can
		}
	}
	return t
}

// models lists what GET /v1/models shows: the configured routes, and what the
// catalogue knows of the configured providers.
func models(cfg *config.Config, p prices) []service.Model {
	var list []service.Model
	for name, r := range cfg.Models {
		m := service.Model{ID: name, OwnedBy: "llm-gateway"}
		if len(r.Targets) > 0 {
			t := r.Targets[0]
			m = p.describe(m, string(cfg.Providers[t.Provider].Type), t.Model)
		}
		list = append(list, m)
		for _, alias := range r.Aliases {
			m.ID = alias
			list = append(list, m)
		}
	}
	for name, prov := range cfg.Providers {
		if prov.Type == config.KindMock {
			for _, id := range mock.New(mock.Options{}).Models() {
				list = append(list, p.describe(service.Model{ID: name + "/" + id, OwnedBy: name}, string(prov.Type), id))
			}
		}
		for e := range p.catalog.All() {
			if e.Provider == string(prov.Type) && !e.Pattern() && e.Status != catalog.StatusRetired {
				list = append(list, p.describe(service.Model{ID: name + "/" + e.ID, OwnedBy: name}, e.Provider, e.ID))
			}
		}
	}
	return list
}

func (p prices) describe(m service.Model, kind, model string) service.Model {
	if e := p.catalog.Find(kind, model); e != nil {
		m.ContextWindow, m.MaxOutput, m.Capabilities = e.ContextWindow, e.MaxOutput, e.Capabilities.Names()
	}
	return m
}
