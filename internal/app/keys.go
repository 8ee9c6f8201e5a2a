package app

import (
	"encoding/hex"
	"log/slog"
	"slices"
	"sync"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/auth"
	"github.com/llm-gateway/llm-gateway/internal/keystore"
	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/server"
)

// openKeys opens the store of the keys made at run time, in the database of the
// ledger.
func (a *App) openKeys(cfg *config.Config) {
	o := keystore.Options{Logger: a.log, Changed: a.inForce.set}
	switch s := a.store.(type) {
	case *ledger.Postgres:
		o.Store = keystore.NewPostgres(s.DB(), s.DSN())
	case *ledger.SQLite:
		o.Store = keystore.NewSQLite(s.DB())
	default:
		o.Store = &keystore.Memory{}
		if !cfg.Server.Admin.Token.IsZero() { // nobody else can make any
			a.log.Warn("keys made through the operators' API are not kept: they end with the process; set DATABASE_URL or usage.database to keep them")
		}
	}
	o.Up = a.metrics.Keys(func() int {
		if a.keys == nil {
			return 0
		}
		return len(a.keys.Keys())
	})
	a.keys = keystore.Open(a.life, o)
	a.closers = append(a.closers, a.keys.Close)
}

// keysCheck is the store's line in GET /readyz. What failed is in the log.
func (a *App) keysCheck() server.Check {
	c := server.Check{Name: "keys", State: server.StateOK}
	switch {
	case !a.keys.Loaded():
		c.State, c.Detail = server.StateDegraded, "keys made at run time could not be read yet: they get 503"
	case a.keys.Failing():
		c.State, c.Detail = server.StateDegraded, "the store of run-time keys does not answer: the keys last known are in force"
	}
	return c
}

// inForce is where changed keys go: to the snapshot in force. It has a lock of its
// own, as the keystore calls it from its goroutine, for which App.close waits.
type inForce struct {
	mu   sync.Mutex
	snap *snapshot // nil until there is one
}

// adopt makes a snapshot the one that changes go to, and gives it the keys that
// there are. After it has returned, and before requests are given the snapshot,
// no change is missed.
func (f *inForce) adopt(a *App, s *snapshot) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.snap = s
	if !a.keys.Loaded() {
		s.auth.AwaitRuntime()
		return
	}
	shadowed := s.accept(a.keys.Keys())
	if len(shadowed) > 0 {
		a.log.Warn("keys made at run time do not count: the configuration has the same names or keys", slog.Any("names", shadowed))
	}
	for _, k := range a.keys.Keys() {
		if _, ok := s.cfg.Auth.Tenants[k.Tenant]; k.Tenant != "" && len(s.cfg.Auth.Tenants) > 0 && !ok {
			a.log.Warn("the tenant of a key made at run time is not among auth.tenants: no limits of a tenant hold for it",
				slog.String("key", k.Name), slog.String("tenant", k.Tenant))
		}
	}
}

// set takes over the keys that there are now.
func (f *inForce) set(keys []keystore.Key) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.snap != nil {
		f.snap.accept(keys)
	}
}

// accept makes a snapshot accept these run-time keys and no others. It returns
// the names of those that the configuration shadows.
func (s *snapshot) accept(keys []keystore.Key) []string {
	list := make([]auth.Key, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		list = append(list, auth.Key{
			Name: k.Name, Hash: k.Hash, Tenant: k.Tenant, Labels: k.Labels, Limits: &k.Limits, Expires: k.Expires,
			Models: allowed(k.Models, s.cfg.Auth.Tenants[k.Tenant].Models),
		})
	}
	return slices.Compact(s.auth.SetRuntime(list))
}

// withRuntimeKeys adds the limits of the keys made at run time, for operators to
// look at. A Limiter needs no such rules: these callers bring theirs.
func (a *App) withRuntimeKeys(r limits.Rules) limits.Rules {
	for _, k := range a.keys.Keys() {
		if _, ok := r.Keys[k.Name]; !ok {
			r.Keys[k.Name] = limits.Rule{
				RPS: k.Limits.RPS, Burst: k.Limits.Burst, TPM: k.Limits.TPM, Concurrency: k.Limits.Concurrency, Day: k.Limits.Day, Month: k.Limits.Month,
			}
		}
	}
	return r
}

// keyPrint tells keys apart without saying anything of them.
func keyPrint(hash [auth.Size]byte) string { return hex.EncodeToString(hash[:6]) }
