package mockserver_test

import (
	"bytes"
	"flag"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

const page = "../../../../docs/mock.md"

var update = flag.Bool("update", false, "write the examples of docs/mock.md anew")

func readPage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestDocsListEveryWord: the tables of the page are the language, in its order.
func TestDocsListEveryWord(t *testing.T) {
	var want, got []string
	for _, w := range mock.Words() {
		want = append(want, "| `"+w.Name+"` | "+w.Help+" |")
	}
	text, _, _ := strings.Cut(readPage(t), "## What it honours")
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "| `") {
			got = append(got, line)
		}
	}
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case got[i] != want[i]:
			t.Errorf("the page has\n%s, the language\n%s", got[i], want[i])
		}
	}
}

// TestDocsExamples runs the commands of the page, in order, and compares what
// they print. Run with -update to write the answers anew.
func TestDocsExamples(t *testing.T) {
	s := mockserver.New(mockserver.Options{})
	command := regexp.MustCompile(`(?m)^    \$ curl \S+ http://127\.0\.0\.1:8090(\S+)(?: .*-d '(.*)')?\n((?:    .*\n|\n    data)*)`)
	text := readPage(t)
	ran := 0
	now := command.ReplaceAllStringFunc(text, func(example string) string {
		m := command.FindStringSubmatch(example)
		w := httptest.NewRecorder()
		method := "POST"
		if m[2] == "" {
			method = "GET"
		}
		req := httptest.NewRequest(method, m[1], strings.NewReader(m[2]))
		s.ServeHTTP(w, req)
		ran++
		line, _, _ := strings.Cut(example, "\n")
		out := strings.TrimSpace(strings.ReplaceAll(w.Body.String(), "\n\n", "\n"))
		return line + "\n    " + strings.ReplaceAll(out, "\n", "\n    ") + "\n"
	})
	if ran < 5 {
		t.Errorf("only %d examples were found", ran)
	}
	if *update {
		if err := os.WriteFile(page, []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if now != text {
		a, b := strings.Split(text, "\n"), strings.Split(now, "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("line %d of the page (write it anew with -run Docs -update):\n%s\nthe mock prints:\n%s", i+1, a[i], b[i])
			}
		}
		t.Fatal("the page has more, or fewer, lines than the mock prints")
	}
}

// TestDocsNames: every model name that the page mentions is one.
func TestDocsNames(t *testing.T) {
	p := mock.New(mock.Options{})
	text := readPage(t)
	names := 0
	for _, m := range regexp.MustCompile("`((?:[a-z]+(?:-[a-z0-9]+)*\\+)+[a-z0-9+-]+)`").FindAllStringSubmatch(text, -1) {
		names++
		if err := p.Check(m[1]); err != nil {
			t.Errorf("%s: %.100s", m[1], err)
		}
	}
	if names < 4 {
		t.Errorf("only %d names were found", names)
	}
	if bytes.Contains([]byte(text), []byte("\t")) {
		t.Error("the page has a tab")
	}
}
