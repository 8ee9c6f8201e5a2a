package archtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licenceForms tell licences by phrases that no other has. Only permissive ones
// are known: a module under another fails the test.
var licenceForms = []struct {
	name string
	text *regexp.Regexp
}{
	{"Apache-2.0", regexp.MustCompile(`(?i)Apache License,?\s+Version 2\.0`)},
	{"MIT", regexp.MustCompile(`(?i)Permission is hereby granted, free of charge, to any\s+person obtaining\s+a\s+copy`)},
	{"ISC", regexp.MustCompile(`(?i)Permission to use, copy, modify, and/?(or)? distribute this software for any\s+purpose with or without fee`)},
	{"BSD-3-Clause", regexp.MustCompile(`(?is)Redistribution and use in source and binary forms.*(Neither|nor)\s+the\s+names?\s+of`)},
	{"BSD-2-Clause", regexp.MustCompile(`(?i)Redistribution and use in source and binary forms`)},
}

func licenceOf(text string) string {
	for _, f := range licenceForms {
		if f.text.MatchString(text) {
			return f.name
		}
	}
	return ""
}

// linked is a module of which something is in the program.
type linked struct{ Path, Version, Dir string }

func linkedModules(t *testing.T) []linked {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/llm-gateway")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]linked{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
			byPath[f[0]] = linked{f[0], f[1], f[2]}
		}
	}
	var all []linked
	for _, m := range byPath {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b linked) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// TestLicences keeps docs/licences.md: what is linked into the program, and
// under which licence. Run with -update to write it anew.
func TestLicences(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Licences\n\nThe modules that are linked into the program (linux, amd64), by the texts that come with them. Written by `make docs`; only permissive licences\npass its test.\n\n| module | version | licence |\n|---|---|---|\n")
	for _, m := range linkedModules(t) {
		name := ""
		files, _ := filepath.Glob(filepath.Join(m.Dir, "[LC][IO][CP][EY]*"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err == nil && name == "" {
				name = licenceOf(string(text))
			}
		}
		if name == "" {
			t.Errorf("%s %s: no permissive licence is found in %v", m.Path, m.Version, files)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.Path, m.Version, name)
	}
	page := filepath.Join("..", "..", "docs", "licences.md")
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(page); err != nil || string(got) != b.String() {
		t.Errorf("docs/licences.md is not current (%v); run `make docs`", err)
	}
}

func TestLicenceOf(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                "Apache-2.0",
		"GNU GENERAL PUBLIC LICENSE\nVersion 3":                                       "",
		"Mozilla Public License Version 2.0":                                          "",
		"All rights reserved.":                                                        "",
		"Redistribution and use in source and binary forms, with or without":          "BSD-2-Clause",
		"Redistribution and use in source and binary forms … Neither the name of the": "BSD-3-Clause",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
