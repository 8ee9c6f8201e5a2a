package route

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	// maxCool bounds a cool-down: a plan's window may last a day, but whether
	// it does is asked again after this time.
	maxCool = 10 * time.Minute
	// coolPermanent is the cool-down of a quota that is used up, when the
	// provider does not say for how long.
	coolPermanent = time.Minute
	// decay is the time constant with which a target's latency is forgotten.
	decay = 10 * time.Second
	// failedLatency is what a failed call counts for at least: a target that
	// fails at once must not look quick.
	failedLatency = 5 * time.Second
)

// Health is what is remembered of one target between calls: until when it asked
// to be left alone, and how quick it is. It outlives the table that its target
// belongs to. The zero value is ready; it is safe for concurrent use.
type Health struct {
	cool  atomic.Int64 // Unix nanoseconds; passed over until then
	unary latency      // time to the whole answer
	first latency      // time to a stream's first event
}

// Failed notes how the target failed: a rate limit with a wait, or a quota that
// is used up, lets it rest. What the gateway itself refused, without an attempt,
// says nothing: its own gates open within moments.
func (h *Health) Failed(e *llm.Error, now time.Time) {
	if h == nil || e.Kind != llm.KindUpstreamRateLimited || e.Attempts == 0 {
		return
	}
	wait := e.RetryAfter
	if wait <= 0 && e.Permanent {
		wait = coolPermanent
	}
	if wait <= 0 {
		return
	}
	until := now.Add(min(wait, maxCool)).UnixNano()
	for {
		old := h.cool.Load()
		if old >= until || h.cool.CompareAndSwap(old, until) {
			return
		}
	}
}

// resting returns until when the target is to be left alone, in Unix
// nanoseconds; 0 = it is not. now is asked only when there was a cool-down.
func (h *Health) resting(now func() time.Time) int64 {
	if h == nil {
		return 0
	}
	until := h.cool.Load()
	if until == 0 {
		return 0
	}
	if until > now().UnixNano() {
		return until
	}
	h.cool.CompareAndSwap(until, 0)
	return 0
}

// of returns the latency of calls like this one.
func (h *Health) of(stream bool) *latency {
	if stream {
		return &h.first
	}
	return &h.unary
}

// latency is a peak-EWMA: a slower sample counts in full at once, quicker ones
// by and by, and without samples it decays towards zero, so that a target that
// was slow is tried again.
type latency struct {
	mu      sync.Mutex
	value   float64 // seconds
	at      time.Time
	pending int // calls under way
}

// begin counts a call in.
func (l *latency) begin() {
	l.mu.Lock()
	l.pending++
	l.mu.Unlock()
}

// end counts a call out with the time that it took; below zero the call says
// nothing of the target.
func (l *latency) end(took time.Duration, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending--
	if took < 0 {
		return
	}
	sample := took.Seconds()
	if l.at.IsZero() || sample >= l.decayed(now) {
		l.value = sample
	} else {
		w := math.Exp(-max(now.Sub(l.at).Seconds(), minGap) / decay.Seconds())
		l.value = l.value*w + sample*(1-w)
	}
	l.at = now
}

// minGap is the least time, in seconds, that a sample stands for: under load
// samples follow one another within microseconds, and each must count.
const minGap = 0.1

func (l *latency) decayed(now time.Time) float64 {
	return l.value * math.Exp(-max(now.Sub(l.at).Seconds(), 0)/decay.Seconds())
}

// unknown is what a target without any sample costs while calls are under way
// there: more than any that is known, so that one call explores and not all.
const unknown = 1e6

// cost is what one more call would meet: the latency times the calls under way.
func (l *latency) cost(now time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at.IsZero() {
		return unknown * float64(l.pending)
	}
	return l.decayed(now) * float64(l.pending+1)
}
