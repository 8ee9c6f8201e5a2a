package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// check runs a store through what all of them must do alike. It must be empty.
func check(t *testing.T, s Store) {
	t.Helper()
	write := func(id string, r []Record) {
		t.Helper()
		for i := range r {
			r[i].tame()
		}
		if err := s.Write(t.Context(), &Batch{ID: id, Records: r}); err != nil {
			t.Fatal(err)
		}
	}
	if rows := usage(t, s, Query{}); len(rows) != 0 {
		t.Errorf("an empty store answers %v", rows)
	}
	all := recs(0, 4000) // 66 hours, so four days
	write("a", recs(0, 1500))
	write("b", recs(1500, 4000))
	if diff := cmp.Diff(totalOf(all), total(t, s)); diff != "" {
		t.Errorf("sums (-records +store):\n%s", diff)
	}
	// Every way to group gives what adding up the records by hand gives.
	var rows []rollup
	for i := range all {
		rows = append(rows, rollUp(all[i:i+1])...)
	}
	questions := []Query{
		{GroupBy: []Group{ByKey}}, {GroupBy: []Group{ByDay, ByTenant}}, {GroupBy: []Group{ByProvider, ByModel, ByRoute}},
		{GroupBy: []Group{ByDay}, Only: map[Group]string{ByKey: "key1", ByTenant: "tenant0"}},
		{From: noon.Add(90 * time.Minute), To: noon.Add(5*time.Hour + time.Second), GroupBy: []Group{ByKey}},
		{GroupBy: []Group{ByKey}, Limit: 2}, {Only: map[Group]string{ByKey: "' OR 1=1 --"}},
	}
	same := func(when string) {
		t.Helper()
		for _, q := range questions {
			want := q.total(func(yield func(*rollup) bool) {
				for i := range rows {
					if !yield(&rows[i]) {
						return
					}
				}
			})
			if got := usage(t, s, q); len(got)+len(want) > 0 && !cmp.Equal(want, got) {
				t.Errorf("%s, %+v (-records +store):\n%s", when, q, cmp.Diff(want, got))
			}
		}
	}
	same("at first")
	// Retention keeps the sums exact. Only the questions by whole days stay.
	before := noon.Add(60 * time.Hour)
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = s.Trim(t.Context(), before); err != nil || steps > 1000 {
			t.Fatalf("step %d: %v", steps, err)
		}
	}
	questions = append(questions[:4], questions[5:]...)
	same("after retention")
	late := rec(1) // a straggler for a day that has been merged
	late.tame()
	rows = append(rows, rollUp([]Record{late})...)
	write("late", []Record{late})
	same("with a straggler")
	if _, err := s.Trim(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	for more := true; more; {
		var err error
		if more, err = s.Trim(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	same("with the straggler merged")
	rich := Record{Time: noon, Principal: "rich", Attempt: 1, Cost: math.MaxInt64 - 5}
	write("rich1", []Record{rich})
	write("rich2", []Record{rich, rich})
	later := rich
	later.Time = noon.Add(time.Hour)
	write("rich3", []Record{later})
	only := Query{Only: map[Group]string{ByKey: "rich"}}
	if got := usage(t, s, only)[0]; got.Cost != math.MaxInt64 || got.Attempts != 4 {
		t.Errorf("beyond the greatest amount: %+v", got.Sums)
	}
	for more := true; more; {
		var err error
		if more, err = s.Trim(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	if got := usage(t, s, only)[0]; got.Cost != math.MaxInt64 {
		t.Errorf("merged beyond the greatest amount: %+v", got.Sums)
	}
}

func TestStores(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) { check(t, s) })
	}
}

func TestBatchIsCountedOnce(t *testing.T) {
	s := stores(t)["sqlite"]
	b := &Batch{ID: "same", Records: recs(0, 10)}
	for range 3 {
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if got := total(t, s); got != totalOf(recs(0, 10)) {
		t.Errorf("%+v", got)
	}
}

// TestRecordsAreReadable: the file shows each record as a row, whatever is in
// it, and retention deletes rows and keeps sums.
func TestRecordsAreReadable(t *testing.T) {
	s := stores(t)["sqlite"].(*SQLite)
	odd := rec(2)
	odd.Principal = "a\x00b\xff\"'" + strings.Repeat("ü", 300)
	odd.Tags = map[string]string{}
	for range 40 {
		odd.Tags[strings.Repeat("t", rand.IntN(3000))] = strings.Repeat("v\x00", 3000)
	}
	odd.tame()
	if err := s.Write(t.Context(), &Batch{ID: "x", Records: []Record{rec(1), odd}}); err != nil {
		t.Fatal(err)
	}
	var id, key, tag string
	var took float64
	var size, n int64
	row := s.read.QueryRowContext(t.Context(), "SELECT request_id, principal, took_ms, length(tags) FROM ledger_records WHERE request_id = 'req_2'")
	if err := row.Scan(&id, &key, &took, &size); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(key, "a\ufffdb\ufffd\"'üü") || len(key) > maxName+10 || took != 2000 || size > maxPairs*(maxName+3*maxValue) {
		t.Errorf("%q, %v, %d", key, took, size)
	}
	row = s.read.QueryRowContext(t.Context(), "SELECT json_extract(labels, '$.team'), COUNT(*) OVER () FROM ledger_records WHERE json_extract(tags, '$.x') = 'y'")
	if err := row.Scan(&tag, &n); err != nil || tag != `a"b` || n != 1 {
		t.Errorf("%q, %d, %v", tag, n, err)
	}
	if more, err := s.Trim(t.Context(), noon.Add(time.Hour)); err != nil || !more {
		t.Fatal(more, err)
	}
	if err := s.read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM ledger_records").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d records stay, %v", n, err)
	}
}

