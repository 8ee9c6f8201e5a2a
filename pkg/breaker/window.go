package breaker

import "time"

// Window counts two kinds of events over a span that moves with time, in slots
// of equal width. It covers the running slot and those before it, so between
// span·(n-1)/n and span. It is not safe for concurrent use; its owner locks.
type Window struct {
	width time.Duration
	slots []slot
	sum   slot
	at    int64 // number of the running slot since the origin of time
}

type slot struct{ good, bad int64 }

// NewWindow makes a window of a span divided into n slots, n >= 1.
func NewWindow(span time.Duration, n int) *Window {
	return &Window{width: max(span/time.Duration(n), 1), slots: make([]slot, n)}
}

// Add counts events at now, a time since any fixed origin. A now before the
// latest one counts as the latest.
func (w *Window) Add(now time.Duration, good, bad int64) {
	w.advance(now)
	s := &w.slots[w.at%int64(len(w.slots))]
	s.good += good
	s.bad += bad
	w.sum.good += good
	w.sum.bad += bad
}

// Sum returns what has been counted in the window that ends now.
func (w *Window) Sum(now time.Duration) (good, bad int64) {
	w.advance(now)
	return w.sum.good, w.sum.bad
}

// Reset forgets all events.
func (w *Window) Reset() {
	clear(w.slots)
	w.sum = slot{}
}

// advance drops the slots that have left the window.
func (w *Window) advance(now time.Duration) {
	at := int64(now / w.width)
	if at <= w.at {
		return
	}
	n := int64(len(w.slots))
	if at-w.at >= n {
		w.Reset()
		w.at = at
		return
	}
	for w.at < at {
		w.at++
		s := &w.slots[w.at%n]
		w.sum.good -= s.good
		w.sum.bad -= s.bad
		*s = slot{}
	}
}
