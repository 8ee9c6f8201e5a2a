package auth

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// change swaps in a copy of the keys that edit has changed, unless edit fails.
func (r *registry) change(edit func(map[[Size]byte]*entry) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[[Size]byte]*entry{}
	if old := r.keys.Load(); old != nil {
		next = maps.Clone(*old)
	}
	if err := edit(next); err != nil {
		return err
	}
	r.keys.Store(&next)
	return nil
}

var (
	// ErrNoName is returned for a key without a name.
	ErrNoName = errors.New("a key needs a name")
	// ErrDuplicate is returned for a key whose name or hash is taken.
	ErrDuplicate = errors.New("duplicate key")
)

func insert(m map[[Size]byte]*entry, k Key) error {
	if k.Name == "" {
		return ErrNoName
	}
	for hash, e := range m {
		switch {
		case e.key.Name == k.Name:
			return fmt.Errorf("%w: the name %q is taken", ErrDuplicate, k.Name)
		case hash == k.Hash:
			return fmt.Errorf("%w: %q and %q are the same key", ErrDuplicate, e.key.Name, k.Name)
		}
	}
	m[k.Hash] = newEntry(k)
	return nil
}

// list returns the keys, sorted by name.
func (r *registry) list() []Key {
	var all []Key
	for _, e := range *r.keys.Load() {
		k := e.key
		k.Models, k.Labels = slices.Clone(k.Models), maps.Clone(k.Labels)
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	return all
}
