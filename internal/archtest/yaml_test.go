package archtest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestYAML: every YAML file of ours is well formed, without a key twice, a tab
// or a space at the end of a line.
func TestYAML(t *testing.T) {
	root := filepath.Join("..", "..")
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "*.yml", "*.yaml")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skip("skipped: no git repository here:", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		b, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = checkYAML(b)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func checkYAML(b []byte) error {
	for line := range bytes.Lines(b) {
		if text := bytes.TrimRight(line, "\n"); len(bytes.TrimRight(text, " \t\r")) != len(text) {
			return errors.New("a space, tab or CR at the end of the line " + string(bytes.TrimSpace(text)))
		}
	}
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var doc any // into a map, so that a key that comes twice is an error
		if err := d.Decode(&doc); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestCheckYAML(t *testing.T) {
	for text, good := range map[string]bool{
		"a: 1\nb: [2]\n": true, "a: 1\n---\na: 2\n": true, "": true,
		"a: 1\na: 2\n": false, "a: {b: 1, b: 2}\n": false, "a:\n\t- b\n": false, "a: 1 \n": false, "a: [1\n": false, "a: 1\n---\nb: }\n": false,
	} {
		if err := checkYAML([]byte(text)); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
