package config

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write docs/configuration.md anew")

const configurationHead = `# Configuration

<!-- Written by make docs from config/gateway.example.yaml and the table of variables; a test holds them together. -->

Environment wins over ` + "`.env.$APP_ENV`, that over `.env`" + `, that over the file that ` + "`GATEWAY_CONFIG`" + ` names, that over the default. The file is strict: an
unknown key or a bad value is an error that names file, line and key. ` + "`llm-gateway check`" + ` says whether a configuration is good, and prints it
resolved with every secret masked. [gateway.example.yaml](../config/gateway.example.yaml) is a file to copy from, [.env.example](../.env.example) the same for
variables; [migration.md](migration.md) converts other gateways' files.

Values may take secrets from outside: ` + "`${NAME}`, `${NAME:-instead}`, `${file:/run/secrets/name}`; `$${` is a literal `${`" + `. Durations: 250ms, 30s, 10m, 2h, 90d.
Sizes: 64KiB, 16MiB. Money: dollars, exact to twelve decimals. NAME stands for a name of yours.

`

// TestDocs holds docs/configuration.md to the example and to the variables.
func TestDocs(t *testing.T) {
	const page = "../docs/configuration.md"
	b, err := os.ReadFile("gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(uncomment(string(b))), &doc); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString(configurationHead)
	rows := &keyRows{seen: map[string]bool{}}
	rows.walk(doc.Content[0], "", 0)
	if len(rows.lines) < 150 {
		t.Fatalf("only %d keys found", len(rows.lines))
	}
	section := ""
	for _, r := range rows.lines {
		if top, _, _ := strings.Cut(r.path, "."); top != section {
			section = top
			fmt.Fprintf(&out, "\n## %s\n\n| key | default or example | |\n|---|---|---|\n", top)
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", r.path, r.value, r.text)
	}
	out.WriteString("\n## Environment variables\n\nA secret `X` may instead be given as `X_FILE`, the path of a file that holds it.\n\n| variable | default | key | |\n|---|---|---|---|\n")
	for _, v := range EnvVars() {
		help := v.Help
		if v.Secret {
			help = "Secret. " + help
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", v.Name, code(v.Default), code(v.Key), cell(help))
	}
	text := strings.Replace(out.String(), "\n\n\n", "\n\n", 1)
	now, err := os.ReadFile(page)
	switch {
	case err == nil && string(now) == text:
	case *update:
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("docs/configuration.md is not what the example says: run make docs")
	}
}

type keyRow struct{ path, value, text string }

type keyRows struct {
	lines []keyRow
	seen  map[string]bool
}

// userNamed are the mappings whose keys are names of the user's.
var userNamed = []string{"providers", "models", "auth.tenants"}

func (k *keyRows) walk(n *yaml.Node, path string, depth int) {
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.MappingNode {
		for _, item := range n.Content {
			k.walk(item, path+"[]", depth)
		}
		return
	}
	if n.Kind != yaml.MappingNode || depth > 6 {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		p := strings.TrimPrefix(path+"."+key.Value, ".")
		if slices.Contains(userNamed, path) {
			p = path + ".NAME"
		}
		deeper := v.Kind == yaml.MappingNode && v.Style&yaml.FlowStyle == 0 || v.Kind == yaml.SequenceNode && len(v.Content) > 0 && v.Content[0].Kind == yaml.MappingNode
		if !deeper || v.LineComment != "" {
			k.add(key, v, p)
		}
		if deeper || v.Kind == yaml.MappingNode && p == path+".budget" {
			k.walk(v, p, depth+1)
		}
	}
}

func (k *keyRows) add(key, v *yaml.Node, path string) {
	if k.seen[path] || path == "providers.NAME" || path == "models.NAME" {
		return
	}
	k.seen[path] = true
	var b strings.Builder
	enc := yaml.Node(*v)
	enc.HeadComment, enc.LineComment, enc.FootComment = "", "", ""
	if text, err := yaml.Marshal(&enc); err == nil && v.Kind != yaml.MappingNode {
		b.WriteString(strings.TrimSpace(string(text)))
	}
	line := v.LineComment + key.LineComment
	value := code(b.String())
	if !strings.Contains(line, "default") && value != "" {
		value = "as " + value
	}
	line = strings.TrimSpace(strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(line, "# default"), "#"), ". "))
	k.lines = append(k.lines, keyRow{path, value, cell(strings.TrimSpace(comment(key.HeadComment) + " " + line))})
}

var commentMark = regexp.MustCompile(`(?m)^# ?`)

// comment joins the lines above a key; a rule starts a section and says nothing
// of the key.
func comment(s string) string {
	if i := strings.LastIndex(s, "\n\n"); i >= 0 {
		s = s[i+2:]
	}
	s = commentMark.ReplaceAllString(s, "")
	if strings.HasPrefix(s, "---") {
		_, s, _ = strings.Cut(s, "\n")
	}
	return s
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + cell(s) + "`"
}

// cell keeps text inside one cell of a table.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