func TestEncodedRecordsAreJSON(t *testing.T) {
	for n := range 30 {
		r := rec(n)
		r.tame()
		var got struct {
			At       int64
			Took     float64 `json:"took_ms"`
			Answered float64 `json:"answered_ms"`
			Input    int64
			Source   string `json:"usage_source"`
			Labels   map[string]string
		}
		if err := json.Unmarshal(appendRecord(nil, &r), &got); err != nil {
			t.Fatal(err)
		}
		if got.At != r.Time.UnixMicro() || got.Took != 2000 || got.Answered != 1.5 || got.Input != r.Usage.Input || got.Source != r.Usage.Source.String() || got.Labels["team"] != `a"b` {
			t.Errorf("%d: %+v", n, got)
		}
	}
	if b := appendRecords(nil, nil); string(b) != "[]" {
		t.Errorf("%s", b)
	}
}

// TestMigrationsAtOnce: several processes may open the same new file.
func TestMigrationsAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			s, err := OpenSQLite(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Write(t.Context(), &Batch{ID: string(rune('a' + i)), Records: recs(i, i+1)}); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := total(t, s); got != totalOf(recs(0, 6)) {
		t.Errorf("%+v", got)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
}

// TestOlderFileIsBroughtUpToDate: a file from before upstream_dialect keeps its
// records, and shows the column of new ones.
func TestOlderFileIsBroughtUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	old := rec(1)
	old.UpstreamDialect = 0
	body := string(appendRecords(nil, []Record{old}))
	const before = "DROP VIEW ledger_records; DROP TABLE ledger_batches; CREATE VIEW ledger_records AS SELECT 1; DELETE FROM ledger_schema WHERE version > 4"
	if _, err := s.write.ExecContext(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	const chunk = "INSERT INTO ledger_chunks (batch, first_at, last_at, records, body) VALUES ('old', ?1, ?1, 1, ?2)"
	if _, err := s.write.ExecContext(t.Context(), chunk, old.Time.UnixMicro(), body); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = OpenSQLite(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(t.Context(), &Batch{ID: "new", Records: []Record{rec(2)}}); err != nil {
		t.Fatal(err)
	}
	var got string
	const ask = "SELECT group_concat(request_id || ' ' || dialect || ' ' || coalesce(upstream_dialect, 'NULL')) FROM (SELECT * FROM ledger_records ORDER BY at)"
	if err := s.read.QueryRowContext(t.Context(), ask).Scan(&got); err != nil || got != "req_1 openai NULL,req_2 openai anthropic" {
		t.Errorf("%q, %v", got, err)
	}
	for range 2 { // one of each form
		if more, err := s.Trim(t.Context(), noon.Add(time.Hour)); err != nil || !more {
			t.Error(more, err)
		}
	}
	var left int
	if err := s.read.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM ledger_records").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d records stay, %v", left, err)
	}
}

