package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/admin"
	"github.com/llm-gateway/llm-gateway/internal/auth"
	"github.com/llm-gateway/llm-gateway/internal/keystore"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// keyKeeper is the keys of one configuration and those made at run time, as
// operators see them.
type keyKeeper struct {
	a   *App
	cfg *config.Config
}

// Keys lists all keys by name. One made at run time that the configuration
// shadows is left out: it does not count.
func (k keyKeeper) Keys() []admin.Key {
	var list []admin.Key
	names := map[string]bool{}
	for i := range k.cfg.Auth.Keys {
		c := &k.cfg.Auth.Keys[i]
		names[c.Name] = true
		list = append(list, admin.Key{
			Name: c.Name, Tenant: c.Tenant, Models: c.Models, Labels: c.Labels, Limits: limitsOf(c.Limits),
			Source: admin.SourceConfig, Fingerprint: keyPrint(c.Sum()),
		})
	}
	for _, key := range k.a.keys.Keys() {
		if !names[key.Name] {
			list = append(list, shownKey(&key))
		}
	}
	slices.SortFunc(list, func(a, b admin.Key) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func shownKey(k *keystore.Key) admin.Key {
	out := admin.Key{
		Name: k.Name, Tenant: k.Tenant, Models: k.Models, Labels: k.Labels, Limits: k.Limits,
		Source: admin.SourceRuntime, Fingerprint: keyPrint(k.Hash), CreatedAt: &k.Created,
	}
	if !k.Expires.IsZero() {
		out.ExpiresAt = &k.Expires
	}
	return out
}

func limitsOf(l config.Limits) llm.Limits {
	return llm.Limits{RPS: l.RPS, Burst: l.Burst, TPM: l.TPM, Concurrency: l.Concurrency, Day: l.Budget.Day.Amount(), Month: l.Budget.Month.Amount()}
}

// CreateKey makes a key and lets it count on every replica.
func (k keyKeeper) CreateKey(ctx context.Context, n admin.NewKey) (admin.Key, string, error) {
	if k.configured(n.Name) {
		return admin.Key{}, "", admin.Conflict("name", "a key named %q stands in the configuration", n.Name)
	}
	if _, ok := k.cfg.Auth.Tenants[n.Tenant]; n.Tenant != "" && len(k.cfg.Auth.Tenants) > 0 && !ok {
		return admin.Key{}, "", llm.Invalid("tenant", "tenant %q is not among auth.tenants of the configuration", n.Tenant)
	}
	secret, _ := auth.Generate()
	key := keystore.Key{
		Name: n.Name, Hash: auth.HashKey(secret), Tenant: n.Tenant, Models: n.Models, Labels: n.Labels, Limits: n.Limits,
		Created: time.Now().UTC().Truncate(time.Microsecond), Expires: n.Expires.UTC().Truncate(time.Microsecond),
	}
	err := k.a.keys.Create(ctx, key)
	switch {
	case errors.Is(err, keystore.ErrExists):
		return admin.Key{}, "", admin.Conflict("name", "there is a key named %q already; revoke it first, or choose another name", n.Name)
	case err != nil:
		return admin.Key{}, "", unanswered(err)
	}
	return shownKey(&key), secret, nil
}

// RevokeKey takes a key away from every replica.
func (k keyKeeper) RevokeKey(ctx context.Context, name string) error {
	err := k.a.keys.Revoke(ctx, name)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, keystore.ErrUnknown):
		return unanswered(err)
	case k.configured(name):
		return admin.Conflict("name", "the key %q stands in the configuration: take it out there and reload", name)
	}
	return llm.Errorf(llm.KindNotFound, "there is no key named %q", name)
}

func (k keyKeeper) configured(name string) bool {
	return slices.ContainsFunc(k.cfg.Auth.Keys, func(c config.AuthKey) bool { return c.Name == name })
}

// unanswered says that nobody knows whether the change was made.
func unanswered(err error) error {
	e := llm.Errorf(llm.KindOverloaded, "the store of keys does not answer; look at the list of keys before trying again")
	e.RetryAfter, e.Err = time.Second, err
	return e
}

// Tenants lists the tenants of the configuration, and those that only keys
// name, with their keys.
func (k keyKeeper) Tenants() []admin.Tenant {
	all := map[string]*admin.Tenant{}
	for name, t := range k.cfg.Auth.Tenants {
		all[name] = &admin.Tenant{Name: name, Models: t.Models, Limits: limitsOf(t.Limits)}
	}
	for _, key := range k.Keys() {
		if key.Tenant == "" {
			continue
		}
		if all[key.Tenant] == nil {
			all[key.Tenant] = &admin.Tenant{Name: key.Tenant}
		}
		all[key.Tenant].Keys = append(all[key.Tenant].Keys, key.Name)
	}
	var list []admin.Tenant
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, *all[name])
	}
	return list
}
