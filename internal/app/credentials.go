package app

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

const (
	// maxGenerations is how many configurations' providers are watched: those
	// in force, and those that requests begun earlier may still use.
	maxGenerations = 4
	// maxPastUses bounds the credentials that are no longer configured.
	maxPastUses = 100
)

// credentialUses remembers across reloads when each credential was last sent, so
// that an operator sees an old one fall out of use before revoking it.
type credentialUses struct {
	mu          sync.Mutex
	generations []map[string]llm.Provider // the oldest first
	past        map[credentialKey]time.Time
}

// credentialKeeper is a provider that has credentials.
type credentialKeeper interface {
	CredentialUses() []provider.CredentialUse
}

type credentialKey struct{ provider, fingerprint string }

// adopt takes in the providers of a new configuration.
func (c *credentialUses) adopt(providers map[string]llm.Provider) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generations = append(c.generations, providers)
	if len(c.generations) > maxGenerations {
		c.remember(c.uses())
		c.generations = slices.Delete(c.generations, 0, 1)
	}
}

// merged returns all uses known, the latest of each credential. c.mu is held.
func (c *credentialUses) merged() map[credentialKey]time.Time {
	all := map[credentialKey]time.Time{}
	for k, at := range c.past {
		all[k] = at
	}
	for _, g := range c.generations {
		for k, at := range usesOf(g) {
			if old, ok := all[k]; !ok || at.After(old) {
				all[k] = at
			}
		}
	}
	return all
}

// usesOf returns the uses that one configuration's providers know of.
func usesOf(providers map[string]llm.Provider) map[credentialKey]time.Time {
	uses := map[credentialKey]time.Time{}
	for name, p := range providers {
		keeper, ok := p.(credentialKeeper)
		if !ok {
			continue
		}
		for _, u := range keeper.CredentialUses() {
			uses[credentialKey{name, u.Fingerprint}] = u.LastUsed
		}
	}
	return uses
}

// list returns the configured credentials and, of the others that were used,
// the latest.
func (c *credentialUses) list() []telemetry.CredentialUse {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uses()
}

// uses is list with c.mu held.
func (c *credentialUses) uses() []telemetry.CredentialUse {
	var current map[credentialKey]time.Time
	if n := len(c.generations); n > 0 {
		current = usesOf(c.generations[n-1])
	}
	var list, others []telemetry.CredentialUse
	for k, at := range c.merged() {
		u := telemetry.CredentialUse{Provider: k.provider, Fingerprint: k.fingerprint, LastUsed: at}
		if _, ok := current[k]; ok {
			list = append(list, u)
		} else if !at.IsZero() {
			others = append(others, u)
		}
	}
	slices.SortFunc(others, func(a, b telemetry.CredentialUse) int {
		return cmp.Or(b.LastUsed.Compare(a.LastUsed), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return append(list, others[:min(len(others), maxPastUses)]...)
}

// remember keeps what a configuration knew that is no longer watched.
func (c *credentialUses) remember(uses []telemetry.CredentialUse) {
	c.past = make(map[credentialKey]time.Time, len(uses))
	for _, u := range uses {
		if !u.LastUsed.IsZero() {
			c.past[credentialKey{u.Provider, u.Fingerprint}] = u.LastUsed
		}
	}
}
