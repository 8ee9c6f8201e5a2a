package cache

import (
	"context"
	"encoding/binary"
	"sync"
	"time"
)

// MemoryOptions makes a Memory.
type MemoryOptions struct {
	MaxSize  int64 // bytes of all entries together; default 64 MiB
	MaxEntry int64 // the largest entry that will come; default 1 MiB
}

const (
	defaultMaxSize  = 64 << 20
	defaultMaxEntry = 1 << 20
	maxShards       = 16

	// nodeSize is what an entry takes in memory beside its bytes: the node, its
	// place in the map, the rounding of the allocator.
	nodeSize = 256
)

// Memory keeps answers in this process. When there is no room, those that were
// asked for least recently go. It is safe for concurrent use.
type Memory struct {
	shards []shard
}

// NewMemory makes an empty Memory.
func NewMemory(o MemoryOptions) *Memory {
	if o.MaxSize <= 0 {
		o.MaxSize = defaultMaxSize
	}
	if o.MaxEntry <= 0 {
		o.MaxEntry = defaultMaxEntry
	}
	// A shard has room for several of the largest entries, or is the only one.
	n := min(max(o.MaxSize/(4*(o.MaxEntry+nodeSize)), 1), maxShards)
	m := &Memory{shards: make([]shard, n)}
	for i := range m.shards {
		s := &m.shards[i]
		s.max, s.m = o.MaxSize/n, map[Key]*node{}
		s.ring.next, s.ring.prev = &s.ring, &s.ring
	}
	return m
}

// shard is one part of the keys.
type shard struct {
	mu   sync.Mutex
	m    map[Key]*node
	ring node // its next was used last, its prev longest ago
	size int64
	max  int64
}

type node struct {
	key        Key
	value      []byte
	until      time.Time
	prev, next *node
}

func (n *node) size() int64 { return int64(len(n.value)) + nodeSize }

func (m *Memory) shard(k Key) *shard {
	return &m.shards[binary.LittleEndian.Uint64(k[:8])%uint64(len(m.shards))]
}

// Get returns the value of the first of two keys that has one. It must not be
// changed.
func (m *Memory) Get(_ context.Context, first, second Key) ([]byte, bool) {
	if v, ok := m.shard(first).get(first); ok {
		return v, true
	}
	return m.shard(second).get(second)
}

// Put keeps a value for a time. It must not be changed from then on.
func (m *Memory) Put(k Key, value []byte, ttl time.Duration) {
	m.shard(k).put(&node{key: k, value: value, until: time.Now().Add(ttl)})
}

// Size returns the number of entries and their bytes.
func (m *Memory) Size() (entries int, bytes int64) {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		entries, bytes = entries+len(s.m), bytes+s.size
		s.mu.Unlock()
	}
	return entries, bytes
}

func (s *shard) get(k Key) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.m[k]
	if !ok {
		return nil, false
	}
	if !time.Now().Before(n.until) {
		s.drop(n)
		return nil, false
	}
	n.unlink()
	s.front(n)
	return n.value, true
}

func (s *shard) put(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.m[n.key]; ok {
		s.drop(old)
	}
	if n.size() > s.max {
		return
	}
	for s.size+n.size() > s.max {
		s.drop(s.ring.prev)
	}
	s.m[n.key] = n
	s.size += n.size()
	s.front(n)
}

func (s *shard) drop(n *node) {
	n.unlink()
	delete(s.m, n.key)
	s.size -= n.size()
}

func (s *shard) front(n *node) {
	n.prev, n.next = &s.ring, s.ring.next
	n.prev.next, n.next.prev = n, n
}

func (n *node) unlink() { n.prev.next, n.next.prev = n.next, n.prev }
