package monitor

import (
	"math/bits"
	"time"
)

const (
	// octave0 is the power of two, in microseconds, that the first bucket ends
	// at: half a millisecond.
	octave0 = 9
	// octaves reach up to some 18 minutes; what took longer counts as that.
	octaves = 21
	// steps is in how many equal parts each octave is divided.
	steps = 4
)

// histogram counts durations in buckets that grow with them: what it answers is
// right within an eighth.
type histogram [octaves * steps]uint32

// index returns the bucket of a duration.
func index(d time.Duration) int {
	us := uint64(max(d.Microseconds(), 0))
	octave := bits.Len64(us) - 1 - octave0
	switch {
	case octave < 0:
		return 0
	case octave >= octaves:
		return octaves*steps - 1
	}
	part := us >> (octave + octave0 - 2) & (steps - 1)
	return octave*steps + int(part)
}

// edge returns where a bucket begins.
func edge(i int) time.Duration {
	octave, part := i/steps, i%steps
	return time.Duration(uint64(1)<<(octave+octave0)/steps*uint64(steps+part)) * time.Microsecond
}

func (h *histogram) add(d time.Duration) { h[index(d)]++ }

func (h *histogram) merge(o *histogram) {
	for i, n := range o {
		h[i] += n
	}
}

// quantile returns the duration below which the share q of the samples lies; 0
// without any.
func (h *histogram) quantile(q float64) time.Duration {
	var total uint64
	for _, n := range h {
		total += uint64(n)
	}
	if total == 0 {
		return 0
	}
	rank := q * float64(total)
	var below float64
	for i, n := range h {
		if n > 0 && below+float64(n) >= rank {
			width := edge(i+1) - edge(i)
			return edge(i) + time.Duration(float64(width)*(rank-below)/float64(n))
		}
		below += float64(n)
	}
	return edge(len(h))
}
