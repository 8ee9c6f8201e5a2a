package limits

import (
	"context"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// entry is what a settlement changes at one subject.
type entry struct {
	subject       *Subject
	lease         uint64 // whose slot to free; 0 = none
	second        int64  // of the window in which refund was reserved
	refund, extra int64
	cost          llm.Money

	leastDay, leastMonth llm.Money // that are known to be spent; see Redis.Adopt
}

func (e *entry) empty() bool { return e.lease == 0 && e.refund == 0 && e.extra == 0 && e.cost == 0 }

// maxPending bounds the queue. Beyond it only money is kept, one sum for each
// subject: reservations and slots that are not given back expire by themselves.
const maxPending = 1 << 16

// queue is what waits to be sent to Redis, and the leases whose slots have to
// be renewed. One goroutine, the owner, empties it.
type queue struct {
	wake chan struct{} // size 1: a second signal adds nothing

	mu      sync.Mutex
	entries []entry
	money   map[*Subject]llm.Money // of entries beyond maxPending
	open    map[uint64][]string    // slot sets of leases that hold a slot
	put64   uint64                 // entries ever put
	sent64  uint64                 // entries ever sent, in order
	waiters chan struct{}          // closed and replaced when entries were sent
	lostErr error                  // why Redis was given up, until the owner has told it
}

func (q *queue) init() {
	q.wake = make(chan struct{}, 1)
	q.money, q.open = map[*Subject]llm.Money{}, map[uint64][]string{}
	q.waiters = make(chan struct{})
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// put adds entries. It never waits.
func (q *queue) put(list ...entry) {
	if len(list) == 0 {
		return
	}
	q.mu.Lock()
	q.put64 += uint64(len(list))
	for i := range list {
		if len(q.entries) < maxPending {
			q.entries = append(q.entries, list[i])
			continue
		}
		q.sent64++
		if list[i].cost > 0 {
			q.money[list[i].subject] += list[i].cost
		}
	}
	q.mu.Unlock()
	q.signal()
}

// batch takes the oldest entries, at most n, without removing them for good:
// the owner keeps them until they are sent.
func (q *queue) batch(n int) []entry {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.entries))
	list := append([]entry(nil), q.entries[:n]...)
	if q.entries = q.entries[n:]; len(q.entries) == 0 {
		q.entries = nil // and with it what has been sent
	}
	for s, m := range q.money {
		if len(list) >= maxBatch {
			break
		}
		list = append(list, entry{subject: s, cost: m})
		delete(q.money, s)
		q.put64++
	}
	return list
}

// sent notes that n entries have arrived.
func (q *queue) sent(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sent64 += uint64(n)
	close(q.waiters)
	q.waiters = make(chan struct{})
}

// mark returns how many entries have been put so far, and whether some of them
// are not sent yet.
func (q *queue) mark() (m uint64, pending bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.put64, q.sent64 < q.put64
}

// await waits until the entries up to a mark have been sent. It returns false
// when that does not happen in time.
func (q *queue) await(ctx context.Context, mark uint64, longest time.Duration) bool {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for {
		q.mu.Lock()
		done, wait := q.sent64 >= mark, q.waiters
		q.mu.Unlock()
		if done {
			return true
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return false
		case <-timer.C:
			return false
		}
	}
}

// opened notes a lease whose slots have to be renewed.
func (q *queue) opened(l *Lease) {
	var sets []string
	for _, s := range l.subjects[:l.n] {
		if s.Rule.Concurrency > 0 {
			sets = append(sets, s.slots)
		}
	}
	if sets == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open[l.id] = sets
}

func (q *queue) closed(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.open, id)
}

// leases calls fn with each lease that holds slots.
func (q *queue) leases(fn func(id uint64, set string)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for id, sets := range q.open {
		for _, s := range sets {
			fn(id, s)
		}
	}
}

func (q *queue) lost(err error) {
	q.mu.Lock()
	q.lostErr = err
	q.mu.Unlock()
	q.signal()
}

func (q *queue) takeLost() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.lostErr
	q.lostErr = nil
	return err
}
