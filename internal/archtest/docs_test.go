package archtest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the code that pages show anew")

// shown are the pieces of docs/adding-a-provider.md, in order: a file and what
// of it is shown.
var shown = []struct {
	file  string
	parts []*regexp.Regexp // nil = all of it
}{
	{"internal/provider/gemini.go", nil},
	{"internal/provider/gemini_test.go", []*regexp.Regexp{
		regexp.MustCompile(`(?ms)^func geminiSpec\(.*?^}\n`), regexp.MustCompile(`(?m)^func TestGemini\(.*\n`)}},
	{"internal/app/providers.go", []*regexp.Regexp{regexp.MustCompile(`(?m)^\tconfig\.KindGemini:.*\n`)}},
	{"config/kinds.go", []*regexp.Regexp{regexp.MustCompile(`(?m)^\t{Kind: KindGemini,.*\n`)}},
}

// TestAddingAProviderShowsTheRealDiff: what docs/adding-a-provider.md shows of
// the code is the code. Run with -update to write it anew.
func TestAddingAProviderShowsTheRealDiff(t *testing.T) {
	const page = "docs/adding-a-provider.md"
	root := filepath.Join("..", "..")
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name)) //nolint:gosec // a file of the repository
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	text := read(page)
	n := 0
	now := regexp.MustCompile("(?s)```diff\n.*?```").ReplaceAllStringFunc(text, func(string) string {
		if n >= len(shown) {
			t.Fatal("more code is shown than is known")
		}
		s, code := shown[n], read(shown[n].file)
		n++
		if s.parts != nil {
			var pieces []string
			for _, p := range s.parts {
				piece := p.FindString(code)
				if piece == "" {
					t.Fatalf("%s has nothing like %s", s.file, p)
				}
				pieces = append(pieces, piece)
			}
			code = strings.Join(pieces, "\n")
		}
		return "```diff\n+" + strings.ReplaceAll(strings.TrimSuffix(code, "\n"), "\n", "\n+") + "\n```"
	})
	switch {
	case n != len(shown):
		t.Errorf("%d pieces of code are shown", n)
	case now == text:
	case *update:
		if err := os.WriteFile(filepath.Join(root, page), []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("the code has changed: run the test with -update")
	}
}
