package ledger

import (
	"sync"
	"time"
)

// queue holds records between those who report them and the one who writes
// them. Its memory grows with what waits, and shrinks when it is empty.
type queue struct {
	mu        sync.Mutex
	records   []Record
	head      int // records before it have been taken
	limit     int
	put       int64 // records that were ever accepted
	closed    bool
	congested bool          // someone waited in vain, and nothing has been taken since
	space     chan struct{} // closed when room comes; nil while nobody waits

	batch int           // at this length the writer is woken
	wake  chan struct{} // has room for one: a wake-up is not lost and not counted
}

// keepRecords is the longest queue whose memory is kept when it is empty.
const keepRecords = 4096

func newQueue(limit, batch int) *queue {
	return &queue{limit: limit, batch: batch, wake: make(chan struct{}, 1)}
}

// add takes a record in if there is room.
func (q *queue) add(r *Record) bool {
	q.mu.Lock()
	n := len(q.records) - q.head
	if n >= q.limit || q.closed {
		q.mu.Unlock()
		return false
	}
	if q.head > 0 && len(q.records) == cap(q.records) {
		q.compact()
	}
	q.records = append(q.records, *r)
	q.put++
	q.mu.Unlock()
	if n == 0 || n+1 == q.batch {
		q.nudge()
	}
	return true
}

// compact moves what waits to the front.
func (q *queue) compact() {
	n := copy(q.records, q.records[q.head:])
	clear(q.records[n:])
	q.records, q.head = q.records[:n], 0
}

// nudge wakes the writer.
func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// addWaiting waits for room, for at most d. Once somebody has waited in vain
// nobody waits any more until something has been taken: a store that is gone
// slows each request down only once.
func (q *queue) addWaiting(r *Record, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		room := q.room()
		if room == nil {
			return false
		}
		if q.add(r) {
			return true
		}
		select {
		case <-room:
		case <-t.C:
			q.mu.Lock()
			q.congested = true
			q.mu.Unlock()
			return q.add(r)
		}
	}
}

// room returns a channel that is closed when there is room again, nil when it
// is no use to wait.
func (q *queue) room() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.congested {
		return nil
	}
	if q.space == nil {
		q.space = make(chan struct{})
	}
	return q.space
}

// take moves up to a batch of records to dst.
func (q *queue) take(dst []Record) []Record {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.records)-q.head, q.batch)
	from := q.records[q.head : q.head+n]
	dst = append(dst, from...)
	clear(from)
	q.head += n
	if q.head == len(q.records) {
		q.records, q.head = q.records[:0], 0
		if cap(q.records) > keepRecords {
			q.records = nil
		}
	}
	q.congested = q.congested && n == 0
	if q.space != nil && n > 0 {
		close(q.space)
		q.space = nil
	}
	return dst
}

// state returns how many records wait and how many were ever accepted.
func (q *queue) state() (waiting int, put int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.records) - q.head, q.put
}

// close refuses further records.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	if q.space != nil {
		close(q.space)
		q.space = nil
	}
	q.mu.Unlock()
	q.nudge()
}
