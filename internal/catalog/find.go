package catalog

import (
	"slices"
	"strings"
)

// Find returns the entry of a provider's model, or nil when it is unknown.
// provider is a provider's kind (or a name that an override uses); "" means
// any. The model may be given by id or alias, in any case, behind a path
// (models/…, publishers/google/models/…), and as a dated or numbered snapshot
// of a model that has an entry. It allocates nothing for a lower-case name.
func (c *Catalog) Find(provider, model string) *Entry {
	model = strings.ToLower(model)
	if e := c.findAt(provider, model); e != nil {
		return e
	}
	for _, seller := range c.sells[provider] {
		if e := c.findAt(seller, model); e != nil {
			return e
		}
	}
	return nil
}

func (c *Catalog) findAt(provider, model string) *Entry {
	for _, m := range [...]string{model, base(model), undated(base(model))} {
		if e := c.byName[name{provider, m}]; e != nil && !e.Pattern() {
			return e
		}
	}
	for _, e := range c.starts[provider] {
		if strings.HasPrefix(model, strings.ToLower(e.ID[:len(e.ID)-1])) {
			return e
		}
	}
	return nil
}

// Known reports whether a provider's model is listed under exactly this name,
// as id or alias. The names for which it is true are bounded, so they are fit
// for metric labels.
func (c *Catalog) Known(provider, model string) bool {
	if c.listed(provider, model) {
		return true
	}
	for _, seller := range c.sells[provider] {
		if c.listed(seller, model) {
			return true
		}
	}
	return false
}

func (c *Catalog) listed(provider, model string) bool {
	e := c.byName[name{provider, strings.ToLower(model)}]
	return e != nil && !e.Pattern() && (e.ID == model || slices.Contains(e.Aliases, model))
}

// Family returns who sells a model, by its entry or else by the longest prefix
// of a family. ok is false for a name that tells nothing.
func (c *Catalog) Family(model string) (provider string, ok bool) {
	if e := c.Find("", model); e != nil {
		return e.Provider, true
	}
	f, ok := c.familyOf(base(strings.ToLower(model)))
	return f.provider, ok
}

// Sells reports whether a provider of this kind offers the models that stand
// under seller in the catalogue: a vertex provider those of gemini and of
// anthropic.
func (c *Catalog) Sells(provider, seller string) bool {
	return provider == seller || slices.Contains(c.sells[provider], seller)
}

// Traits returns where a provider's model differs from others, by its entry or
// else by its family. ok is false when nothing is known of it: a model of the
// same name elsewhere says nothing.
func (c *Catalog) Traits(provider, model string) (t Traits, ok bool) {
	if e := c.Find(provider, model); e != nil {
		return e.Traits, true
	}
	f, ok := c.familyOf(base(strings.ToLower(model)))
	if !ok || provider != "" && !c.Sells(provider, f.provider) {
		return Traits{}, false
	}
	return f.traits, true
}

// familyOf returns the family with the longest prefix of a lower-case name.
func (c *Catalog) familyOf(model string) (family, bool) {
	for n := min(len(model), c.longest); n > 0; n-- {
		if f, ok := c.families[model[:n]]; ok {
			return f, true
		}
	}
	return family{}, false
}

// base returns a model's name without the path before it.
func base(model string) string { return model[strings.LastIndexByte(model, '/')+1:] }

// undated returns a model's name without what marks a snapshot: -2024-08-06,
// -20250929, @20250929, -001, -latest.
func undated(model string) string {
	if rest, ok := strings.CutSuffix(model, "-latest"); ok {
		return rest
	}
	for _, form := range [...]string{"-dddd-dd-dd", "-dddddddd", "@dddddddd", "-ddd"} {
		if at := len(model) - len(form); at > 0 && matches(model[at:], form) {
			return model[:at]
		}
	}
	return model
}

// matches compares s with a form of the same length, in which d is any digit.
func matches(s, form string) bool {
	for i := range len(form) {
		if form[i] == 'd' && s[i]-'0' <= 9 || form[i] == s[i] && s[i] != 'd' {
			continue
		}
		return false
	}
	return true
}
