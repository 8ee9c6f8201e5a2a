package config

import (
	"maps"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Change is one setting that differs between two configurations.
type Change struct {
	Path string // the key path
	Old  string // "" = not there
	New  string // "" = not there
}

// String returns "path: old -> new".
func (c Change) String() string {
	return c.Path + ": " + orNone(c.Old) + " -> " + orNone(c.New)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

// Diff returns what changes from one configuration to another, sorted by path.
// Secrets are shown as fingerprints. A nil configuration has no settings.
func Diff(from, to *Config) []Change {
	a, b := from.flat(), to.flat()
	paths := map[string]bool{}
	for p := range a {
		paths[p] = true
	}
	for p := range b {
		paths[p] = true
	}
	var changes []Change
	for _, p := range slices.Sorted(maps.Keys(paths)) {
		if a[p] != b[p] {
			changes = append(changes, Change{Path: p, Old: a[p], New: b[p]})
		}
	}
	return changes
}

// flat returns every setting by its path.
func (c *Config) flat() map[string]string {
	out := map[string]string{}
	if c != nil {
		flatten(out, "", c.node(func(s Secret) string {
			if s.IsZero() {
				return ""
			}
			return "secret " + s.Fingerprint()
		}))
	}
	return out
}

func flatten(out map[string]string, path string, n *yaml.Node) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flatten(out, joinPath(path, n.Content[i].Value), n.Content[i+1])
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			flatten(out, path+"["+strconv.Itoa(i)+"]", item)
		}
	default:
		out[path] = n.Value
	}
}
