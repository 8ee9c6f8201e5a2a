package telemetry

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// An exemplar costs as much as a dozen plain observations, and a scraper sees
// those of a moment alone. So a series takes one a second for each doubling of
// the duration: a slow request is never kept out by the fast ones.
const (
	exemplarEvery = time.Second
	exemplarSlots = 32 // doublings from a microsecond up to an hour and more
)

// timed is a histogram of durations, one series of it.
type timed struct {
	plain     prometheus.Observer
	exemplars prometheus.ExemplarObserver
	next      [exemplarSlots]atomic.Int64 // when the slot takes another, in Unix nanoseconds
}

func newTimed(o prometheus.Observer) *timed {
	e, _ := o.(prometheus.ExemplarObserver)
	return &timed{plain: o, exemplars: e}
}

// observe adds a duration, with the trace as an exemplar when it is recorded and
// none stood in its place a moment ago: an exemplar must lead to a trace that
// exists. Without one it allocates nothing.
func (t *timed) observe(d time.Duration, traceID string) {
	if traceID != "" && t.exemplars != nil && t.due(d) {
		t.exemplars.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": traceID})
		return
	}
	t.plain.Observe(d.Seconds())
}

// due reports whether it is time for an exemplar of about that duration.
func (t *timed) due(d time.Duration) bool {
	slot := &t.next[min(bits.Len64(uint64(max(d, 0)/time.Microsecond)), exemplarSlots-1)]
	now, next := time.Now().UnixNano(), slot.Load()
	return now >= next && slot.CompareAndSwap(next, now+int64(exemplarEvery))
}
