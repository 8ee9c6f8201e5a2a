package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var benchmarkFunc = regexp.MustCompile(`(?m)^func (Benchmark\w+)\(`)

// TestMicroList: every row of micro.txt names at least one benchmark, so that
// a renamed one is not silently left out of make bench-diff.
func TestMicroList(t *testing.T) {
	list, err := os.ReadFile("micro.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(list)) {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		if len(f) < 4 || f[2] != "#" {
			t.Errorf("%q is not package, pattern, # what it is", line)
			continue
		}
		pattern, err := regexp.Compile(f[1])
		if err != nil {
			t.Errorf("%s: %v", f[0], err)
			continue
		}
		if !names(t, filepath.Join("..", f[0]), pattern) {
			t.Errorf("%s has no benchmark like %s", f[0], f[1])
		}
	}
	if rows < 15 {
		t.Errorf("only %d rows", rows)
	}
}

func names(t *testing.T, dir string, pattern *regexp.Regexp) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range benchmarkFunc.FindAllSubmatch(src, -1) {
			if pattern.Match(m[1]) {
				return true
			}
		}
	}
	return false
}
