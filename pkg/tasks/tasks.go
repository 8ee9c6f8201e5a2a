// Package tasks gives goroutines an owner that waits for them and takes no more
// once it has been closed, which a sync.WaitGroup alone does not offer.
package tasks

import "sync"

// Group owns goroutines. The zero value is ready; it is safe for concurrent use.
type Group struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// Go runs fn in a goroutine of the group. After Close it does nothing and
// returns false.
func (g *Group) Go(fn func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Go(fn)
	return true
}

// Close takes no more goroutines and waits for those that there are.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.wg.Wait()
}
