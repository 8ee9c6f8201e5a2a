package admin

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
)

const token = "adm-test-0000"

// reader is a UsageReader that remembers the questions.
type reader struct {
	rows []ledger.Row
	err  error
	got  []ledger.Query
}

func (r *reader) Usage(_ context.Context, q ledger.Query) ([]ledger.Row, error) {
	r.got = append(r.got, q)
	return r.rows, r.err
}

func clock() time.Time { return time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC) }

func ask(o Options, method, target string, header ...string) *httptest.ResponseRecorder {
	o.Now = clock
	req := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req_1")
	New(o).ServeHTTP(w, req)
	return w
}

func TestAccess(t *testing.T) {
	bearer := "Bearer " + token
	for name, tc := range map[string]struct {
		token  string
		path   string
		header []string
		want   int
	}{
		"right":             {token, "/admin/v1/usage", []string{"Authorization", bearer}, 200},
		"case of scheme":    {token, "/admin/v1/usage", []string{"Authorization", "bearer " + token}, 200},
		"none":              {token, "/admin/v1/usage", nil, 401},
		"wrong":             {token, "/admin/v1/usage", []string{"Authorization", bearer + "x"}, 401},
		"beginning":         {token, "/admin/v1/usage", []string{"Authorization", bearer[:len(bearer)-1]}, 401},
		"other scheme":      {token, "/admin/v1/usage", []string{"Authorization", "Basic " + token}, 401},
		"twice":             {token, "/admin/v1/usage", []string{"Authorization", bearer, "Authorization", bearer}, 401},
		"unknown, no token": {token, "/admin/v1/nonsense", nil, 401},
		"unknown":           {token, "/admin/v1/nonsense", []string{"Authorization", bearer}, 404},
		"switched off":      {"", "/admin/v1/usage", []string{"Authorization", "Bearer "}, 404},
	} {
		w := ask(Options{Token: tc.token, Usage: &reader{}}, "GET", tc.path, tc.header...)
		var env struct {
			Code      int
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &env); err != nil || w.Code != tc.want || env.Code != tc.want || env.RequestID != "req_1" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if strings.Contains(w.Body.String(), token) {
			t.Errorf("%s: the token is in the answer", name)
		}
	}
}

func TestQuestions(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UTC()
	}
	for query, want := range map[string]ledger.Query{
		"":                                  {From: at("2026-03-01T00:00:00Z"), To: at("2026-03-14T16:00:00Z")},
		"?from=2026-02-01&to=2026-03-01":    {From: at("2026-02-01T00:00:00Z"), To: at("2026-03-01T00:00:00Z")},
		"?from=2026-03-14T10:30:00%2B02:00": {From: at("2026-03-14T08:00:00Z"), To: at("2026-03-14T16:00:00Z")},
		"?group_by=key,day":                 {From: at("2026-03-01T00:00:00Z"), To: at("2026-03-14T16:00:00Z"), GroupBy: []ledger.Group{ledger.ByKey, ledger.ByDay}},
	} {
		r := &reader{}
		w := ask(Options{Token: token, Usage: r}, "GET", "/admin/v1/usage"+query, "Authorization", "Bearer "+token)
		if w.Code != 200 || len(r.got) == 0 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
			continue
		}
		got := r.got[len(r.got)-1]
		if !got.From.Equal(want.From) || !got.To.Equal(want.To) || !slices.Equal(got.GroupBy, want.GroupBy) {
			t.Errorf("%s: %+v, want %+v", query, got, want)
		}
	}
	for _, query := range []string{"?from=yesterday", "?from=2026-03-02&to=2026-03-01", "?group_by=colour", "?group_by=key,key", "?form=csv", "?format=xml", "?from=2026-01-01&from=2026-01-02"} {
		r := &reader{}
		w := ask(Options{Token: token, Usage: r}, "GET", "/admin/v1/usage"+query, "Authorization", "Bearer "+token)
		if w.Code != 400 || len(r.got) != 0 {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

func rows() []ledger.Row {
	return []ledger.Row{
		{Key: "=cmd()", Day: "2026-03-01", Sums: ledger.Sums{Requests: 2, Input: 10, Cost: 1_500_000_000_000}},
		{Key: "", Day: "2026-03-02", Sums: ledger.Sums{Requests: 1, Cost: 1}},
	}
}

func TestCSV(t *testing.T) {
	for _, tc := range [][]string{
		{"/admin/v1/usage?group_by=key,day&format=csv", "Accept", "application/json"},
		{"/admin/v1/usage?group_by=key,day", "Accept", "text/csv"},
	} {
		w := ask(Options{Token: token, Usage: &reader{rows: rows()}}, "GET", tc[0], "Authorization", "Bearer "+token, tc[1], tc[2])
		lines, err := csv.NewReader(w.Body).ReadAll()
		if err != nil || len(lines) != 3 {
			t.Fatal(lines, err)
		}
		last := len(lines[0]) - 1
		if lines[0][0] != "key" || lines[0][1] != "day" || lines[0][last] != "cost_usd" || lines[1][0] != "'=cmd()" || lines[1][last] != "1.5" || lines[2][last] != "0.000000000001" {
			t.Errorf("%v", lines)
		}
	}
}

func TestJSON(t *testing.T) {
	w := ask(Options{Token: token, Usage: &reader{rows: rows()}}, "GET", "/admin/v1/usage?group_by=key", "Authorization", "Bearer "+token)
	body := w.Body.String()
	for _, part := range []string{`"key":"=cmd()"`, `"key":""`, `"cost":1.5`, `"cost":0.000000000001`, `"group_by":["key"]`, `"truncated":false`} {
		if !strings.Contains(body, part) {
			t.Errorf("lacks %s: %s", part, body)
		}
	}
	if strings.Contains(body, `"tenant"`) || strings.Contains(body, `"day"`) {
		t.Errorf("names nobody asked for: %s", body)
	}
	many := make([]ledger.Row, maxRows+1)
	w = ask(Options{Token: token, Usage: &reader{rows: many}}, "GET", "/admin/v1/usage?group_by=key", "Authorization", "Bearer "+token)
	if !strings.Contains(w.Body.String(), `"truncated":true`) {
		t.Error("an answer that was cut does not say so")
	}
}

func TestLedgerGone(t *testing.T) {
	w := ask(Options{Token: token, Usage: &reader{err: errors.New("dial db.internal: refused")}}, "GET", "/admin/v1/usage", "Authorization", "Bearer "+token)
	if w.Code != 503 || strings.Contains(w.Body.String(), "db.internal") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
