package catalog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// Catalog is a set of entries and families. Make one with Load.
type Catalog struct {
	asOf    string
	entries []*Entry
	byName  map[name]*Entry     // ids and aliases, in lower case
	starts  map[string][]*Entry // by provider: the entries that are patterns, longest first
	sells   map[string][]string

	families map[string]family // by prefix
	longest  int               // length of the longest prefix

	specs []modelSpec // as loaded, for Merge
}

// name is a model's name at one provider; provider is "" in the index over all
// of them.
type name struct{ provider, model string }

type family struct {
	provider string
	spec     traitsSpec
	traits   Traits
}

// Load reads a catalogue in the form that the package comment describes. An
// error names the entry at fault.
func Load(raw []byte) (*Catalog, error) {
	var f file
	if err := strict(raw, &f); err != nil {
		return nil, fmt.Errorf("price catalogue: %w", atLine(raw, err))
	}
	if f.Schema != schema {
		return nil, fmt.Errorf("price catalogue: schema is %q, want %q", f.Schema, schema)
	}
	if _, err := time.Parse(time.DateOnly, f.AsOf); err != nil && f.AsOf != "" {
		return nil, fmt.Errorf("price catalogue: as_of: %q is no day (YYYY-MM-DD)", f.AsOf)
	}
	c := &Catalog{asOf: f.AsOf, sells: f.Sells, families: map[string]family{}}
	for i, raw := range f.Families {
		if err := c.addFamily(raw); err != nil {
			return nil, fmt.Errorf("price catalogue: families[%d]: %w", i, err)
		}
	}
	for i, raw := range f.Models {
		var m modelSpec
		if err := strict(raw, &m); err != nil {
			return nil, fmt.Errorf("price catalogue: models[%d] (%s): %w", i, m.ID, err)
		}
		c.specs = append(c.specs, m)
	}
	if err := c.build(); err != nil {
		return nil, fmt.Errorf("price catalogue: %w", err)
	}
	return c, nil
}

func (c *Catalog) addFamily(raw json.RawMessage) error {
	var s familySpec
	if err := strict(raw, &s); err != nil {
		return err
	}
	if s.Provider == "" || len(s.Prefixes) == 0 {
		return fmt.Errorf("a family needs provider and prefixes")
	}
	t, err := s.traits()
	if err != nil {
		return fmt.Errorf("%s: %w", s.Prefixes[0], err)
	}
	for _, p := range s.Prefixes {
		if _, twice := c.families[p]; twice || p == "" || p != strings.ToLower(p) {
			return fmt.Errorf("prefix %q is empty, not in lower case, or given twice", p)
		}
		c.families[p] = family{provider: s.Provider, spec: s.traitsSpec, traits: t}
	}
	return nil
}

// Merge returns a catalogue in which over's members replace those of c: sells
// and families by name, entries member by member. An entry's prices are
// replaced as a whole; an empty list makes the price unknown.
func (c *Catalog) Merge(over *Catalog) (*Catalog, error) {
	m := &Catalog{
		asOf:     cmp.Or(over.asOf, c.asOf),
		sells:    maps.Clone(c.sells),
		families: maps.Clone(c.families),
		specs:    slices.Clone(c.specs),
	}
	if m.sells == nil {
		m.sells = map[string][]string{}
	}
	maps.Copy(m.sells, over.sells)
	maps.Copy(m.families, over.families)
	for _, s := range over.specs {
		m.override(s)
	}
	if err := m.build(); err != nil {
		return nil, fmt.Errorf("price catalogue: %w", err)
	}
	return m, nil
}

// override applies one entry of another catalogue. An alias here that is an
// entry's own name there ceases to be an alias.
func (c *Catalog) override(s modelSpec) {
	same := func(id string) bool { return strings.EqualFold(id, s.ID) }
	found := false
	for i := range c.specs {
		base := &c.specs[i]
		switch {
		case base.Provider != s.Provider:
		case same(base.ID):
			*base, found = base.over(s), true
		case slices.ContainsFunc(base.Aliases, same):
			base.Aliases = slices.DeleteFunc(slices.Clone(base.Aliases), same)
		}
	}
	if !found {
		c.specs = append(c.specs, s)
	}
}

