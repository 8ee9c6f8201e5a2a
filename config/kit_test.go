package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leak is what every secret of the tests contains: no message, log line or
// print may.
const leak = "s3cr3t"

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

type env = map[string]string

// folder makes a folder with files.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// source returns a Source with an environment and a file gw.yaml.
func source(t testing.TB, vars env, yaml string) Source {
	t.Helper()
	dir := folder(t, map[string]string{"gw.yaml": yaml})
	return Source{LookupEnv: lookup(vars), File: filepath.Join(dir, "gw.yaml")}
}

// good loads a configuration that must be fine.
func good(t testing.TB, vars env, yaml string) *Config {
	t.Helper()
	c, err := Load(source(t, vars, yaml))
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	return c
}

// bad loads a configuration that must not be fine and returns the messages,
// without the folder's name, one a line.
func bad(t testing.TB, s Source) []string {
	t.Helper()
	c, err := Load(s)
	if err == nil {
		t.Fatalf("no error:\n%s", c.Masked())
	}
	if c != nil {
		t.Error("a configuration beside an error")
	}
	text := err.Error()
	if strings.Contains(text, leak) {
		t.Errorf("a secret in the message: %s", text)
	}
	for _, dir := range []string{filepath.Dir(s.File), s.Dir} {
		if dir != "" && dir != "." {
			text = strings.ReplaceAll(text, dir+"/", "")
		}
	}
	for _, e := range flatErrors(err) {
		if !errors.As(e, new(*Error)) {
			t.Errorf("%v is no *Error", e)
		}
	}
	return strings.Split(text, "\n")
}

// flatErrors returns the errors that were joined.
func flatErrors(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatErrors(e)...)
	}
	return all
}
