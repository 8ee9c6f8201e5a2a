package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
)

// handles caches metric handles by their label values, so that a request
// resolves none: a look-up is one atomic load and one map access. Entries are
// only ever added, and the callers' label values are bounded.
type handles[K comparable, V any] struct {
	mu   sync.Mutex
	m    atomic.Pointer[map[K]V]
	make func(K) V
}

func newHandles[K comparable, V any](mk func(K) V) *handles[K, V] {
	h := &handles[K, V]{make: mk}
	m := map[K]V{}
	h.m.Store(&m)
	return h
}

func (h *handles[K, V]) get(k K) V {
	if v, ok := (*h.m.Load())[k]; ok {
		return v
	}
	return h.add(k)
}

func (h *handles[K, V]) add(k K) V {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := *h.m.Load()
	if v, ok := old[k]; ok {
		return v
	}
	m := maps.Clone(old)
	v := h.make(k)
	m[k] = v
	h.m.Store(&m)
	return v
}
