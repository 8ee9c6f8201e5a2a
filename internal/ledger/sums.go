package ledger

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// Seconds of the two lengths of time that sums are kept for.
const (
	hour = 3600
	day  = 24 * hour
)

// dims are the names that sums are kept by, in the order of the table's
// columns.
type dims struct{ Tenant, Principal, Route, Provider, Model string }

// slot is one row of sums: a length of time and the names.
type slot struct {
	Start int64 // Unix seconds, a multiple of Span
	Span  int64 // hour, or day once it is old
	dims
}

// Sums adds up records. Token sums hold what was reported and what was
// estimated; the latter stands beside it, so that the difference is exact.
type Sums struct {
	Requests  int64 `json:"requests"` // client requests; a retried one counts with its first attempt
	Attempts  int64 `json:"attempts"` // exchanges with providers
	Completed int64 `json:"completed"`
	Rejected  int64 `json:"rejected"` // requests that the gateway refused before any attempt
	Unpriced  int64 `json:"unpriced"` // attempts with usage but without a price: their cost is not in Cost
	Unknown   int64 `json:"unknown"`  // attempts whose usage is not known

	Input           int64 `json:"input_tokens"`
	CachedInput     int64 `json:"cached_input_tokens"` // part of Input
	CacheWrite      int64 `json:"cache_write_tokens"`  // part of Input
	Output          int64 `json:"output_tokens"`
	Reasoning       int64 `json:"reasoning_tokens"`        // part of Output
	EstimatedInput  int64 `json:"estimated_input_tokens"`  // part of Input
	EstimatedOutput int64 `json:"estimated_output_tokens"` // part of Output

	Cost llm.Money `json:"cost"` // stays at the greatest amount rather than overflow
}

// sumColumns are the columns of Sums but cost, in the order of fields.
var sumColumns = []string{
	"requests", "attempts", "completed", "rejected", "unpriced", "unknown",
	"input", "cached_input", "cache_write", "output", "reasoning", "estimated_input", "estimated_output",
}

// fields are the counts in the order of sumColumns.
func (s *Sums) fields() []*int64 {
	return []*int64{
		&s.Requests, &s.Attempts, &s.Completed, &s.Rejected, &s.Unpriced, &s.Unknown,
		&s.Input, &s.CachedInput, &s.CacheWrite, &s.Output, &s.Reasoning, &s.EstimatedInput, &s.EstimatedOutput,
	}
}

// Add adds other sums.
func (s *Sums) Add(o *Sums) {
	mine, theirs := s.fields(), o.fields()
	for i := range mine {
		*mine[i] = addUp(*mine[i], *theirs[i])
	}
	s.Cost = llm.Money(addUp(int64(s.Cost), int64(o.Cost)))
}

// addUp adds two numbers that are not negative and stays at the greatest.
func addUp(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// sumsOf are the sums of one record.
func sumsOf(r *Record) Sums {
	u := &r.Usage
	s := Sums{
		Requests: count(r.request()), Attempts: count(r.Attempt > 0),
		Completed: count(r.Outcome == "complete"), Rejected: count(r.Attempt == 0 && r.Outcome == OutcomeRejected),
		Unpriced: count(r.Unpriced), Unknown: count(r.Attempt > 0 && u.Source == llm.UsageUnknown),
		Input: u.Input, CachedInput: u.CachedInput, CacheWrite: u.CacheWrite, Output: u.Output, Reasoning: u.Reasoning,
		Cost: r.Cost,
	}
	if r.Attempt == 0 { // what its answer had cost to make is not spent again
		s.Input, s.CachedInput, s.CacheWrite, s.Output, s.Reasoning, s.Cost = 0, 0, 0, 0, 0, 0
	} else if u.Source == llm.UsageEstimated {
		s.EstimatedInput, s.EstimatedOutput = u.Input, u.Output
	}
	return s
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// rollup is a row of sums.
type rollup struct {
	slot
	Sums
}

// rollUp adds records up by the hour. The rows are sorted, so that replicas
// that write at the same time lock them in the same order.
func rollUp(records []Record) []rollup {
	index := map[slot]int{}
	var rows []rollup
	at := -1
	for i := range records {
		r := &records[i]
		k := slot{Start: floor(r.Time.Unix(), hour), Span: hour, dims: dims{r.Tenant, r.Principal, r.Route, r.Provider, r.Model}}
		ok := at >= 0 && rows[at].slot == k // neighbours are often alike, and cheaper to compare than to look up
		if !ok {
			at, ok = index[k]
		}
		if !ok {
			at = len(rows)
			index[k] = at
			rows = append(rows, rollup{slot: k})
		}
		s := sumsOf(r)
		rows[at].Add(&s)
	}
	slices.SortFunc(rows, func(a, b rollup) int { return compareSlots(a.slot, b.slot) })
	return rows
}

func compareSlots(a, b slot) int {
	return cmp.Or(
		cmp.Compare(a.Start, b.Start), cmp.Compare(a.Span, b.Span), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Principal, b.Principal),
		cmp.Compare(a.Route, b.Route), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model),
	)
}

// appendRollups appends rows as a JSON array for json_to_recordset.
func appendRollups(dst []byte, rows []rollup) []byte {
	dst = append(dst, '[')
	for i := range rows {
		r := &rows[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"slot":`...)
		dst = strconv.AppendInt(dst, r.Start, 10)
		dst = append(dst, `,"span":`...)
		dst = strconv.AppendInt(dst, r.Span, 10)
		for _, d := range []struct{ name, value string }{
			{"tenant", r.Tenant}, {"principal", r.Principal}, {"route", r.Route}, {"provider", r.Provider}, {"model", r.Model},
		} {
			dst = append(append(append(dst, `,"`...), d.name...), `":`...)
			dst = jsonedit.AppendString(dst, d.value)
		}
		for j, n := range r.fields() {
			dst = append(append(append(dst, `,"`...), sumColumns[j]...), `":`...)
			dst = strconv.AppendInt(dst, *n, 10)
		}
		dst = append(dst, `,"cost":`...)
		dst = strconv.AppendInt(dst, int64(r.Cost), 10)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// floor returns the greatest multiple of span that is not above t.
func floor(t, span int64) int64 {
	if m := t % span; m < 0 {
		return t - m - span
	} else {
		return t - m
	}
}

// dayOf is the UTC day of a slot, as questions name it.
func dayOf(start int64) string { return time.Unix(start, 0).UTC().Format(time.DateOnly) }
