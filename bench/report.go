package main

import (
	"fmt"
	"strings"
)

// yardstick is the contender that the others are compared with.
const yardstick = "proxy"

// markdown renders a case as a heading and a table.
func (r *caseResult) markdown() string {
	var t table
	switch r.Kind {
	case "hold":
		t = r.holdTable()
	case "start":
		t = r.startTable()
	case "transport":
		t = r.transportTable()
	default:
		t = r.loadTable()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s", r.Case, t.markdown())
	for _, w := range r.Rows {
		if w.FirstBad != "" {
			fmt.Fprintf(&b, "\nFirst bad answer of %s: `%s`\n", w.Name, strings.ReplaceAll(w.FirstBad, "`", "'"))
		}
	}
	return b.String()
}

// table is rows of cells under a head.
type table [][]string

func (t table) markdown() string {
	var b strings.Builder
	for i, cells := range t {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|--:", len(cells)-1) + "|\n")
		}
	}
	return b.String()
}

func (r *caseResult) loadTable() table {
	t := table{{"", "CPU s / 1,000", "x " + r.yardstick(), "min–max", "req/s", "p50 ms", "added", "p99 ms", "added", "longest ms", "peak MB", "good", "bad"}}
	base := r.row(r.yardstick())
	for _, w := range r.Rows {
		x, xs, d50, d99 := "-", "-", "-", "-"
		if base != nil && w != base && w.Name != "direct" {
			q := ratios(w.CPU, base.CPU)
			if len(q) > 0 { // both had an answer in some round
				x, xs = fmt.Sprintf("**%.2f**", median(q)), spread(q, 2)
				d50 = fmt.Sprintf("%+.2f", median(differences(w.P50, base.P50)))
				d99 = fmt.Sprintf("%+.0f %%", 100*(median(ratios(w.P99, base.P99))-1))
			}
		}
		t = append(t, []string{
			// CPU in ms for each answer is CPU in seconds for a thousand.
			w.Name, fmt.Sprintf("%.4f", median(w.CPU)), x, xs, fmt.Sprintf("%.0f", median(w.Rate)),
			fmt.Sprintf("%.2f", median(w.P50)), d50, fmt.Sprintf("%.2f", median(w.P99)), d99, fmt.Sprintf("%.1f", median(w.Longest)),
			fmt.Sprintf("%.1f", median(w.PeakMB)), fmt.Sprint(w.Good), fmt.Sprint(w.Bad),
		})
	}
	return t
}

func (r *caseResult) holdTable() table {
	t := table{{"", "open", "KB / stream", "min–max", "idle MB", "peak MB", "CPU ms / stream", "x proxy", "whole", "bad"}}
	base := r.row(yardstick)
	for _, w := range r.Rows {
		x := "-"
		if base != nil && w != base {
			x = fmt.Sprintf("%.2f", median(ratios(w.CPU, base.CPU)))
		}
		t = append(t, []string{
			w.Name, fmt.Sprintf("%.0f", median(w.Open)), fmt.Sprintf("**%.1f**", median(w.StreamKB)), spread(w.StreamKB, 1),
			fmt.Sprintf("%.1f", median(w.IdleMB)), fmt.Sprintf("%.1f", median(w.PeakMB)), fmt.Sprintf("%.3f", median(w.CPU)), x,
			fmt.Sprint(w.Good), fmt.Sprint(w.Bad),
		})
	}
	return t
}

func (r *caseResult) startTable() table {
	t := table{{"", "start to first answer, ms", "min–max", "idle MB", "binary MB", "good", "bad"}}
	for _, w := range r.Rows {
		size := "-"
		if w.BinaryMB > 0 {
			size = fmt.Sprintf("%.1f", w.BinaryMB)
		}
		t = append(t, []string{w.Name, fmt.Sprintf("**%.1f**", median(w.StartMS)), spread(w.StartMS, 1), fmt.Sprintf("%.1f", median(w.IdleMB)), size, fmt.Sprint(w.Good), fmt.Sprint(w.Bad)})
	}
	return t
}

func (r *caseResult) transportTable() table {
	t := table{{"pool", "calls/s", "min–max", "p50 ms", "p99 ms", "dials / 1,000", "good", "bad"}}
	for _, w := range r.Rows {
		t = append(t, []string{w.Name, fmt.Sprintf("**%.0f**", median(w.Rate)), spread(w.Rate, 0), fmt.Sprintf("%.1f", median(w.P50)),
			fmt.Sprintf("%.1f", median(w.P99)), fmt.Sprintf("%.1f", median(w.Dials)), fmt.Sprint(w.Good), fmt.Sprint(w.Bad)})
	}
	return t
}
