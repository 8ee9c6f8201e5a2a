package telemetry

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const docsPath = "../../docs/metrics.md"

// declared is one metric as the source declares it.
type declared struct {
	name, kind, help string
	labels, buckets  []string
}

// TestDocs keeps docs/metrics.md as the declarations say. They are read from
// the source, so that a metric which appears only later (with its first event,
// or with a store) is listed too.
func TestDocs(t *testing.T) {
	want := docs(t, declarations(t))
	if *update {
		if err := os.WriteFile(docsPath, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docsPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/metrics.md is not what the declarations say; run `go test ./internal/telemetry -run TestDocs -update`")
	}
}

// TestDocsFindEveryMetric compares the reading of the source with what a
// registry really gathers.
func TestDocsFindEveryMetric(t *testing.T) {
	known := map[string]declared{}
	for _, d := range declarations(t) {
		if d.help == "" || strings.TrimSuffix(d.help, ".") == d.help {
			t.Errorf("%s: its help is no sentence: %q", d.name, d.help)
		}
		known[d.name] = d
	}
	m := NewMetrics("v1", "abc")
	m.Endpoint("/v1/generate").Ended(Answer{Method: "POST", Status: 200, Took: 1, Size: 1, Overhead: 1})
	m.Target("a", "b").Ended(Call{Route: "c", FirstToken: 1})
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, f := range families {
		if runtimeMetric(f.GetName()) {
			continue
		}
		seen++
		d, ok := known[f.GetName()]
		if !ok {
			t.Errorf("%s is exposed, but not found in the source", f.GetName())
			continue
		}
		if kind := strings.ToLower(f.GetType().String()); kind != d.kind || f.GetHelp() != d.help {
			t.Errorf("%s is a %s (%s); the source says %s (%s)", f.GetName(), kind, f.GetHelp(), d.kind, d.help)
		}
		var got []string // sorted by the registry
		for _, l := range f.GetMetric()[0].GetLabel() {
			got = append(got, l.GetName())
		}
		if !slices.Equal(got, slices.Sorted(slices.Values(d.labels))) {
			t.Errorf("%s has the labels %v; the source says %v", f.GetName(), got, d.labels)
		}
	}
	if seen < 10 {
		t.Errorf("only %d metrics gathered", seen)
	}
}

func runtimeMetric(name string) bool {
	return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_")
}

// source is the package's own files, parsed.
type source struct {
	t     *testing.T
	lists map[string][]string // variables that hold a list: labels, buckets
	found []declared
}

// declarations finds every metric in the package's source.
func declarations(t *testing.T) []declared {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	s := &source{t: t, lists: map[string][]string{}}
	var parsed []*ast.File
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
		ast.Inspect(f, s.variables)
	}
	for _, f := range parsed {
		ast.Inspect(f, s.metrics)
	}
	slices.SortFunc(s.found, func(a, b declared) int { return cmp.Compare(a.name, b.name) })
	return s.found
}

// variables collects x = []T{...} in its forms.
func (s *source) variables(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ValueSpec:
		for i, v := range n.Values {
			s.list(n.Names[i].Name, v)
		}
	case *ast.AssignStmt:
		for i, v := range n.Rhs {
			if id, ok := n.Lhs[min(i, len(n.Lhs)-1)].(*ast.Ident); ok {
				s.list(id.Name, v)
			}
		}
	}
	return true
}

func (s *source) list(name string, v ast.Expr) {
	if lit, ok := v.(*ast.CompositeLit); ok {
		if _, ok := lit.Type.(*ast.ArrayType); ok {
			s.lists[name] = s.texts(lit.Elts)
		}
	}
}

// texts are the literals of a list; a variable stands for those it holds.
func (s *source) texts(elts []ast.Expr) []string {
	var out []string
	for _, e := range elts {
		switch e := e.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(e.Value); err == nil {
				out = append(out, text)
			} else {
				out = append(out, e.Value)
			}
		case *ast.Ident:
			out = append(out, s.lists[e.Name]...)
		case *ast.CompositeLit:
			out = append(out, s.texts(e.Elts)...)
		}
	}
	return out
}

