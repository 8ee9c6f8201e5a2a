package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// SQLite is a Store in one file. Records are kept as chunks, a JSON array for
// each batch: a row for each record would cost some ten times the CPU. The view
// ledger_records shows them as rows.
type SQLite struct {
	path   string
	f      flavor
	write  *sql.DB // one connection, as SQLite has one writer
	read   *sql.DB
	mu     sync.Mutex // guards buf
	buf    []byte
	upsert string
}

// OpenSQLite opens a database file, and makes it if it is not there, readable
// for its owner alone. It fails when the file cannot be written.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own setting
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	s := &SQLite{path: path, f: sqliteFlavor(), upsert: sqliteUpsert()}
	if s.write, err = sql.Open("sqlite", sqliteName(path, "_txlock=immediate")); err != nil {
		return nil, err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", sqliteName(path, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(err, s.write.Close())
	}
	s.read.SetMaxOpenConns(2)
	if err := migrate(ctx, s.write, &s.f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.Close())
	}
	return s, nil
}

// sqliteName is the driver's name for a file: WAL, so that questions do not
// keep the writer waiting; a sync for each commit, so that what is committed
// outlives a power cut; another process's lock is waited for. Pages are larger
// than usual, as a chunk of 200 kB in pages of 4 kB costs a system call each.
func sqliteName(path, more string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	u.RawQuery = "_pragma=busy_timeout(5000)&_pragma=page_size(16384)&_pragma=wal_autocheckpoint(250)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&" + more
	return u.String()
}

func sqliteFlavor() flavor {
	return flavor{
		placeholder: func(int) string { return "?" },
		migrations: []string{
			`CREATE TABLE ledger_chunks (id INTEGER PRIMARY KEY, batch TEXT NOT NULL UNIQUE, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
				records INTEGER NOT NULL, body TEXT NOT NULL)`,
			"CREATE INDEX ledger_chunks_at ON ledger_chunks (last_at)",
			rollupTable("INTEGER"),
			sqliteView(),
			"DROP VIEW ledger_records", // it had no upstream_dialect
			sqliteView(),
		},
	}
}

// sqliteView shows chunks as rows.
func sqliteView() string {
	var columns []string
	for _, c := range recordColumns {
		name, _, _ := strings.Cut(c, " ")
		columns = append(columns, fmt.Sprintf("json_extract(value, '$.%[1]s') AS %[1]s", name))
	}
	return "CREATE VIEW ledger_records AS SELECT " + strings.Join(columns, ", ") + " FROM ledger_chunks, json_each(ledger_chunks.body)"
}

func sqliteUpsert() string {
	marks := strings.TrimSuffix(strings.Repeat("?, ", 7+len(sumColumns)+1), ", ")
	return "INSERT INTO ledger_rollups (" + dimColumns + ", " + strings.Join(sumColumns, ", ") + ", cost) VALUES (" + marks + ")" + addRollup()
}

// String names the file.
func (s *SQLite) String() string { return "sqlite " + s.path }

// Write commits a batch.
func (s *SQLite) Write(ctx context.Context, b *Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = appendRecords(s.buf[:0], b.Records)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	first, last := span(b.Records)
	const chunk = "INSERT OR IGNORE INTO ledger_chunks (batch, first_at, last_at, records, body) VALUES (?, ?, ?, ?, ?)"
	res, err := tx.ExecContext(ctx, chunk, b.ID, first, last, len(b.Records), string(s.buf))
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err // it had been committed
	}
	if err := s.addRows(ctx, tx, rollUp(b.Records)); err != nil {
		return err
	}
	return tx.Commit()
}

func (s *SQLite) addRows(ctx context.Context, tx *sql.Tx, rows []rollup) error {
	st, err := tx.PrepareContext(ctx, s.upsert)
	if err != nil {
		return err
	}
	defer st.Close()
	for i := range rows {
		r := &rows[i]
		args := []any{r.Start, r.Span, r.Tenant, r.Principal, r.Route, r.Provider, r.Model}
		for _, n := range r.fields() {
			args = append(args, *n)
		}
		if _, err := st.ExecContext(ctx, append(args, int64(r.Cost))...); err != nil {
			return err
		}
	}
	return nil
}

// span returns the times of the oldest and the newest record, in microseconds.
func span(records []Record) (first, last int64) {
	for i := range records {
		at := records[i].Time.UnixMicro()
		if i == 0 || at < first {
			first = at
		}
		if i == 0 || at > last {
			last = at
		}
	}
	return first, last
}

// Usage answers from the sums.
func (s *SQLite) Usage(ctx context.Context, q Query) ([]Row, error) { return s.f.usage(ctx, s.read, q) }

// Trim deletes some chunks whose records are all old, else merges one old day.
func (s *SQLite) Trim(ctx context.Context, before time.Time) (bool, error) {
	const some = "DELETE FROM ledger_chunks WHERE id IN (SELECT id FROM ledger_chunks WHERE last_at < ? ORDER BY last_at LIMIT 20)"
	res, err := s.write.ExecContext(ctx, some, before.UnixMicro())
	if err != nil {
		return false, err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return n > 0, err
	}
	return s.f.mergeOldest(ctx, s.write, before)
}

// Close closes the file.
func (s *SQLite) Close() error { return errors.Join(s.read.Close(), s.write.Close()) }
