package keystore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
)

// flavor is where the two SQL engines differ.
type flavor struct {
	lock   string // serialises migrations within a transaction; "" = the transaction does
	notify string // tells those who listen, within a transaction; "" = nobody does
	dollar bool   // placeholders are $1, $2…
}

// migrations, in order; the number of those that were applied is kept. What
// they say is the same in both engines: INTEGER and BIGINT hold 64 bits in
// SQLite.
var migrations = []string{
	`CREATE TABLE gateway_keys (name TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, body TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL)`,
	`CREATE TABLE gateway_keys_version (version BIGINT NOT NULL)`,
	`INSERT INTO gateway_keys_version (version) VALUES (0)`,
}

// SQL is a Store in a database that someone else has opened. The database need
// not answer when it is made: the tables are made before the first use.
type SQL struct {
	db *sql.DB
	f  flavor

	mu       sync.Mutex
	migrated bool
}

// NewSQLite returns the store in an SQLite file, of which db must be a
// connection that writes and whose transactions begin IMMEDIATE.
func NewSQLite(db *sql.DB) *SQL { return &SQL{db: db} }

// prepare makes the tables, once. Several processes may do so at once.
func (s *SQL) prepare(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.migrated {
		return nil
	}
	err := s.within(ctx, func(tx *sql.Tx) error { return s.migrate(ctx, tx) })
	s.migrated = err == nil
	return err
}

func (s *SQL) migrate(ctx context.Context, tx *sql.Tx) error {
	if s.f.lock != "" {
		if _, err := tx.ExecContext(ctx, s.f.lock); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS gateway_keys_schema (version INTEGER NOT NULL)"); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(version), 0) FROM gateway_keys_schema").Scan(&version); err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the tables of keys were made by a newer version of the program (schema %d, known %d)", version, len(migrations))
	}
	for i, m := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, m); err != nil {
			return fmt.Errorf("migration %d of the keys: %w", version+i+1, err)
		}
		if _, err := tx.ExecContext(ctx, s.bind("INSERT INTO gateway_keys_schema (version) VALUES (?)"), version+i+1); err != nil {
			return err
		}
	}
	return nil
}

// bind writes placeholders as the engine has them.
func (s *SQL) bind(query string) string {
	if !s.f.dollar {
		return query
	}
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func (s *SQL) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Load returns all keys. The version is read first: what changes between the
// two questions is read again the next time.
func (s *SQL) Load(ctx context.Context, known int64) (Contents, error) {
	var c Contents
	if err := s.prepare(ctx); err != nil {
		return c, err
	}
	if err := s.db.QueryRowContext(ctx, "SELECT version FROM gateway_keys_version").Scan(&c.Version); err != nil || c.Version == known {
		return c, err
	}
	rows, err := s.db.QueryContext(ctx, "SELECT name, hash, body, created_at, expires_at FROM gateway_keys ORDER BY name")
	if err != nil {
		return c, err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.name, &r.hash, &r.body, &r.created, &r.expires); err != nil {
			return Contents{}, err
		}
		k, err := r.key()
		if err != nil {
			c.Unreadable = append(c.Unreadable, r.name)
			continue
		}
		c.Keys = append(c.Keys, k)
	}
	return c, rows.Err()
}

// Insert adds a key.
func (s *SQL) Insert(ctx context.Context, k Key) error {
	r, err := k.row()
	if err != nil {
		return err
	}
	const insert = "INSERT INTO gateway_keys (name, hash, body, created_at, expires_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
	return s.change(ctx, ErrExists, insert, r.name, r.hash, r.body, r.created, r.expires)
}

// Delete takes a key away.
func (s *SQL) Delete(ctx context.Context, name string) error {
	return s.change(ctx, ErrUnknown, "DELETE FROM gateway_keys WHERE name = ?", name)
}

// change performs a statement that concerns one key, and tells everyone;
// without one it returns none.
func (s *SQL) change(ctx context.Context, none error, query string, args ...any) error {
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.within(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, s.bind(query), args...)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			return none
		}
		if _, err := tx.ExecContext(ctx, "UPDATE gateway_keys_version SET version = version + 1"); err != nil {
			return err
		}
		if s.f.notify == "" {
			return nil
		}
		_, err = tx.ExecContext(ctx, s.f.notify)
		return err
	})
}
