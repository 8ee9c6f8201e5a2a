package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence        = regexp.MustCompile("(?ms)^```.*?^```$")
	inlineCode   = regexp.MustCompile("`[^`\n]*`")
	headingLine  = regexp.MustCompile(`(?m)^(#+) +(.*)$`)
	codeBlock    = regexp.MustCompile("(?m)(?s)^```[a-z]*\n.*?^```$|(?:^    [^\n]*\n)+")
)

// TestLinksResolve: every relative link of every document leads to a file that
// is there, and to a heading of it.
func TestLinksResolve(t *testing.T) {
	root := filepath.Join("..", "..")
	links := 0
	for _, page := range pages(t, root) {
		text := inlineCode.ReplaceAllString(fence.ReplaceAllString(readPage(t, page), ""), "")
		for _, m := range markdownLink.FindAllStringSubmatch(text, -1) {
			to := m[1]
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			links++
			path, anchor, _ := strings.Cut(to, "#")
			file := page
			if path != "" {
				file = filepath.Join(filepath.Dir(page), path)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s leads nowhere", page, to)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readPage(t, file)), anchor) {
				t.Errorf("%s: %s has no heading %q", page, path, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links found", links)
	}
}

// TestChineseReadmeIsInStep: README.zh-CN.md has the headings and the very code
// of README.md.
func TestChineseReadmeIsInStep(t *testing.T) {
	root := filepath.Join("..", "..")
	en, zh := readPage(t, filepath.Join(root, "README.md")), readPage(t, filepath.Join(root, "README.zh-CN.md"))
	if a, b := levels(en), levels(zh); !slices.Equal(a, b) {
		t.Errorf("headings %v in README.md, %v in README.zh-CN.md", a, b)
	}
	a, b := codeBlock.FindAllString(en, -1), codeBlock.FindAllString(zh, -1)
	if len(a) < 5 || len(a) != len(b) {
		t.Fatalf("%d pieces of code in README.md, %d in README.zh-CN.md", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("README.zh-CN.md shows\n%s\nand README.md\n%s", b[i], a[i])
		}
	}
}

func levels(text string) []string {
	var all []string
	for _, m := range headingLine.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, m[1])
	}
	return all
}

// anchors are those that GitHub gives the headings of a page: lower case,
// letters, digits, hyphens, spaces as hyphens, repeated ones numbered (which
// none of our links uses).
func anchors(text string) []string {
	var all []string
	for _, m := range headingLine.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		title := markdownLink.ReplaceAllString(m[2], "]")
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title)))
	}
	return all
}

func readPage(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func pages(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git" || d.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
