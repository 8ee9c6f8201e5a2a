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

// SQLite is a Store in one file. Records are kept by the batch, each a JSON array
// of rows: a row of the table for each record would cost some ten times the CPU.
// The view ledger_records shows them as rows.
type SQLite struct {
	path   string
	f      flavor
	write  *sql.DB // one connection, as SQLite has one writer
	read   *sql.DB
	insert *sql.Stmt  // of a batch
	upsert *sql.Stmt  // of a row of sums
	mu     sync.Mutex // guards what follows
	buf    []byte
	args   []any
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
	s := &SQLite{path: path, f: sqliteFlavor()}
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
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.Close())
	}
	return s, nil
}

// prepare has the statements of a write parsed once, on the one connection.
func (s *SQLite) prepare(ctx context.Context) (err error) {
	const batch = "INSERT OR IGNORE INTO ledger_batches (batch, first_at, last_at, records, body) VALUES (?, ?, ?, ?, ?)"
	if s.insert, err = s.write.PrepareContext(ctx, batch); err != nil {
		return err
	}
	s.upsert, err = s.write.PrepareContext(ctx, sqliteUpsert())
	return err
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
			`CREATE TABLE ledger_batches (id INTEGER PRIMARY KEY, batch TEXT NOT NULL UNIQUE, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
				records INTEGER NOT NULL, body TEXT NOT NULL)`,
			"CREATE INDEX ledger_batches_at ON ledger_batches (last_at)",
			"DROP VIEW ledger_records", // it knew the older form of batches alone, which ledger_chunks has
			sqliteView() + " UNION ALL SELECT " + rowColumns() + " FROM ledger_batches, json_each(ledger_batches.body)",
		},
	}
}

// sqliteView shows chunks, arrays of objects, as rows.
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
	s.buf = appendRows(s.buf[:0], b.Records)
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	first, last := span(b.Records)
	res, err := tx.StmtContext(ctx, s.insert).ExecContext(ctx, b.ID, first, last, len(b.Records), string(s.buf))
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
	st := tx.StmtContext(ctx, s.upsert)
	for i := range rows {
		r := &rows[i]
		s.args = append(s.args[:0], r.Start, r.Span, r.Tenant, r.Principal, r.Route, r.Provider, r.Model)
		for _, n := range r.fields() {
			s.args = append(s.args, *n)
		}
		s.args = append(s.args, int64(r.Cost))
		if _, err := st.ExecContext(ctx, s.args...); err != nil {
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

// Trim deletes some batches whose records are all old, else merges one old day.
func (s *SQLite) Trim(ctx context.Context, before time.Time) (bool, error) {
	for _, table := range []string{"ledger_chunks", "ledger_batches"} {
		some := "DELETE FROM " + table + " WHERE id IN (SELECT id FROM " + table + " WHERE last_at < ? ORDER BY last_at LIMIT 20)" //nolint:gosec // one of the two names above
		res, err := s.write.ExecContext(ctx, some, before.UnixMicro())
		if err != nil {
			return false, err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return n > 0, err
		}
	}
	return s.f.mergeOldest(ctx, s.write, before)
}

// Close closes the file.
func (s *SQLite) Close() error {
	var errs []error
	for _, st := range []*sql.Stmt{s.insert, s.upsert} {
		if st != nil {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(append(errs, s.read.Close(), s.write.Close())...)
}
