package auth

import (
	"crypto/subtle"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// registry holds API keys. Look-ups take no lock: a change copies the map and
// swaps the pointer.
type registry struct {
	mu   sync.Mutex // one change at a time
	keys atomic.Pointer[map[[Size]byte]*entry]
}

type entry struct {
	key    Key
	caller llm.Caller
}

func newEntry(k Key) *entry {
	k.Models, k.Labels = slices.Clone(k.Models), maps.Clone(k.Labels)
	return &entry{key: k, caller: llm.Caller{Name: k.Name, Tenant: k.Tenant, Models: k.Models, Labels: k.Labels, Limits: k.Limits}}
}

// find returns the key of a presented hash, nil when there is none. The map
// compares hashes in a time that tells something of their bytes, which help no
// one to find a key; the comparison that decides takes the same time always.
func (r *registry) find(hash [Size]byte) *entry {
	keys := r.keys.Load()
	if keys == nil {
		return nil
	}
	e := (*keys)[hash]
	if e == nil || subtle.ConstantTimeCompare(e.key.Hash[:], hash[:]) != 1 {
		return nil
	}
	return e
}

// empty reports whether there is no key at all.
func (r *registry) empty() bool {
	keys := r.keys.Load()
	return keys == nil || len(*keys) == 0
}

// change swaps in a copy of the keys that edit has changed.
func (r *registry) change(edit func(map[[Size]byte]*entry)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[[Size]byte]*entry{}
	if old := r.keys.Load(); old != nil {
		next = maps.Clone(*old)
	}
	edit(next)
	r.keys.Store(&next)
}
