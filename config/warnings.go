package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// shortKey is the length in bytes below which a client key or an admin token
// could be guessed.
const shortKey = 16

// warnings returns remarks on legal settings that are probably not what was
// meant.
func (c *Config) warnings() []string {
	var w []string
	add := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		if cleartext(c.Providers[name]) {
			add("provider %q: its keys go over the network unencrypted, because base_url begins with http://", name)
		}
	}
	for i := range c.Auth.Keys {
		if k := &c.Auth.Keys[i]; !k.Key.IsZero() && len(k.Key.Reveal()) < shortKey {
			add("client key %q is short enough to be guessed; llm-gateway keygen makes a good one", k.Name)
		}
		w = append(w, c.unknownModels("client key "+strconv.Quote(c.Auth.Keys[i].Name), c.Auth.Keys[i].Models)...)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Auth.Tenants)) {
		w = append(w, c.unknownModels("tenant "+strconv.Quote(name), c.Auth.Tenants[name].Models)...)
	}
	if t := c.Server.Admin.Token; !t.IsZero() && len(t.Reveal()) < shortKey {
		add("the admin token is short enough to be guessed")
	}
	if j := c.Auth.JWT; j != nil && j.JWKSURL != "" && (j.Issuer == "" || j.Audience == "") {
		add("auth.jwt checks no issuer or no audience: tokens that the identity provider made for others are let in")
	}
	if c.AuthConfigured() && c.Auth.AllowAnonymous {
		add("auth.allow_anonymous has no effect: clients must authenticate")
	}
	return w
}

// unknownModels remarks on names that are no route: they may be models of the
// catalogue, or misspelt.
func (c *Config) unknownModels(who string, models []string) []string {
	if len(c.Models) == 0 {
		return nil
	}
	known := map[string]bool{}
	for name, r := range c.Models {
		known[name] = true
		for _, alias := range r.Aliases {
			known[alias] = true
		}
	}
	var w []string
	for _, m := range models {
		if !known[m] && !strings.ContainsAny(m, "*/") {
			w = append(w, fmt.Sprintf("%s may call %q, which is no configured route", who, m))
		}
	}
	return w
}
