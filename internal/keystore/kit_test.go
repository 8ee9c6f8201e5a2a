package keystore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite" // the driver

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sqliteDB opens a file as the ledger does.
func sqliteDB(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// engines are empty stores of each kind that need no server.
func engines(t *testing.T) map[string]Store {
	return map[string]Store{
		"memory": &Memory{},
		"sqlite": NewSQLite(sqliteDB(t, filepath.Join(t.TempDir(), "keys.db"))),
	}
}

func sample(name string) Key {
	k := Key{Name: name, Created: time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC)}
	copy(k.Hash[:], name)
	return k
}

func full(name string) Key {
	k := sample(name)
	k.Tenant, k.Models, k.Labels = "team", []string{"chat", "mock-*"}, map[string]string{"a": "b"}
	k.Limits = llm.Limits{RPS: 2.5, Burst: 7, TPM: 1000, Concurrency: 3, Day: llm.Dollar / 3, Month: 5 * llm.Dollar}
	k.Expires = k.Created.Add(time.Hour)
	return k
}

var errAway = errors.New("no connection")

// flaky is a store that can go away, and that may tell of changes.
type flaky struct {
	Memory
	mu    sync.Mutex
	away  bool
	loads int
}

func (f *flaky) set(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
}

func (f *flaky) gone() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads++
	if f.away {
		return errAway
	}
	return nil
}

func (f *flaky) Load(ctx context.Context, known int64) (Contents, error) {
	if err := f.gone(); err != nil {
		return Contents{}, err
	}
	return f.Memory.Load(ctx, known)
}

// watched is a flaky store with a line to its listeners that can be cut.
type watched struct {
	flaky
	line chan error // nil = a change; an error cuts the line
	ups  int
}

func (w *watched) Watch(ctx context.Context, changed func()) error {
	w.mu.Lock()
	w.ups++
	w.mu.Unlock()
	changed()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.line:
			if err != nil {
				return err
			}
			changed()
		}
	}
}

func names(keys []Key) string {
	var all []string
	for i := range keys {
		all = append(all, keys[i].Name)
	}
	return fmt.Sprint(all)
}
