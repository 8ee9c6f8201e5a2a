package config

import (
	"math"
	"slices"
	"strings"
)

// resolve replaces what nobody set, and what depends on other settings, by
// what holds.
func (c *Config) resolve() {
	for _, p := range c.Providers {
		p.resolve(c.HTTP.ConnectTimeout)
	}
	for _, r := range c.Models {
		r.resolve(&c.Server)
	}
	c.Limits.resolve()
	for i := range c.Auth.Keys {
		c.Auth.Keys[i].Limits.resolve()
	}
	for name, t := range c.Auth.Tenants {
		t.Limits.resolve()
		c.Auth.Tenants[name] = t
	}
	if c.Server.Addr == "" {
		c.Server.Addr = DefaultAddr
		if c.guarded() {
			c.Server.Addr = DefaultAddrAuth
		}
	}
	if c.DefaultProvider == "" {
		c.DefaultProvider = c.soleProvider()
	}
}

// guarded reports whether a stranger is kept out.
func (c *Config) guarded() bool { return c.AuthConfigured() || c.Server.TLS.ClientCA != "" }

// mock lets the built-in provider answer.
func (c *Config) mock() {
	p := &Provider{}
	setDefaults(p)
	p.Type = KindMock
	c.Providers = map[string]*Provider{string(KindMock): p}
	c.MockFallback = true
	if c.DefaultModel == "" {
		c.DefaultModel = string(KindMock)
	}
}

// soleProvider returns the provider of a default model in the form
// provider/model, or the only provider there is. It returns "" when the price
// catalogue has to say whose the default model is.
func (c *Config) soleProvider() string {
	prefix, model, ok := strings.Cut(c.DefaultModel, "/")
	if c.Providers[prefix] != nil && ok && model != "" {
		return prefix
	}
	if len(c.Providers) == 1 {
		for name := range c.Providers {
			return name
		}
	}
	return ""
}

func (p *Provider) resolve(connect Duration) {
	info, _ := p.Type.Info()
	if p.BaseURL == "" {
		p.BaseURL = info.BaseURL
	}
	p.BaseURL = trimBase(info.Wire, p.BaseURL)
	// "${SECOND_KEY:-}" says that there may be none.
	p.Keys = slices.DeleteFunc(p.Keys, Secret.IsZero)
	if p.Type == KindAzure && p.APIVersion == "" {
		p.APIVersion = defaultAzureVersion
	}
	if p.Timeouts.Connect == 0 {
		p.Timeouts.Connect = connect
	}
	if p.StreamUsage == nil {
		ask := info.StreamUsage
		p.StreamUsage = &ask
	}
	p.Limits.Burst, p.Limits.RPS = resolveBurst(p.Limits.Burst, p.Limits.RPS)
}

func (r *Route) resolve(s *Server) {
	if r.Timeout == 0 {
		r.Timeout = s.RequestTimeout
	}
	if r.StreamTimeout == 0 {
		r.StreamTimeout = s.StreamTimeout
	}
	r.Limits.resolve()
}

func (l *Limits) resolve() { l.Burst, l.RPS = resolveBurst(l.Burst, l.RPS) }

// resolveBurst makes an unset burst twice the rate, and at least 1. A burst of
// 0 that somebody gave means no limit, as a rate of 0 does.
func resolveBurst(burst int, rps float64) (int, float64) {
	switch {
	case burst == burstUnset && rps <= 0:
		return 0, rps
	case burst == 0 && rps > 0:
		return 0, 0
	case burst == burstUnset:
		return int(math.Max(1, math.Ceil(math.Min(2*rps, math.MaxInt32)))), rps
	}
	return burst, rps
}
