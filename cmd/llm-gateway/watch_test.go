package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
)

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatcherSeesContent(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "link")
	put(t, a, "one")
	if err := os.Symlink(a, link); err != nil {
		t.Fatal(err)
	}
	var w watcher
	w.watch([]string{a, b, link})
	for _, tc := range []struct {
		name string
		do   func()
		want bool
	}{
		{"nothing", func() {}, false},
		{"touched", func() { _ = os.Chtimes(a, time.Unix(1, 0), time.Unix(1, 0)) }, false},
		{"same size and time", func() { put(t, a, "two"); _ = os.Chtimes(a, time.Unix(1, 0), time.Unix(1, 0)) }, true},
		{"told once", func() {}, false},
		{"appeared", func() { put(t, b, "") }, true},
		{"link moved", func() { _ = os.Remove(link); _ = os.Symlink(b, link) }, true},
		{"gone", func() { _ = os.Remove(b) }, true},
		{"a folder now", func() { _ = os.Mkdir(b, 0o700) }, true},
		{"still a folder", func() {}, false},
	} {
		tc.do()
		if got := w.changed(); got != tc.want {
			t.Errorf("%s: changed %v", tc.name, got)
		}
	}
}

func TestWatcherMissesNothingDuringAReload(t *testing.T) {
	a := filepath.Join(t.TempDir(), "a")
	put(t, a, "one")
	var w watcher
	w.watch([]string{a})
	put(t, a, "two") // after the reload has read it
	w.watch([]string{a})
	if !w.changed() {
		t.Error("the change was missed")
	}
	w.watch(nil)
	put(t, a, "three")
	if w.changed() {
		t.Error("a file is watched that nobody reads")
	}
}

// fakeGateway counts what happens to it.
type fakeGateway struct {
	mu      sync.Mutex
	configs []*config.Config
	failed  int
	err     error
}

func (f *fakeGateway) Reload(_ context.Context, c *config.Config) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.configs = append(f.configs, c)
	return f.err
}

func (f *fakeGateway) ReloadFailed(error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed++
}

func (f *fakeGateway) counts() (reloads, failed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.configs), f.failed
}

