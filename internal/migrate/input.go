package migrate

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deep aliases lead.
const maxDepth = 16

// value is a scalar and where it stands.
type value struct{ path, text string }

// object is a mapping of the source that knows which of its members nobody has
// asked for: those are reported at the end.
type object struct {
	path  string
	order []string
	nodes map[string]*yaml.Node
	used  map[string]bool
}

// document reads one YAML or JSON document.
func document(b []byte) (*yaml.Node, error) {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(joinSurrogates(string(b))), &n); err != nil {
		// The error may quote the line, and the line may hold a key.
		if line := regexp.MustCompile(`line \d+`).FindString(err.Error()); line != "" {
			return nil, fmt.Errorf("%s is no valid YAML or JSON", line)
		}
		return nil, errors.New("this is no valid YAML or JSON")
	}
	if len(n.Content) == 0 {
		return nil, errors.New("the configuration is empty")
	}
	return n.Content[0], nil
}

var surrogates = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)

// joinSurrogates turns JSON's pairs of \u escapes, which YAML has not, into
// what they stand for.
func joinSurrogates(s string) string {
	return surrogates.ReplaceAllStringFunc(s, func(pair string) string {
		hi, _ := strconv.ParseUint(pair[2:6], 16, 16)
		lo, _ := strconv.ParseUint(pair[8:12], 16, 16)
		return string(utf16.DecodeRune(rune(hi), rune(lo)))
	})
}

func resolve(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

func newObject(n *yaml.Node, path string) *object {
	o := &object{path: path, nodes: map[string]*yaml.Node{}, used: map[string]bool{}}
	o.add(n, map[*yaml.Node]bool{})
	return o
}

// add takes the members of n, those of merge keys last, as YAML has it. A
// mapping that was added adds nothing a second time, and would never end where
// it merges itself.
func (o *object) add(n *yaml.Node, added map[*yaml.Node]bool) {
	if n = resolve(n); n == nil || n.Kind != yaml.MappingNode || added[n] {
		return
	}
	added[n] = true
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Tag == "!!merge" {
			merged = append(merged, v)
			continue
		}
		if _, ok := o.nodes[k.Value]; !ok {
			o.order = append(o.order, k.Value)
			o.nodes[k.Value] = v
		}
	}
	for _, m := range merged {
		if m = resolve(m); m != nil && m.Kind == yaml.SequenceNode {
			for _, one := range m.Content {
				o.add(one, added)
			}
			continue
		}
		o.add(m, added)
	}
}

func (o *object) at(key string) string {
	if o.path == "" {
		return key
	}
	return o.path + "." + key
}

// take returns a member and marks it as read; nil = it is not there, or null.
func (o *object) take(key string) *yaml.Node {
	o.used[key] = true
	n := resolve(o.nodes[key])
	if n == nil || n.Tag == "!!null" {
		return nil
	}
	return n
}

// scalar returns a member that is no mapping and no list.
func (o *object) scalar(key string) value {
	v := value{path: o.at(key)}
	if n := o.take(key); n != nil && n.Kind == yaml.ScalarNode {
		v.text = n.Value
	}
	return v
}

func (o *object) text(key string) string { return strings.TrimSpace(o.scalar(key).text) }

// number returns a member as a finite number that is not negative; 0 = it is
// none.
func (o *object) number(key string) float64 {
	f, err := strconv.ParseFloat(o.text(key), 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || f < 0 {
		return 0
	}
	return f
}

// whole is number for what must be a whole number of a sane size.
func (o *object) whole(key string) int {
	return int(min(o.number(key), 1e12))
}

func (o *object) yes(key string) bool { return strings.EqualFold(o.text(key), "true") }

// object returns a member that is a mapping, empty when it is not there.
func (o *object) object(key string) *object { return newObject(o.take(key), o.at(key)) }

// list returns the elements of a member; a scalar is a list of one.
func (o *object) list(key string) []*yaml.Node {
	n := o.take(key)
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	}
	return []*yaml.Node{n}
}

// objects returns the mappings in a list.
func (o *object) objects(key string) []*object {
	var all []*object
	for i, n := range o.list(key) {
		all = append(all, newObject(n, fmt.Sprintf("%s[%d]", o.at(key), i)))
	}
	return all
}

// texts returns the scalars of a list.
func (o *object) texts(key string) []string {
	var all []string
	for _, n := range o.list(key) {
		if n = resolve(n); n != nil && n.Kind == yaml.ScalarNode && n.Value != "" {
			all = append(all, n.Value)
		}
	}
	return all
}

// rest reports the members that nobody has read.
func (c *converter) rest(o *object) {
	for _, key := range o.order {
		if !o.used[key] && resolve(o.nodes[key]) != nil && resolve(o.nodes[key]).Tag != "!!null" {
			c.leave(o.at(key), "has no counterpart here, or was not understood")
		}
	}
}
