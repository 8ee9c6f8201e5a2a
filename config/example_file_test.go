package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// optional is a line of the example whose # stands directly before a key.
var optional = regexp.MustCompile(`(?m)^( *)#(\S.*)$`)

// writeExample writes the example, changed, and the files that it names to a
// folder of its own.
func writeExample(t *testing.T, change func(string) string) (path string) {
	t.Helper()
	b, err := os.ReadFile("gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := map[string]string{"gateway.yaml": change(string(b)), "secrets/webhook-url": "https://hooks.example/T0/B0\n"}
	for _, name := range []string{
		"tls/server.pem", "tls/server-key.pem", "tls/clients.pem", "tls/corporate-ca.pem", "secrets/sa.json", "my-prices.json",
		"secrets/openai-2", "secrets/client-key", "secrets/jwt", "secrets/jwt.pem", "secrets/webhook-key",
	} {
		files[name] = strings.ReplaceAll(name, "/", "-") + "-with-thirty-two-letters-or-more\n"
	}
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "gateway.yaml")
}

func uncomment(s string) string { return optional.ReplaceAllString(s, "$1$2") }

var exampleEnv = map[string]string{
	"OPENAI_API_KEY": "sk-test-0000", "ANTHROPIC_API_KEY": "sk-ant-test", "AZURE_OPENAI_API_KEY": "az-test", "DASHSCOPE_API_KEY": "ds-test",
	"GATEWAY_ADMIN_TOKEN": "admin-token-for-tests", "OTEL_TENANT": "tenant-header-for-tests", "REDIS_URL": "redis://:pw@redis.example:6379/0", "DATABASE_URL": "postgres://u:pw@db.example/gw",
}

// As it stands the example needs nothing and starts a gateway.
func TestExampleLoadsAsItIs(t *testing.T) {
	c, err := Load(Source{File: "gateway.example.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Addr != DefaultAddr || c.Models["chat"] == nil || c.DefaultProvider != "demo" || c.MockFallback || len(c.Warnings) > 0 {
		t.Errorf("addr %q, provider %q, mock %v, warnings %q", c.Server.Addr, c.DefaultProvider, c.MockFallback, c.Warnings)
	}
}

// With every option in use the example is good too.
func loadFullExample(t *testing.T) *Config {
	t.Helper()
	c, err := Load(Source{LookupEnv: lookup(exampleEnv), File: writeExample(t, uncomment)})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A value that the example calls a default is the default: without all lines
// that say so, the configuration is the same.
func TestExampleDefaults(t *testing.T) {
	full := loadFullExample(t)
	marked := regexp.MustCompile(`(?m)^.*  # default\b.*\n`)
	n := 0
	stripped, err := Load(Source{LookupEnv: lookup(exampleEnv), File: writeExample(t, func(s string) string {
		s = uncomment(s)
		n = len(marked.FindAllString(s, -1))
		s = marked.ReplaceAllString(s, "")
		// Features whose every line is a default stay on.
		return regexp.MustCompile(`(?m)^( +(?:hedge|cache):)$`).ReplaceAllString(s, "$1 {}")
	})})
	if err != nil {
		t.Fatal(err)
	}
	if n < 90 {
		t.Errorf("only %d lines are marked as defaults; the pattern does not fit any more", n)
	}
	for _, c := range Diff(full, stripped) {
		// The two lie in different folders, and in full use clients must
		// authenticate, which moves the default address.
		if !strings.Contains(c.Old+c.New, "/") && c.Path != "server.addr" {
			t.Errorf("the example calls a default what is none: %s", c)
		}
	}
}

// Each value that the example shows without the mark is none, or no one could
// tell what the default is.
func TestExampleMarksEveryDefault(t *testing.T) {
	b, err := os.ReadFile("gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Singletons alone: what stands in lists and named maps has no default as a whole.
	defaults := Default().flat()
	root, err := parse("example", b)
	if err != nil {
		t.Fatal(err)
	}
	var walk func(path string, n *yaml.Node)
	walk = func(path string, n *yaml.Node) {
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			at := joinPath(path, k.Value)
			if def, ok := defaults[at]; ok && v.Kind == yaml.ScalarNode && def == v.Value && !strings.HasPrefix(v.LineComment, "# default") {
				t.Errorf("line %d: %s is the default and is not marked", v.Line, at)
			}
			walk(at, v)
		}
	}
	walk("", root)
}

// The example shows every key that the settings have.
func TestExampleIsComplete(t *testing.T) {
	b, err := os.ReadFile("gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	root, err := parse("example", []byte(uncomment(string(b))))
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	shown(have, root, reflect.TypeFor[Config]())
	want := map[string]bool{}
	settable(want, reflect.TypeFor[Config]())
	if len(want) < 120 {
		t.Fatalf("only %d keys found in the types", len(want))
	}
	for key := range want {
		if !have[key] {
			t.Errorf("%s is not in the example", key)
		}
	}
}

// settable notes every key of a type and of those below it, as Type.key.
func settable(keys map[string]bool, typ reflect.Type) {
	switch typ.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		settable(keys, typ.Elem())
	case reflect.Struct:
		for i := range typ.NumField() {
			if key := fieldKey(typ.Field(i)); key != "" {
				keys[typ.Name()+"."+key] = true
				settable(keys, typ.Field(i).Type)
			}
		}
	}
}

// shown notes the keys of a file in the same form.
func shown(keys map[string]bool, n *yaml.Node, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	for i, item := range n.Content {
		switch {
		case n.Kind == yaml.SequenceNode || typ.Kind() == reflect.Map && i%2 == 1:
			shown(keys, item, typ.Elem())
		case typ.Kind() == reflect.Struct && i%2 == 0:
			if f, ok := fieldByKey(reflect.New(typ).Elem(), item.Value); ok {
				keys[typ.Name()+"."+item.Value] = true
				shown(keys, n.Content[i+1], f.Type())
			}
		}
	}
}

// Every comment of the example that is meant as an option is read as one: what
// looks like "# key: value" with a space would silently be prose.
func TestExampleOptionsHaveNoSpace(t *testing.T) {
	b, err := os.ReadFile("gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	settable(keys, reflect.TypeFor[Config]())
	names := map[string]bool{}
	for k := range keys {
		names[k[strings.LastIndex(k, ".")+1:]] = true
	}
	spaced := regexp.MustCompile(`^ *# +([a-z_]+): `)
	for i, line := range strings.Split(string(b), "\n") {
		if m := spaced.FindStringSubmatch(line); m != nil && names[m[1]] && !slices.Contains([]string{"type"}, m[1]) {
			t.Errorf("line %d: %q", i+1, line)
		}
	}
}
