// Package deploy_test checks what is shipped to run the gateway: that its parts
// name each other rightly, and agree with the program. It needs no cluster; what
// needs a tool is skipped, loudly, where the tool is not installed.
package deploy_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write generated files anew")

// tool returns the path of a program, or skips the test.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("skipped: %s is not installed (%s)", name, from)
	}
	return path
}

// run runs a program in this folder and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// decode reads one YAML document into v.
func decode(t *testing.T, name string, v any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// documents splits a YAML stream.
func documents(t *testing.T, text string) []yaml.Node {
	t.Helper()
	var out []yaml.Node
	for dec := yaml.NewDecoder(bytes.NewBufferString(text)); ; {
		var n yaml.Node
		switch err := dec.Decode(&n); {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			t.Fatal(err)
		}
		out = append(out, n)
	}
}

// TestEveryYAMLFileIsValid catches what no other test reads: tabs, duplicate
// keys, unknown anchors.
func TestEveryYAMLFileIsValid(t *testing.T) {
	files := 0
	for _, root := range []string{".", "../.github"} {
		err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if ext := filepath.Ext(path); ext == ".yml" || ext == ".yaml" {
				files++
				for _, n := range documents(t, read(t, path)) {
					var v any
					if err := n.Decode(&v); err != nil {
						t.Errorf("%s: %v", path, err)
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("only %d files found", files)
	}
}

// TestYAMLLint runs yamllint with the repository's rules.
func TestYAMLLint(t *testing.T) {
	run(t, tool(t, "yamllint", "apt-get install yamllint"), "-s", "-c", "../.yamllint.yml", ".", "../.github")
}
