package keystore

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, o Options) *Keystore {
	t.Helper()
	k := Open(t.Context(), o)
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func TestKeystore(t *testing.T) {
	for name, s := range engines(t) {
		var told string
		k := open(t, Options{Store: s, Changed: func(keys []Key) { told = names(keys) }})
		if !k.Loaded() || k.Failing() || len(k.Keys()) != 0 {
			t.Fatalf("%s: %v", name, k.Keys())
		}
		for _, n := range []string{"b", "a"} {
			if err := k.Create(t.Context(), sample(n)); err != nil {
				t.Fatal(err)
			}
		}
		if names(k.Keys()) != "[a b]" || told != "[a b]" {
			t.Errorf("%s: %v, told %s", name, names(k.Keys()), told)
		}
		if err := k.Create(t.Context(), sample("a")); !errors.Is(err, ErrExists) {
			t.Error(err)
		}
		if err := k.Revoke(t.Context(), "a"); err != nil || told != "[b]" {
			t.Errorf("%s: %v, told %s", name, err, told)
		}
		if err := k.Revoke(t.Context(), "a"); !errors.Is(err, ErrUnknown) {
			t.Error(err)
		}
	}
}

// Two processes with one file: the other learns of it by asking.
func TestOthersLearnByAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &flaky{}
		a, b := Open(t.Context(), Options{Store: s}), Open(t.Context(), Options{Store: s})
		defer a.Close()
		defer b.Close()
		if err := a.Create(t.Context(), sample("app")); err != nil {
			t.Fatal(err)
		}
		if len(b.Keys()) != 0 {
			t.Fatal("known without asking")
		}
		time.Sleep(DefaultPoll * 5 / 4)
		synctest.Wait()
		if names(b.Keys()) != "[app]" {
			t.Errorf("%v", b.Keys())
		}
		if err := a.Revoke(t.Context(), "app"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(DefaultPoll * 5 / 4)
		synctest.Wait()
		if len(b.Keys()) != 0 {
			t.Errorf("%v", b.Keys())
		}
	})
}

// A store that goes away leaves the keys as they were, is told once, and is
// asked until it is back.
func TestStoreGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var ups []bool
		s := &flaky{}
		k := Open(t.Context(), Options{Store: s, Logger: slog.New(slog.NewTextHandler(&log, nil)), Up: func(ok bool) { ups = append(ups, ok) }})
		defer k.Close()
		if err := k.Create(t.Context(), sample("app")); err != nil {
			t.Fatal(err)
		}
		s.set(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if names(k.Keys()) != "[app]" || !k.Failing() || !k.Loaded() {
			t.Errorf("%v, failing %v", k.Keys(), k.Failing())
		}
		if n := strings.Count(log.String(), "does not answer"); n != 1 {
			t.Errorf("told %d times: %s", n, &log)
		}
		if err := s.Memory.Insert(t.Context(), sample("meanwhile")); err != nil {
			t.Fatal(err)
		}
		s.set(false)
		time.Sleep(DefaultPoll * 5 / 4)
		synctest.Wait()
		if names(k.Keys()) != "[app meanwhile]" || k.Failing() || !strings.Contains(log.String(), "answers again") {
			t.Errorf("%v: %s", k.Keys(), &log)
		}
		if fmt.Sprint(ups) != "[true false true]" {
			t.Errorf("%v", ups)
		}
	})
}

func TestStoreThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &flaky{away: true}
		k := Open(t.Context(), Options{Store: s})
		defer k.Close()
		if k.Loaded() || !k.Failing() {
			t.Error("keys of a store that does not answer")
		}
		s.set(false)
		time.Sleep(DefaultPoll * 5 / 4)
		synctest.Wait()
		if !k.Loaded() || k.Failing() {
			t.Error("not read when it came")
		}
	})
}

// A change that was made counts, also when the store goes away before it could be
// read again; and what the store says counts when it is back.
func TestChangeWithoutReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &flaky{}
		var told string
		k := Open(t.Context(), Options{Store: s, Changed: func(keys []Key) { told = names(keys) }})
		defer k.Close()
		for _, n := range []string{"a", "b"} {
			if err := k.Create(t.Context(), sample(n)); err != nil {
				t.Fatal(err)
			}
		}
		s.set(true) // for reading
		if err := k.Revoke(t.Context(), "a"); err != nil || told != "[b]" {
			t.Errorf("%v, told %s", err, told)
		}
		if err := k.Create(t.Context(), sample("0")); err != nil || told != "[0 b]" {
			t.Errorf("%v, told %s", err, told)
		}
		s.set(false)
		time.Sleep(DefaultPoll * 5 / 4)
		synctest.Wait()
		if told != "[0 b]" {
			t.Errorf("told %s", told)
		}
	})
}

// A change is known as soon as it is told, and a line that is cut is mended;
// meanwhile changes are found by asking.
func TestListening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &watched{line: make(chan error)}
		k := Open(t.Context(), Options{Store: s, Poll: time.Hour})
		defer k.Close()
		synctest.Wait()
		see := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := names(k.Keys()); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		add := func(name string) {
			t.Helper()
			if err := s.Insert(t.Context(), sample(name)); err != nil {
				t.Fatal(err)
			}
		}
		add("a")
		see("[]")
		s.line <- nil
		see("[a]")
		s.line <- errAway
		synctest.Wait()
		add("b")
		see("[a]")
		time.Sleep(2 * firstRetry) // connected again: what happened meanwhile is read
		see("[a b]")
		for range 20 { // a line that is cut again and again
			s.line <- errAway
			time.Sleep(2 * lastRetry)
		}
		add("c")
		s.line <- nil
		see("[a b c]")
		if s.ups != 22 {
			t.Errorf("%d connections", s.ups)
		}
	})
}

// Several replicas of one file change and read at once: each change counts for
// whoever made it as soon as it has returned.
func TestManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	has := func(k *Keystore, name string) bool {
		for _, x := range k.Keys() {
			if x.Name == name {
				return true
			}
		}
		return false
	}
	var wg sync.WaitGroup
	for i := range 3 {
		k := open(t, Options{Store: NewSQLite(sqliteDB(t, path)), Poll: time.Millisecond})
		wg.Go(func() {
			for n := range 10 {
				name := fmt.Sprintf("k%d-%d", i, n)
				if err := k.Create(t.Context(), sample(name)); err != nil || !has(k, name) {
					t.Errorf("%s was made and is not there: %v", name, err)
				}
				if err := k.Revoke(t.Context(), name); err != nil || has(k, name) {
					t.Errorf("%s was revoked and is there: %v", name, err)
				}
			}
		})
	}
	wg.Wait()
}
