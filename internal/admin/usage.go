package admin

import (
	"context"
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// UsageReader answers questions about usage; see ledger.Recorder.
type UsageReader interface {
	Usage(ctx context.Context, q ledger.Query) ([]ledger.Row, error)
}

// maxRows is how many rows an answer has at most.
const maxRows = 9_999

// usageAnswer is the body of GET /admin/v1/usage.
type usageAnswer struct {
	From      time.Time  `json:"from"`
	To        time.Time  `json:"to"`
	GroupBy   []string   `json:"group_by"`
	Rows      []usageRow `json:"rows"`
	Total     usageRow   `json:"total"`
	Truncated bool       `json:"truncated"`
}

// usageRow shows the names that were asked for, also empty ones.
type usageRow struct {
	Key      *string `json:"key,omitempty"`
	Tenant   *string `json:"tenant,omitempty"`
	Route    *string `json:"route,omitempty"`
	Provider *string `json:"provider,omitempty"`
	Model    *string `json:"model,omitempty"`
	Day      *string `json:"day,omitempty"`
	ledger.Sums
}

func (a *API) usage(w http.ResponseWriter, r *http.Request) error {
	q, err := a.query(r)
	if err != nil {
		return err
	}
	asCSV, err := wantsCSV(r)
	if err != nil {
		return err
	}
	all := q
	all.GroupBy = nil
	total, err := a.o.Usage.Usage(r.Context(), all)
	if err != nil {
		return unavailable(err)
	}
	rows := total
	if len(q.GroupBy) > 0 {
		if rows, err = a.o.Usage.Usage(r.Context(), q); err != nil {
			return unavailable(err)
		}
	}
	truncated := len(rows) > maxRows
	rows = rows[:min(len(rows), maxRows)]
	if asCSV {
		writeCSV(w, q.GroupBy, rows)
		return nil
	}
	out := usageAnswer{From: q.From, To: q.To, GroupBy: []string{}, Rows: make([]usageRow, 0, len(rows)), Truncated: truncated}
	for _, g := range q.GroupBy {
		out.GroupBy = append(out.GroupBy, g.String())
	}
	for i := range rows {
		out.Rows = append(out.Rows, shown(&rows[i], q.GroupBy))
	}
	if len(total) > 0 {
		out.Total.Sums = total[0].Sums
	}
	return answer(w, out)
}

// unavailable says that the ledger's database does not answer.
func unavailable(err error) error {
	e := llm.Errorf(llm.KindOverloaded, "the usage ledger does not answer")
	e.RetryAfter, e.Err = time.Second, err
	return e
}

// query reads the question. A parameter that it does not know is an error, so
// that a typo never widens the answer in silence.
func (a *API) query(r *http.Request) (q ledger.Query, err error) {
	now := a.o.Now().UTC()
	q = ledger.Query{From: time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), To: now, Limit: maxRows + 1}
	for name, values := range r.URL.Query() {
		if len(values) != 1 {
			return q, llm.Invalid(name, "the parameter %s comes %d times", name, len(values))
		}
		switch name {
		case "from":
			q.From, err = parseTime(values[0])
		case "to":
			q.To, err = parseTime(values[0])
		case "group_by":
			q.GroupBy, err = ledger.ParseGroups(values[0])
		case "format":
		default:
			return q, llm.Invalid(name, "there is no parameter %q; there are from, to, group_by and format", name)
		}
		if err != nil {
			return q, llm.Invalid(name, "the parameter %s: %v", name, err)
		}
	}
	if !q.From.Before(q.To) {
		return q, llm.Invalid("from", "from must be before to")
	}
	q.From = q.From.Truncate(time.Hour)
	q.To = q.To.Add(time.Hour - 1).Truncate(time.Hour)
	return q, nil
}

// parseTime reads a time or a date, in years that sums can be of.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t, err = time.Parse(time.DateOnly, s)
	}
	if err != nil {
		return t, llm.Errorf(llm.KindInvalidRequest, "%q is neither a date (2026-03-01) nor a time (2026-03-01T12:00:00Z)", s)
	}
	return t.UTC(), nil
}

func wantsCSV(r *http.Request) (bool, error) {
	switch f := r.URL.Query().Get("format"); f {
	case "csv":
		return true, nil
	case "json":
		return false, nil
	case "":
		return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/csv"), nil
	default:
		return false, llm.Invalid("format", "format must be json or csv")
	}
}

func shown(r *ledger.Row, groups []ledger.Group) usageRow {
	out := usageRow{Sums: r.Sums}
	for _, g := range groups {
		name := r.Name(g)
		switch g {
		case ledger.ByKey:
			out.Key = &name
		case ledger.ByTenant:
			out.Tenant = &name
		case ledger.ByRoute:
			out.Route = &name
		case ledger.ByProvider:
			out.Provider = &name
		case ledger.ByModel:
			out.Model = &name
		case ledger.ByDay:
			out.Day = &name
		}
	}
	return out
}

// csvColumns follow the names of the groups.
var csvColumns = []string{
	"requests", "attempts", "completed", "rejected", "unpriced", "unknown", "input_tokens", "cached_input_tokens", "cache_write_tokens",
	"output_tokens", "reasoning_tokens", "estimated_input_tokens", "estimated_output_tokens", "cost_usd",
}

func writeCSV(w http.ResponseWriter, groups []ledger.Group, rows []ledger.Row) {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="usage.csv"`)
	out := csv.NewWriter(w)
	line := make([]string, 0, len(groups)+len(csvColumns))
	for _, g := range groups {
		line = append(line, g.String())
	}
	_ = out.Write(append(line, csvColumns...)) // Flush has the error, and the operator has left
	for i := range rows {
		line = line[:0]
		for _, g := range groups {
			line = append(line, plain(rows[i].Name(g)))
		}
		s := &rows[i].Sums
		for _, n := range []int64{
			s.Requests, s.Attempts, s.Completed, s.Rejected, s.Unpriced, s.Unknown, s.Input, s.CachedInput, s.CacheWrite,
			s.Output, s.Reasoning, s.EstimatedInput, s.EstimatedOutput,
		} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		_ = out.Write(append(line, s.Cost.String()))
	}
	out.Flush()
}

// plain keeps spreadsheets from taking a name for a formula: the subject of a
// token may be any text.
func plain(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
