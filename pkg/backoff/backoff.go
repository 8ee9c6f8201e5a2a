// Package backoff says how long to wait before a repeated attempt:
// exponentially longer, spread by full jitter so that callers which failed
// together do not come back together. It owns no state and no goroutine.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// What a zero Backoff uses.
const (
	DefaultBase = 250 * time.Millisecond
	DefaultCap  = 8 * time.Second
)

// Backoff computes delays. The zero value is ready to use; it is safe for
// concurrent use if Rand is.
type Backoff struct {
	Base time.Duration // upper bound of the first delay; 0 = DefaultBase
	Cap  time.Duration // upper bound of every delay; 0 = DefaultCap

	// Rand returns a number uniformly from [0, n), n > 0; nil = math/rand/v2.
	Rand func(n int64) int64
}

// Delay returns the wait before retry n, n = 0 being the first: uniform in
// [0, min(Cap, Base·2ⁿ)]. A negative n counts as 0.
func (b Backoff) Delay(n int) time.Duration {
	return b.Jitter(b.Ceiling(n))
}

// Ceiling returns the longest wait before retry n: min(Cap, Base·2ⁿ).
func (b Backoff) Ceiling(n int) time.Duration {
	base, limit := b.Base, b.Cap
	if base <= 0 {
		base = DefaultBase
	}
	if limit <= 0 {
		limit = DefaultCap
	}
	n = max(n, 0)
	// Shifting the cap down instead of the base up cannot overflow.
	if base > limit>>n {
		return limit
	}
	return base << n
}

// Jitter returns a duration uniformly from [0, limit], 0 when limit <= 0.
func (b Backoff) Jitter(limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	pick := b.Rand
	if pick == nil {
		pick = rand.Int64N
	}
	n := int64(limit)
	if n+1 > 0 {
		n++
	}
	return time.Duration(pick(n))
}

// Wait returns nil after d, or the context's cause as soon as ctx ends. A
// context that has ended already wins over a d of zero or less.
func Wait(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