// over returns m with what o says.
func (m modelSpec) over(o modelSpec) modelSpec {
	m.Kind, m.Status = cmp.Or(o.Kind, m.Kind), cmp.Or(o.Status, m.Status)
	if o.Aliases != nil {
		m.Aliases = o.Aliases
	}
	m.ContextWindow = or(o.ContextWindow, m.ContextWindow)
	m.MaxOutput = or(o.MaxOutput, m.MaxOutput)
	m.Dimensions = or(o.Dimensions, m.Dimensions)
	m.traitsSpec = m.traitsSpec.over(o.traitsSpec)
	if o.Prices != nil {
		m.Prices, m.Unconfirmed, m.Note = o.Prices, nil, nil
	}
	m.Unconfirmed, m.Note = or(o.Unconfirmed, m.Unconfirmed), or(o.Note, m.Note)
	return m
}

// build makes the entries and the indexes from specs and families.
func (c *Catalog) build() error {
	for p := range c.families {
		c.longest = max(c.longest, len(p))
	}
	c.byName, c.starts = map[name]*Entry{}, map[string][]*Entry{}
	for i := range c.specs {
		e, err := c.entry(&c.specs[i])
		if err == nil {
			err = c.index(e)
		}
		if err != nil {
			return fmt.Errorf("model %q of provider %q: %w", c.specs[i].ID, c.specs[i].Provider, err)
		}
		c.entries = append(c.entries, e)
	}
	for _, list := range c.starts {
		slices.SortFunc(list, func(a, b *Entry) int { return len(b.ID) - len(a.ID) })
	}
	return nil
}

func (c *Catalog) entry(s *modelSpec) (*Entry, error) {
	e := &Entry{
		ID: s.ID, Provider: s.Provider, Aliases: s.Aliases, Kind: cmp.Or(s.Kind, KindChat), Status: cmp.Or(s.Status, StatusCurrent),
		ContextWindow: value(s.ContextWindow), MaxOutput: value(s.MaxOutput), Dimensions: value(s.Dimensions),
		Unconfirmed: value(s.Unconfirmed), Note: value(s.Note),
	}
	switch {
	case e.ID == "" || e.Provider == "":
		return nil, fmt.Errorf("id and provider must be given")
	case e.Kind != KindChat && e.Kind != KindEmbed:
		return nil, fmt.Errorf("kind: %q is not known", e.Kind)
	case e.Status != StatusCurrent && e.Status != StatusLegacy && e.Status != StatusRetired:
		return nil, fmt.Errorf("status: %q is not known", e.Status)
	case min(e.ContextWindow, e.MaxOutput, e.Dimensions) < 0:
		return nil, fmt.Errorf("a size is below zero")
	}
	spec := s.traitsSpec
	if f, ok := c.familyOf(strings.ToLower(e.ID)); ok && f.provider == e.Provider {
		spec = f.spec.over(spec)
	}
	var err error
	if e.Traits, err = spec.traits(); err != nil {
		return nil, err
	}
	if e.Capabilities == 0 {
		e.Capabilities = CanChat
		if e.Kind == KindEmbed {
			e.Capabilities = CanEmbed
		}
	}
	e.Prices, err = prices(s.Prices)
	return e, err
}

// index makes an entry findable by its id and aliases.
func (c *Catalog) index(e *Entry) error {
	for _, n := range append([]string{e.ID}, e.Aliases...) {
		n = strings.ToLower(n)
		if n == "" {
			return fmt.Errorf("an alias is empty")
		}
		if _, twice := c.byName[name{e.Provider, n}]; twice {
			return fmt.Errorf("another one is named %q", n)
		}
		c.byName[name{e.Provider, n}] = e
		if _, taken := c.byName[name{"", n}]; !taken {
			c.byName[name{"", n}] = e
		}
	}
	if e.Pattern() {
		c.starts[e.Provider] = append(c.starts[e.Provider], e)
	}
	return nil
}

// AsOf returns the day on which the facts were gathered, YYYY-MM-DD.
func (c *Catalog) AsOf() string { return c.asOf }

// All returns the entries in the order of the file, patterns included.
func (c *Catalog) All() iter.Seq[*Entry] { return slices.Values(c.entries) }
