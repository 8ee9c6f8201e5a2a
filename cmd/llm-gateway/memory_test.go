package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
)

func TestContainerLimit(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	none := filepath.Join(dir, "none")
	for _, tc := range []struct {
		files []string
		want  int64
	}{
		{[]string{none}, 0},
		{[]string{file("v2", "268435456\n")}, 256 << 20},
		{[]string{none, file("v1", "134217728")}, 128 << 20},
		{[]string{file("max", "max\n")}, 0},
		{[]string{file("huge", "9223372036854771712\n")}, 0},
		{[]string{file("junk", "-1")}, 0},
	} {
		if got := containerLimit(tc.files); got != tc.want {
			t.Errorf("%v: %d, want %d", tc.files, got, tc.want)
		}
	}
}

func TestTuneMemory(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	f := filepath.Join(t.TempDir(), "memory.max")
	if err := os.WriteFile(f, []byte("1000000000"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() (int, int64) {
		p := debug.SetGCPercent(100)
		l := debug.SetMemoryLimit(math.MaxInt64)
		return p, l
	}
	p, _, _ := fake(nil)
	p.tuneMemory(f)
	if gc, l := read(); gc != gcPercent || l != 850_000_000 {
		t.Errorf("percent %d, limit %d", gc, l)
	}
	p, _, _ = fake(map[string]string{"GOGC": "50", "GOMEMLIMIT": "1GiB"})
	p.tuneMemory(f)
	if gc, l := read(); gc != 100 || l != math.MaxInt64 {
		t.Errorf("the operator's settings were overruled: %d, %d", gc, l)
	}
}
