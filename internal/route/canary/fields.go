package canary

import (
	"strconv"
	"strings"
)

// The names of a tally's counts in a store: the side, then requests, errors,
// invalid, or first or latency with the number of a bucket.

// Each calls fn for every count that is not zero.
func (s *Sums) Each(fn func(field string, n int64)) {
	for side := range s {
		t, name := &s[side], Side(side).String()
		for _, c := range [...]struct {
			field string
			n     int64
		}{{"requests", t.Requests}, {"errors", t.Errors}, {"invalid", t.Invalid}} {
			if c.n != 0 {
				fn(name+":"+c.field, c.n)
			}
		}
		each(name+":first:", &t.FirstToken, fn)
		each(name+":latency:", &t.Latency, fn)
	}
}

func each(name string, h *Histogram, fn func(string, int64)) {
	for i, n := range h {
		if n != 0 {
			fn(name+strconv.Itoa(i), n)
		}
	}
}

// Set sets one count by its name. An unknown name is ignored: another version's
// replica may count more.
func (s *Sums) Set(field string, n int64) {
	side, rest, _ := strings.Cut(field, ":")
	t := &s[Baseline]
	switch side {
	case Candidate.String():
		t = &s[Candidate]
	case Baseline.String():
	default:
		return
	}
	what, bucket, _ := strings.Cut(rest, ":")
	switch what {
	case "requests":
		t.Requests = n
	case "errors":
		t.Errors = n
	case "invalid":
		t.Invalid = n
	case "first":
		t.FirstToken.set(bucket, n)
	case "latency":
		t.Latency.set(bucket, n)
	}
}

func (h *Histogram) set(bucket string, n int64) {
	if i, err := strconv.Atoi(bucket); err == nil && i >= 0 && i < len(h) {
		h[i] = n
	}
}
