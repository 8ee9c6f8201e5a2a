package app

import (
	"net"
	"net/url"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
)

// connectTimeouts returns the connect timeouts of the providers whose base URL
// is known, by host:port. They all share one transport, which asks by address.
func connectTimeouts(cfg *config.Config) map[string]time.Duration {
	m := map[string]time.Duration{}
	for _, p := range cfg.Providers {
		u, err := url.Parse(p.BaseURL)
		if err != nil || u.Host == "" {
			continue
		}
		port := u.Port()
		if port == "" {
			port = map[string]string{"http": "80"}[u.Scheme]
		}
		if port == "" {
			port = "443"
		}
		addr := net.JoinHostPort(u.Hostname(), port)
		m[addr] = max(m[addr], p.Timeouts.Connect.Std())
	}
	return m
}

// connectTimeoutOf answers for the configuration in force.
func (a *App) connectTimeoutOf(addr string) time.Duration {
	if m := a.connects.Load(); m != nil {
		return (*m)[addr]
	}
	return 0
}
