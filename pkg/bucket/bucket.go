// Package bucket is a token bucket whose requests have different costs, as
// tokens per minute need: an estimate is reserved before a call, the rest is
// given back or the excess charged after it. The arithmetic is exact: over any
// span no more is granted than burst plus what flowed in, to the last unit.
package bucket

import (
	"math"
	"math/bits"
	"sync"
	"time"
)

// Never is the wait for a cost that no time makes affordable.
const Never = time.Duration(math.MaxInt64)

// Options makes a Bucket.
type Options struct {
	Limit int64         // units that flow in during each Period; more than 0
	Per   time.Duration // the period; 0 = one second
	Burst int64         // the most that can be saved up; 0 = Limit

	// MaxDebt bounds how far Charge can take the level below zero, so that one
	// wrong estimate does not shut a caller out for long; 0 = Burst.
	MaxDebt int64

	// Now is the clock; nil = time.Now.
	Now func() time.Time
}

// Bucket starts full. It is safe for concurrent use and needs no closing.
type Bucket struct {
	o     Options
	start time.Time

	mu    sync.Mutex
	level int64         // whole units; below zero is debt
	part  uint64        // of a unit, in 1/Per.Nanoseconds()
	at    time.Duration // when level was true, since start
}

// most bounds Burst and MaxDebt so that their sum cannot overflow.
const most = 1 << 61

// New makes a Bucket. A Limit below 1 counts as 1; a Burst or MaxDebt above
// 2^61 counts as 2^61.
func New(o Options) *Bucket {
	o.Limit = max(o.Limit, 1)
	if o.Per <= 0 {
		o.Per = time.Second
	}
	if o.Burst <= 0 {
		o.Burst = o.Limit
	}
	if o.MaxDebt <= 0 {
		o.MaxDebt = o.Burst
	}
	o.Burst, o.MaxDebt = min(o.Burst, most), min(o.MaxDebt, most)
	b := &Bucket{o: o, level: o.Burst, start: time.Now()}
	if o.Now != nil {
		b.start = o.Now()
	}
	return b
}

// Reserve takes n units if they are there; all or nothing. When ok is false,
// wait is the time after which the same request would be granted if no one
// else asked: Never when n is more than the bucket can hold. An n of zero or
// less is granted.
func (b *Bucket) Reserve(n int64) (wait time.Duration, ok bool) {
	if n <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	if n > b.level {
		return b.until(n), false
	}
	b.level -= n
	return 0, true
}

// GiveBack returns n units that were reserved and not used. The level does not
// rise above Burst. An n of zero or less does nothing.
func (b *Bucket) GiveBack(n int64) {
	if n <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	b.level += min(n, b.o.Burst-b.level)
	b.top()
}

// Charge takes n units that were used beyond what was reserved, whether they
// are there or not; the debt, at most MaxDebt, is paid by what flows in.
func (b *Bucket) Charge(n int64) {
	if n <= 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	b.level -= min(n, b.level+b.o.MaxDebt)
}

// Settle corrects a reservation to what was really used: it gives back the
// rest or charges the excess.
func (b *Bucket) Settle(reserved, used int64) {
	b.GiveBack(reserved - used)
	b.Charge(used - reserved)
}

// Level returns how many units can be reserved now, never less than zero, and
// the time until the bucket is full.
func (b *Bucket) Level() (remaining int64, full time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill()
	return max(b.level, 0), b.until(b.o.Burst)
}

// Burst returns the most that one request can reserve.
func (b *Bucket) Burst() int64 { return b.o.Burst }

// fill adds what has flowed in since the last time. Whole units and the exact
// remainder are kept apart, so that nothing is lost or won by rounding.
func (b *Bucket) fill() {
	now := b.now()
	if now <= b.at {
		return
	}
	elapsed, per := uint64(now-b.at), uint64(b.o.Per)
	b.at = now
	if b.level >= b.o.Burst {
		return
	}
	hi, lo := bits.Mul64(elapsed, uint64(b.o.Limit))
	lo, carry := bits.Add64(lo, b.part, 0)
	if hi += carry; hi >= per { // more units than 64 bits hold
		b.level = b.o.Burst
	} else {
		units, part := bits.Div64(hi, lo, per)
		b.part = part
		b.level += int64(min(units, uint64(b.o.Burst-b.level)))
	}
	b.top()
}

// top forgets the part of a unit that a full bucket cannot hold.
func (b *Bucket) top() {
	if b.level >= b.o.Burst {
		b.part = 0
	}
}

// until returns the least time after which n units are there: the ceiling of
// (missing·Per - part) / Limit.
func (b *Bucket) until(n int64) time.Duration {
	if n > b.o.Burst {
		return Never
	}
	if n <= b.level {
		return 0
	}
	limit := uint64(b.o.Limit)
	hi, lo := bits.Mul64(uint64(n-b.level), uint64(b.o.Per))
	lo, borrow := bits.Sub64(lo, b.part, 0)
	hi -= borrow
	lo, carry := bits.Add64(lo, limit-1, 0)
	if hi += carry; hi >= limit {
		return Never
	}
	wait, _ := bits.Div64(hi, lo, limit)
	return time.Duration(min(wait, uint64(Never)))
}

// now returns the time since the bucket was made.
func (b *Bucket) now() time.Duration {
	if b.o.Now != nil {
		return b.o.Now().Sub(b.start)
	}
	return time.Since(b.start)
}
