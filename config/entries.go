package config

import "go.yaml.in/yaml/v3"

// entry is one member of a mapping.
type entry struct{ key, value *yaml.Node }

// entries returns the members of a mapping in order, merge keys (<<) resolved,
// repeated keys reported. A null is an empty mapping.
func (d *decoder) entries(n *yaml.Node, path string) []entry {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.errorf(n, path, "must be a mapping of keys to values, not %s", nodeKind(n))
		return nil
	}
	var own, merged []entry
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Tag == "!!merge":
			merged = append(merged, d.merge(v, path)...)
		case k.Kind != yaml.ScalarNode:
			d.errorf(k, path, "a key must be a plain name")
		case lines[k.Value] != 0:
			d.errorf(k, joinPath(path, k.Value), "repeats a key of line %d", lines[k.Value])
		default:
			lines[k.Value] = k.Line
			own = append(own, entry{k, v})
		}
	}
	for _, e := range merged {
		if lines[e.key.Value] == 0 {
			lines[e.key.Value] = e.key.Line
			own = append(own, e)
		}
	}
	return own
}

// merge returns the members that a merge key brings in: of one mapping, or of
// several in a list, the first of which wins.
func (d *decoder) merge(n *yaml.Node, path string) []entry {
	n, ok := d.enter(n, path)
	if !ok {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return d.entries(n, path)
	}
	var all []entry
	for _, item := range n.Content {
		all = append(all, d.merge(item, path)...)
	}
	return all
}
