package service

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// samples is how many of the latest times a percentile is taken of.
	samples = 512
	// fewSamples must be there before it means anything; the highest
	// percentiles need more, so that at least one sample lies above.
	fewSamples = 20
	// stale is after how many new samples it is computed again.
	stale = 16
)

// quantile knows the latest times that a target took. It is safe for concurrent
// use.
type quantile struct {
	mu     sync.Mutex
	ring   []time.Duration // at most samples
	next   int
	fresh  int // samples since value was computed
	value  time.Duration
	sorted []time.Duration // scratch
}

func (q *quantile) add(d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ring) < samples {
		q.ring = append(q.ring, d)
	} else {
		q.ring[q.next] = d
	}
	q.next = (q.next + 1) % samples
	q.fresh++
}

// at returns a percentile, when there are enough samples. p must be the same at
// every call.
func (q *quantile) at(p int) (d time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.ring)
	if n < max(fewSamples, 100/(100-p)) {
		return 0, false
	}
	if q.value == 0 || q.fresh >= stale {
		q.sorted = append(q.sorted[:0], q.ring...)
		slices.Sort(q.sorted)
		q.value, q.fresh = max(q.sorted[min(n*p/100, n-1)], time.Nanosecond), 0
	}
	return q.value, true
}

const (
	// oneHedge is what a hedge takes from the budget.
	oneHedge = 1_000_000
	// maxHedges is how many the budget saves up at most.
	maxHedges = 10
)

// hedgeBudget bounds hedges to a share of the requests: each request pays its
// share in, and each hedge takes a whole one. At no time have there been more
// hedges than the share of all requests, nor more at once than maxHedges beyond
// the share of the recent ones. It is safe for concurrent use, and exact.
type hedgeBudget struct {
	share int64 // of a request, in millionths of a hedge
	saved atomic.Int64
}

// request counts one request.
func (b *hedgeBudget) request() { b.put(b.share) }

// giveBack returns a hedge that was not made.
func (b *hedgeBudget) giveBack() { b.put(oneHedge) }

func (b *hedgeBudget) put(n int64) {
	for {
		old := b.saved.Load()
		if b.saved.CompareAndSwap(old, min(old+n, maxHedges*oneHedge)) {
			return
		}
	}
}

// take takes one hedge, if there is one.
func (b *hedgeBudget) take() bool {
	for {
		old := b.saved.Load()
		if old < oneHedge {
			return false
		}
		if b.saved.CompareAndSwap(old, old-oneHedge) {
			return true
		}
	}
}
