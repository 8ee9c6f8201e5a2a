package keystore

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Store is where keys are kept. It is safe for concurrent use.
type Store interface {
	// Load returns all keys, sorted by name. When the version is still the one
	// that the caller knows (never below 0), Contents has no keys.
	Load(ctx context.Context, known int64) (Contents, error)
	// Insert adds a key whole; ErrExists.
	Insert(ctx context.Context, k Key) error
	// Delete takes a key away; ErrUnknown.
	Delete(ctx context.Context, name string) error
}

// Watcher is a Store that tells of changes.
type Watcher interface {
	// Watch calls changed when it has begun to listen and after each change,
	// until the connection is lost or ctx ends; the error says why.
	Watch(ctx context.Context, changed func()) error
}

// Contents are a store's keys at one version.
type Contents struct {
	Version    int64
	Keys       []Key
	Unreadable []string // names of keys that this version of the program does not accept
}

// Memory is a Store that ends with the process. The zero value is empty.
type Memory struct {
	mu      sync.Mutex
	keys    map[string]Key
	version int64
}

// Load returns all keys.
func (m *Memory) Load(_ context.Context, known int64) (Contents, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := Contents{Version: m.version}
	if m.version != known {
		c.Keys = slices.SortedFunc(maps.Values(m.keys), func(a, b Key) int { return strings.Compare(a.Name, b.Name) })
	}
	return c, nil
}

// Insert adds a key.
func (m *Memory) Insert(_ context.Context, k Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, other := range m.keys {
		if other.Name == k.Name || other.Hash == k.Hash {
			return ErrExists
		}
	}
	if m.keys == nil {
		m.keys = map[string]Key{}
	}
	m.keys[k.Name] = k
	m.version++
	return nil
}

// Delete takes a key away.
func (m *Memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.keys[name]; !ok {
		return ErrUnknown
	}
	delete(m.keys, name)
	m.version++
	return nil
}
