package canary

import (
	"math"
	"time"
)

// Side says whose call it was.
type Side uint8

// The two sides.
const (
	Baseline Side = iota
	Candidate
	sides
)

// String returns the side's name in metrics and stores.
func (s Side) String() string {
	if s == Candidate {
		return "candidate"
	}
	return "baseline"
}

// Outcome is how one call ended, as far as it says something of the target.
type Outcome struct {
	Failed     bool          // an error that is the target's
	Invalid    bool          // it answered, but with nothing, or not the JSON that was asked for
	FirstToken time.Duration // of a stream; 0 = not known
	Latency    time.Duration // to the end of the answer; not looked at when Failed
}

const (
	// perOctave buckets double the time: one is 9 % wide, so that a quantile
	// read from them is right to within that.
	perOctave = 8
	// shortest is the upper bound of the first bucket.
	shortest = time.Millisecond
	// buckets reach to 2^20 ms, 17 minutes, beyond any deadline of a call.
	buckets = 20*perOctave + 1
)

// Histogram counts times in buckets of constant relative width.
type Histogram [buckets]int64

// add counts one time.
func (h *Histogram) add(d time.Duration) {
	i := 0
	if d > shortest {
		i = int(math.Ceil(math.Log2(float64(d)/float64(shortest)) * perOctave))
	}
	h[min(i, buckets-1)]++
}

// total returns how many times were counted.
func (h *Histogram) total() (n int64) {
	for _, c := range h {
		n += c
	}
	return n
}

// at returns the time at a rank, counted from 1: the geometric middle of its
// bucket.
func (h *Histogram) at(rank int64) time.Duration {
	var n int64
	for i, c := range h {
		if n += c; n >= rank && c > 0 {
			return time.Duration(float64(shortest) * math.Exp2((float64(i)-0.5)/perOctave))
		}
	}
	return 0
}

// Quantile returns the time below which a part q of them lies; 0 without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.total()
	if n == 0 {
		return 0
	}
	return h.at(max(int64(math.Ceil(q*float64(n))), 1))
}

// Tally counts the calls of one side.
type Tally struct {
	Requests   int64 // calls that say something of the target
	Errors     int64
	Invalid    int64 // of those without an error
	FirstToken Histogram
	Latency    Histogram
}

// add counts one call.
func (t *Tally) add(o Outcome) {
	t.Requests++
	if o.Failed {
		t.Errors++
		return
	}
	if o.Invalid {
		t.Invalid++
	}
	if o.FirstToken > 0 {
		t.FirstToken.add(o.FirstToken)
	}
	t.Latency.add(o.Latency)
}

// Add adds another tally, or takes it away when sign is -1.
func (t *Tally) Add(o *Tally, sign int64) {
	t.Requests += sign * o.Requests
	t.Errors += sign * o.Errors
	t.Invalid += sign * o.Invalid
	for i := range o.Latency {
		t.FirstToken[i] += sign * o.FirstToken[i]
		t.Latency[i] += sign * o.Latency[i]
	}
}

// Sums are the counts of one window, both sides.
type Sums [sides]Tally

// Add adds another window's sums, or takes them away when sign is -1.
func (s *Sums) Add(o *Sums, sign int64) {
	for i := range s {
		s[i].Add(&o[i], sign)
	}
}

// Empty reports whether nothing was counted.
func (s *Sums) Empty() bool { return s[Baseline].Requests == 0 && s[Candidate].Requests == 0 }