// metrics collects m.counterVec(name, help, labels...) and its like, and
// prometheus.NewCounterVec(prometheus.CounterOpts{...}, labels) and its like.
func (s *source) metrics(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return true
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return true
	}
	if opts, ok := call.Args[0].(*ast.CompositeLit); ok {
		s.ofOptions(sel.Sel.Name, opts, call.Args[1:])
		return true
	}
	if sel.Sel.Name == "NewDesc" {
		s.ofDesc(call.Args)
		return true
	}
	name, ok := call.Args[0].(*ast.BasicLit)
	helper := strings.TrimSuffix(sel.Sel.Name, "Vec")
	if !ok || name.Kind != token.STRING || !slices.Contains([]string{"counter", "gauge", "histogram", "summary"}, helper) {
		return true
	}
	args := s.texts(call.Args[:2])
	d := declared{name: args[0], help: args[1], kind: helper}
	rest := call.Args[2:]
	if helper == "histogram" {
		d.buckets, rest = s.texts(rest[:1]), rest[1:]
	}
	d.labels = s.texts(rest)
	s.found = append(s.found, d)
	return true
}

// ofDesc reads prometheus.NewDesc(name, help, labels, nil): a metric that is
// made at each scrape. Its name says whether it counts.
func (s *source) ofDesc(args []ast.Expr) {
	texts := s.texts(args[:2])
	d := declared{name: texts[0], help: texts[1], kind: "gauge", labels: s.texts(args[2:3])}
	if strings.HasSuffix(d.name, "_total") {
		d.kind = "counter"
	}
	s.found = append(s.found, d)
}

func (s *source) ofOptions(fn string, opts *ast.CompositeLit, rest []ast.Expr) {
	kind := strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(fn, "New"), "Func"), "Vec"))
	d := declared{kind: kind}
	for _, e := range opts.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			return
		}
		text := strings.Join(s.texts([]ast.Expr{kv.Value}), " ")
		switch kv.Key.(*ast.Ident).Name {
		case "Name":
			d.name = text
		case "Help":
			d.help = text
		case "Buckets":
			d.buckets = strings.Fields(text)
		}
	}
	if d.name == "" {
		return // the helpers themselves, or no metric at all
	}
	if !strings.HasSuffix(fn, "Func") {
		d.labels = s.texts(rest)
	}
	s.found = append(s.found, d)
}

// docs renders the page.
func docs(t *testing.T, all []declared) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`GET /metrics`" + ` exposes. This page is made from the declarations by
` + "`go test ./internal/telemetry -run TestDocs -update`" + ` and compared with them by every ` + "`make check`" + `.

Names are stable. Label values are bounded: a model that nobody configured is ` + "`other`" + `, as is a path that does not
exist, so that no client can make series. Most counters with labels appear with their first event; an alert on them must
see the first one too (see deploy/prometheus/rules/alerts.yml). A histogram also has ` + "`_bucket`, `_sum` and `_count`" + ` series.

| metric | type | labels | meaning |
|---|---|---|---|
`)
	for _, d := range all {
		labels := "none"
		if len(d.labels) > 0 {
			labels = "`" + strings.Join(d.labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, d.kind, labels, strings.ReplaceAll(d.help, "|", `\|`))
	}
	b.WriteString("\n## Buckets\n\nUpper bounds in seconds.\n\n| histogram | buckets |\n|---|---|\n")
	for _, d := range all {
		if d.kind == "histogram" {
			fmt.Fprintf(&b, "| `%s` | %s |\n", d.name, strings.Join(d.buckets, " "))
		}
	}
	b.WriteString("\n## The process\n\nBeside these, of the Go runtime and the operating system:\n\n| metric | type | meaning |\n|---|---|---|\n")
	families, err := NewMetrics("", "").Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if runtimeMetric(f.GetName()) {
			help := strings.NewReplacer("|", `\|`, "\n", " ").Replace(f.GetHelp())
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), help)
		}
	}
	return b.String()
}