// TestBothFormsShowTheSame: a record reads the same, column by column, as an
// object (PostgreSQL, older files) and as a row.
func TestBothFormsShowTheSame(t *testing.T) {
	s := stores(t)["sqlite"].(*SQLite)
	records := append(recs(0, 30), Record{Time: noon.Add(-time.Hour)}, Record{Time: noon.Add(-2 * time.Hour), Cache: "hit", Outcome: "complete"},
		Record{Time: noon.Add(-3 * time.Hour), Tags: map[string]string{"a": "\"'\x00ü"}, Took: time.Microsecond, Answered: time.Microsecond})
	if err := s.Write(t.Context(), &Batch{ID: "rows", Records: records}); err != nil {
		t.Fatal(err)
	}
	const chunk = "INSERT INTO ledger_chunks (batch, first_at, last_at, records, body) VALUES ('objects', 0, 0, 1, ?)"
	if _, err := s.write.ExecContext(t.Context(), chunk, string(appendRecords(nil, records))); err != nil {
		t.Fatal(err)
	}
	var all, kinds int
	const ask = "SELECT COUNT(*), (SELECT COUNT(*) FROM (SELECT DISTINCT * FROM ledger_records)) FROM ledger_records"
	if err := s.read.QueryRowContext(t.Context(), ask).Scan(&all, &kinds); err != nil || all != 2*len(records) || kinds != len(records) {
		t.Errorf("%d rows of %d kinds, of %d records; %v", all, kinds, len(records), err)
	}
}

func TestNewerSchemaIsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	s, err := OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.write.ExecContext(t.Context(), "INSERT INTO ledger_schema VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := OpenSQLite(t.Context(), path); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("%v, %v", s, err)
	}
}

func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("this is no database, but it is long enough to be taken for one"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "no", "such", "x.db"), dir, file, filepath.Join(file, "x.db")} {
		if s, err := Open(context.WithoutCancel(t.Context()), path); err == nil {
			t.Errorf("%s opens as %v", path, s)
		}
	}
}

func TestOpenByName(t *testing.T) {
	if s, err := Open(t.Context(), InMemory); err != nil || s.String() != "memory" {
		t.Error(s, err)
	}
	s, err := Open(t.Context(), "postgres://u:hidden-pw@127.0.0.1:1/db?connect_timeout=1")
	if err != nil || s.String() != "postgres 127.0.0.1:1/db" {
		t.Fatal(s, err)
	}
	defer s.Close()
	err = s.Write(t.Context(), &Batch{ID: "x", Records: recs(0, 1)})
	if err == nil || refused(err) || strings.Contains(err.Error(), "hidden-pw") {
		t.Errorf("a server that is not there: %v", err)
	}
	if _, err := s.Usage(t.Context(), Query{}); err == nil {
		t.Error("a server that is not there answers")
	}
	if _, err := Open(t.Context(), "postgres://u:hidden-pw@host:notaport/db"); err == nil || strings.Contains(err.Error(), "hidden-pw") {
		t.Errorf("%v", err)
	}
}

// TestMemoryIsBounded: many keys over many hours; the sums of what is kept stay
// right, and the newest is kept.
func TestMemoryIsBounded(t *testing.T) {
	m := &Memory{}
	var newest Sums
	for h := range 40 {
		var b []Record
		for k := range 1000 {
			r := rec(k)
			r.Time, r.Principal = noon.Add(time.Duration(h)*time.Hour), string(rune('a'+k%26))+time.Duration(k).String()
			b = append(b, r)
		}
		newest = totalOf(b)
		if err := m.Write(t.Context(), &Batch{ID: "x", Records: b}); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.rows) > memoryRows || len(m.records) > memoryRecords {
		t.Errorf("%d rows, %d records", len(m.rows), len(m.records))
	}
	last := usage(t, m, Query{From: noon.Add(39 * time.Hour)})
	if len(last) != 1 || last[0].Sums != newest {
		t.Errorf("%+v, want %+v", last, newest)
	}
	if m.records[(m.next+memoryRecords-1)%memoryRecords].RequestID != "req_999" {
		t.Error("the newest record is not the last")
	}
}

func TestJoinCost(t *testing.T) {
	for _, n := range []int64{0, 1, costPart - 1, costPart, 123_456_789_012, math.MaxInt64 / 2} {
		if got := joinCost(n/costPart, n%costPart); got != llm.Money(n) {
			t.Errorf("%d became %d", n, got)
		}
	}
	if joinCost(math.MaxInt64, math.MaxInt64) != math.MaxInt64 {
		t.Error("overflow")
	}
}

func TestRefused(t *testing.T) {
	if !refused(refusal{errors.New("x")}) || refused(sql.ErrNoRows) || refused(nil) {
		t.Error("refused")
	}
}