// watched runs a reloader over one file whose content is the configuration's
// default model; "bad" cannot be read.
func watched(t *testing.T, test func(t *testing.T, file string, g *fakeGateway, log *syncBuffer)) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	put(t, file, "first")
	synctest.Test(t, func(t *testing.T) {
		load := func() (*config.Config, error) {
			b, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(string(b), "bad") {
				return nil, errors.New("no configuration: " + string(b))
			}
			c := config.Default()
			c.DefaultModel, c.Files = string(b), []string{file}
			return c, nil
		}
		cfg, err := load()
		if err != nil {
			t.Fatal(err)
		}
		g, log := &fakeGateway{}, &syncBuffer{}
		r := &reloader{load: load, gateway: g, log: slog.New(slog.NewTextHandler(log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r.follow(cfg)
		var wg sync.WaitGroup
		wg.Go(func() { r.run(ctx, nil) })
		test(t, file, g, log)
		cancel()
		wg.Wait()
	})
}

func TestReloadByFileChange(t *testing.T) {
	watched(t, func(t *testing.T, file string, g *fakeGateway, log *syncBuffer) {
		expect := func(what string, reloads, failed int) {
			t.Helper()
			if a, b := g.counts(); a != reloads || b != failed {
				t.Fatalf("%s: %d reloads, %d failures; want %d and %d\n%s", what, a, b, reloads, failed, log)
			}
		}
		const interval = 10 * time.Second // the default
		time.Sleep(5 * interval)
		expect("nothing changed", 0, 0)
		put(t, file, "second")
		time.Sleep(interval + 2*settle)
		expect("changed", 1, 0)
		time.Sleep(5 * interval)
		expect("told once", 1, 0)
		put(t, file, "bad one")
		time.Sleep(5 * interval)
		expect("bad", 1, 1)
		if n := strings.Count(log.String(), "reload failed"); n != 1 {
			t.Errorf("one failure was told %d times", n)
		}
		put(t, file, "bad two")
		time.Sleep(5 * interval)
		expect("bad in another way", 1, 2)
		put(t, file, "third")
		time.Sleep(interval + 2*settle)
		expect("good again", 2, 2)
		if got := g.configs[1].DefaultModel; got != "third" {
			t.Errorf("in force is %q", got)
		}
	})
}

// TestHalfWrittenFilesWait changes the file again and again.
func TestHalfWrittenFilesWait(t *testing.T) {
	watched(t, func(t *testing.T, file string, g *fakeGateway, _ *syncBuffer) {
		put(t, file, "half")
		time.Sleep(10*time.Second + settle/2)
		put(t, file, "whole")
		time.Sleep(settle)
		if n, _ := g.counts(); n != 0 {
			t.Fatal("reloaded while the file was being written")
		}
		time.Sleep(2 * settle)
		if n, _ := g.counts(); n != 1 || g.configs[0].DefaultModel != "whole" {
			t.Fatalf("%d reloads", n)
		}
		// A file that never rests is read all the same.
		for i := range 3 * maxSettle {
			put(t, file, "restless"+strings.Repeat("!", i%2))
			time.Sleep(settle)
		}
		time.Sleep(10 * time.Second)
		if n, _ := g.counts(); n < 2 {
			t.Error("a restless file is never read")
		}
	})
}

// TestLostFileIsTriedAgain has a configuration that needs a file which nobody
// watches yet.
func TestLostFileIsTriedAgain(t *testing.T) {
	watched(t, func(t *testing.T, file string, g *fakeGateway, _ *syncBuffer) {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n, failed := g.counts(); n != 0 || failed != 1 {
			t.Fatalf("%d reloads, %d failures", n, failed)
		}
		put(t, file, "back")
		time.Sleep(11 * time.Second)
		if n, _ := g.counts(); n != 1 {
			t.Fatalf("%d reloads", n)
		}
	})
}

func TestCheckDiff(t *testing.T) {
	t.Chdir(t.TempDir())
	put(t, "key", "sk-test-0000-file")
	put(t, "one.yaml", "providers: {m: {type: mock}}\nmodels: {chat: {targets: [{provider: m, model: echo}]}}\nserver: {drain_timeout: 60s}\n")
	put(t, "two.yaml", "providers: {m: {type: mock}, o: {type: openai, keys: [\"${file:key}\"]}}\nmodels: {chat: {targets: [{provider: m, model: echo, weight: 3}]}}\n")
	put(t, "bad.yaml", "providers: {m: {type: nonsense}}\n")
	for _, tc := range []struct {
		other string
		want  []string
		err   string
	}{
		{"one.yaml", []string{"nothing changes"}, ""},
		{"two.yaml", []string{"models.chat.targets[0].weight: 1 -> 3\n", "server.drain_timeout: 1m -> 2m\n", "providers.o.keys[0]: (none) -> secret "}, ""},
		{"bad.yaml", nil, "nonsense"},
		{"none.yaml", nil, "none.yaml"},
	} {
		p, out, _ := fake(nil)
		err := p.run(t.Context(), []string{"check", "-config", "one.yaml", "--diff", tc.other})
		if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %v", tc.other, err)
		}
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", tc.other, want, out)
			}
		}
		if strings.Contains(out.String(), "sk-test") {
			t.Errorf("%s: a secret was printed", tc.other)
		}
	}
}

// TestOperatorsReload: who asks gets the outcome, again and again.
func TestOperatorsReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, log := &fakeGateway{}, &syncBuffer{}
		fault := errors.New("line 3 is bad")
		var bad error
		r := &reloader{load: func() (*config.Config, error) { return config.Default(), bad }, gateway: g, log: slog.New(slog.NewTextHandler(log, nil)), asks: make(chan ask)}
		gone, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if err := r.now(gone); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nobody reloads: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { r.run(ctx, nil) })
		if err := r.now(t.Context()); err != nil {
			t.Error(err)
		}
		bad = fault
		for range 2 {
			if err := r.now(t.Context()); !errors.Is(err, fault) {
				t.Errorf("got %v", err)
			}
		}
		if reloads, failed := g.counts(); reloads != 1 || failed != 2 {
			t.Errorf("%d reloads, %d failures", reloads, failed)
		}
		cancel()
		wg.Wait()
	})
}
