package config

import (
	"math"
)

// resolve replaces what nobody set, and what depends on other settings, by
// what holds.
func (l *loader) resolve() {
	c := l.config
	if len(c.Providers) == 0 {
		l.mock()
	}
	for name, p := range c.Providers {
		l.provider(name, p)
	}
	for _, r := range c.Models {
		l.route(r)
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
	l.defaultProvider()
}

// guarded reports whether a stranger is kept out.
func (c *Config) guarded() bool { return c.AuthConfigured() || c.Server.TLS.ClientCA != "" }

// mock lets the built-in provider answer.
func (l *loader) mock() {
	p := &Provider{}
	setDefaults(p)
	p.Type = KindMock
	l.config.Providers = map[string]*Provider{string(KindMock): p}
	l.config.MockFallback = true
	if l.config.DefaultModel == "" {
		l.config.DefaultModel = string(KindMock)
	}
}

func (l *loader) provider(name string, p *Provider) {
	info, _ := p.Type.Info()
	if p.BaseURL == "" {
		p.BaseURL = info.BaseURL
	}
	p.BaseURL = trimBase(info.Wire, p.BaseURL)
	if p.Type == KindAzure && p.APIVersion == "" {
		p.APIVersion = defaultAzureVersion
	}
	if p.Timeouts.Connect == 0 {
		p.Timeouts.Connect = l.config.HTTP.ConnectTimeout
	}
	if p.StreamUsage == nil {
		ask := info.StreamUsage
		p.StreamUsage = &ask
	}
	p.Limits.Burst, p.Limits.RPS = resolveBurst(p.Limits.Burst, p.Limits.RPS)
}

func (l *loader) route(r *Route) {
	if r.Timeout == 0 {
		r.Timeout = l.config.Server.RequestTimeout
	}
	if r.StreamTimeout == 0 {
		r.StreamTimeout = l.config.Server.StreamTimeout
	}
	r.Limits.resolve()
}

func (l *Limits) resolve() { l.Burst, l.RPS = resolveBurst(l.Burst, l.RPS) }

// resolveBurst makes an unset burst twice the rate, and at least 1. A burst of
// 0 that somebody gave means no limit, as a rate of 0 does.
func resolveBurst(burst int, rps float64) (int, float64) {
	switch {
	case rps <= 0:
		return max(burst, 0), rps
	case burst == 0:
		return 0, 0
	case burst == burstUnset:
		return int(math.Max(1, math.Ceil(math.Min(2*rps, math.MaxInt32)))), rps
	}
	return burst, rps
}

// defaultProvider fills DefaultProvider in from the default model or because
// there is only one. It stays "" when the price catalogue has to say whose the
// default model is.
func (l *loader) defaultProvider() {
	c := l.config
	if c.DefaultProvider != "" {
		return
	}
	if name, ok := c.splitModel(c.DefaultModel); ok {
		c.DefaultProvider = name
		return
	}
	if len(c.Providers) == 1 {
		for name := range c.Providers {
			c.DefaultProvider = name
		}
	}
}
