package main

import (
	"fmt"
	"slices"
	"time"
)

// caseResult is what came of one case.
type caseResult struct {
	Case string `json:"case"`
	Kind string `json:"kind"` // load, hold, transport or start
	Rows []*row `json:"rows"`

	Yardstick string `json:"yardstick,omitempty"` // whom the others are divided by; "" = the proxy
}

func (r *caseResult) yardstick() string {
	if r.Yardstick != "" {
		return r.Yardstick
	}
	return yardstick
}

// row gathers one contender's runs of one case: one value a round.
type row struct {
	Name     string    `json:"name"`
	Good     int       `json:"good"`
	Bad      int       `json:"bad"`
	FirstBad string    `json:"first_bad,omitempty"`
	CPU      []float64 `json:"cpu_ms,omitempty"` // of the server's process for each good answer
	Rate     []float64 `json:"rate,omitempty"`   // good answers a second
	P50      []float64 `json:"p50_ms,omitempty"`
	P99      []float64 `json:"p99_ms,omitempty"`
	Longest  []float64 `json:"longest_ms,omitempty"`
	PeakMB   []float64 `json:"peak_mb,omitempty"`
	Open     []float64 `json:"open,omitempty"`      // streams that were open at once
	StreamKB []float64 `json:"stream_kb,omitempty"` // resident memory for each of them
	IdleMB   []float64 `json:"idle_mb,omitempty"`
	StartMS  []float64 `json:"start_ms,omitempty"` // from the process's start to the first answer
	BinaryMB float64   `json:"binary_mb,omitempty"`
	Dials    []float64 `json:"dials,omitempty"` // connections opened for a thousand answers
}

func newCaseResult(c testCase, kind string) *caseResult { return &caseResult{Case: c.name, Kind: kind} }

func (r *caseResult) rowsFor(k []contender) []*row {
	for _, c := range k {
		r.Rows = append(r.Rows, &row{Name: c.name})
	}
	return r.Rows
}

func (r *caseResult) row(name string) *row {
	for _, w := range r.Rows {
		if w.Name == name {
			return w
		}
	}
	return nil
}

// add takes the result of a run in.
func (r *row) add(res *result, cpu time.Duration, peakKB int64) {
	r.Good += res.good
	r.Bad += res.bad
	if r.FirstBad == "" && res.firstBad != nil {
		r.FirstBad = res.firstBad.Error()
	}
	perAnswer := 0.0 // stands for no answer; ratios leave it out
	if res.good > 0 {
		perAnswer = ms(cpu) / float64(res.good)
	}
	r.CPU = append(r.CPU, perAnswer)
	r.Rate = append(r.Rate, res.rate())
	r.P50 = append(r.P50, ms(res.quantile(.5)))
	r.P99 = append(r.P99, ms(res.quantile(.99)))
	r.Longest = append(r.Longest, ms(res.quantile(1)))
	r.PeakMB = append(r.PeakMB, mb(peakKB))
}

// order is the sequence of n contenders in a round: each begins in its turn,
// and every second round runs backwards, so that a machine that slows down or
// speeds up favours none.
func order(n, round int) []int {
	seq := make([]int, n)
	for i := range seq {
		seq[i] = (i + round/2) % n
	}
	if round%2 == 1 {
		slices.Reverse(seq)
	}
	return seq
}

// ratios divides round by round: what disturbed the machine disturbed both. A
// round in which one of them had no answer is left out.
func ratios(v, base []float64) []float64 {
	var q []float64
	for i := range min(len(v), len(base)) {
		if v[i] > 0 && base[i] > 0 {
			q = append(q, v[i]/base[i])
		}
	}
	return q
}

// differences subtracts round by round.
func differences(v, base []float64) []float64 {
	var d []float64
	for i := range min(len(v), len(base)) {
		if v[i] > 0 && base[i] > 0 {
			d = append(d, v[i]-base[i])
		}
	}
	return d
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mb(kb int64) float64 { return float64(kb) / 1024 }

// median returns 0 for no values, the mean of the middle two for an even number.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	m := len(s) / 2
	if len(s)%2 == 0 {
		return (s[m-1] + s[m]) / 2
	}
	return s[m]
}

// spread is the least and the greatest value.
func spread(v []float64, decimals int) string {
	if len(v) == 0 {
		return "-"
	}
	low, high := extremes(v)
	return fmt.Sprintf("%.*f–%.*f", decimals, low, decimals, high)
}

// extremes are the least and the greatest of at least one value.
func extremes(v []float64) (low, high float64) { return slices.Min(v), slices.Max(v) }
