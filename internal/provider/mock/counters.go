package mock

import "sync"

// maxCounters is how many counts are kept; beyond it the oldest is forgotten.
const maxCounters = 4096

// counters counts calls by key, in bounded memory.
type counters struct {
	mu    sync.Mutex
	count map[uint64]int
	order []uint64 // keys in the order of their coming; a ring
	next  int
}

// add counts one more call of key, and returns how many there were before.
func (c *counters) add(key uint64) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, known := c.count[key]
	if !known {
		c.remember(key)
	}
	c.count[key] = n + 1
	return n
}

func (c *counters) remember(key uint64) {
	if c.count == nil {
		c.count = make(map[uint64]int)
	}
	if len(c.order) < maxCounters {
		c.order = append(c.order, key)
		return
	}
	delete(c.count, c.order[c.next])
	c.order[c.next] = key
	c.next = (c.next + 1) % maxCounters
}

// restart sets the count of key to zero.
func (c *counters) restart(key uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.count[key]; known {
		c.count[key] = 0
	}
}

// reset forgets everything.
func (c *counters) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count, c.order, c.next = nil, nil, 0
}
