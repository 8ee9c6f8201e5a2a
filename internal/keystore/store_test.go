package keystore

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStores(t *testing.T) {
	for name, s := range engines(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			empty, err := s.Load(ctx, -1)
			if err != nil || len(empty.Keys) != 0 || empty.Version < 0 {
				t.Fatalf("%+v, %v", empty, err)
			}
			for _, k := range []Key{full("b"), sample("a")} {
				if err := s.Insert(ctx, k); err != nil {
					t.Fatal(err)
				}
			}
			twin := sample("c")
			twin.Hash = sample("a").Hash
			for _, k := range []Key{sample("a"), twin} {
				if err := s.Insert(ctx, k); !errors.Is(err, ErrExists) {
					t.Errorf("%s: %v", k.Name, err)
				}
			}
			c, err := s.Load(ctx, empty.Version)
			if err != nil || c.Version == empty.Version {
				t.Fatalf("%+v, %v", c, err)
			}
			if d := cmp.Diff([]Key{sample("a"), full("b")}, c.Keys); d != "" {
				t.Error(d)
			}
			if same, err := s.Load(ctx, c.Version); err != nil || same.Version != c.Version || same.Keys != nil {
				t.Errorf("what is known is read again: %+v, %v", same, err)
			}
			if err := s.Delete(ctx, "a"); err != nil {
				t.Error(err)
			}
			if err := s.Delete(ctx, "a"); !errors.Is(err, ErrUnknown) {
				t.Error(err)
			}
			if c, err := s.Load(ctx, c.Version); err != nil || names(c.Keys) != "[b]" {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

// What was committed is there for the next process, and tables are made once
// however many begin at once.
func TestSQLiteIsDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	// The file's change to a write-ahead log waits for nobody; the store that
	// the ledger lends out has made it before.
	if err := sqliteDB(t, path).PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := NewSQLite(sqliteDB(t, path)).Insert(t.Context(), sample(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	c, err := NewSQLite(sqliteDB(t, path)).Load(t.Context(), -1)
	if err != nil || names(c.Keys) != "[0 1 2 3]" || c.Version != 4 {
		t.Errorf("%+v, %v", c, err)
	}
}

// Of many who take one name, one gets it.
func TestOneNameOneKey(t *testing.T) {
	for name, s := range engines(t) {
		var won atomic.Int64
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				k := sample("app")
				k.Hash[0] = byte(i)
				switch err := s.Insert(t.Context(), k); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, ErrExists):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d have it", name, won.Load())
		}
	}
}

func TestUnreadableKeys(t *testing.T) {
	db := sqliteDB(t, filepath.Join(t.TempDir(), "keys.db"))
	s := NewSQLite(db)
	if err := s.Insert(t.Context(), sample("good")); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"newer": `{"limits":{},"only_from":"10.0.0.0/8"}`, "limit": `{"limits":{"rpm":5}}`, "broken": `{`} {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO gateway_keys VALUES (?, ?, ?, 1, 0)", name, fmt.Sprintf("%064x", len(name)*1000+int(name[0])), body); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO gateway_keys VALUES ('hash', 'xyz', '{}', 1, 0)"); err != nil {
		t.Fatal(err)
	}
	c, err := s.Load(t.Context(), -1)
	if err != nil || names(c.Keys) != "[good]" || fmt.Sprint(c.Unreadable) != "[broken hash limit newer]" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestNewerTables(t *testing.T) {
	db := sqliteDB(t, filepath.Join(t.TempDir(), "keys.db"))
	if err := NewSQLite(db).Insert(t.Context(), sample("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO gateway_keys_schema (version) VALUES (99)"); err != nil {
		t.Fatal(err)
	}
	if _, err := NewSQLite(db).Load(t.Context(), -1); err == nil {
		t.Error("tables of a newer version are used")
	}
}

func TestPlaceholders(t *testing.T) {
	p := NewPostgres(nil, "")
	if got := p.bind("a ? b ?"); got != "a $1 b $2" {
		t.Error(got)
	}
}

// FuzzRow: whatever stands in a row, it is read as a key that is written the
// same again, or not at all.
func FuzzRow(f *testing.F) {
	k := full("app")
	r, err := k.row()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.name, r.hash, r.body, r.expires)
	f.Add("x", "", `{"limits":{"rps":1}}`, int64(0))
	f.Fuzz(func(t *testing.T, name, hash, body string, expires int64) {
		r := row{name: name, hash: hash, body: body, expires: expires}
		k, err := r.key()
		if err != nil {
			return
		}
		again, err := k.row()
		if err != nil {
			t.Fatal(err)
		}
		if l, err := again.key(); err != nil || !cmp.Equal(k.Limits, l.Limits) || l.Hash != k.Hash || l.Tenant != k.Tenant || len(l.Models) != len(k.Models) {
			t.Fatalf("%+v became %+v, %v", k, l, err)
		}
	})
}
