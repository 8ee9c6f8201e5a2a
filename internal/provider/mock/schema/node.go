package schema

import (
	"math/big"
	"regexp"
	"regexp/syntax"
)

// node is one schema. Absent keywords are nil, or zero.
type node struct {
	path  string
	never bool // the schema false

	types    []string
	enum     []*value
	constant *value

	min, max, above, below, multiple *big.Rat

	minLength, maxLength *int
	pattern              *pattern
	format               string

	props        []property
	required     []string
	additional   *node
	patternProps []patternProperty
	names        *node
	minProps     *int
	maxProps     *int

	prefix      []*node
	items       *node
	contains    *node
	minContains *int
	maxContains *int
	minItems    *int
	maxItems    *int
	unique      bool

	allOf, anyOf, oneOf []*node
	not                 *node
	when, then, other   *node // if, then, else

	ref    string
	target *node // what ref points at
}

type property struct {
	name string
	node *node
}

type patternProperty struct {
	pattern *pattern
	node    *node
}

// pattern is a regular expression, for matching and for making what matches.
type pattern struct {
	re   *regexp.Regexp
	tree *syntax.Regexp
	size int // instructions of its program
}

// match reports whether s matches. A match that would take too long is none.
func (p *pattern) match(s string) bool {
	return p.costs(len(s)) <= maxMatch && p.re.MatchString(s)
}

// costs is the time that matching a text of so many bytes takes at worst.
func (p *pattern) costs(bytes int) int { return bytes * p.size }

// all returns a schema that asks for every one of nodes.
func all(nodes ...*node) *node {
	if len(nodes) == 1 {
		return nodes[0]
	}
	n := &node{allOf: nodes}
	if len(nodes) > 0 {
		n.path = nodes[0].path
	}
	return n
}

// property returns the schemas that n has for the member name; ok is false
// when n forbids it.
func (n *node) property(name string) (list []*node, ok bool) {
	for i := range n.props {
		if n.props[i].name == name {
			list = append(list, n.props[i].node)
		}
	}
	for i := range n.patternProps {
		if n.patternProps[i].pattern.match(name) {
			list = append(list, n.patternProps[i].node)
		}
	}
	if len(list) == 0 && n.additional != nil {
		list = append(list, n.additional)
	}
	for _, c := range list {
		if c.never {
			return nil, false
		}
	}
	return list, true
}

// item returns the schema that n has for the element at i, nil for none.
func (n *node) item(i int) *node {
	if i < len(n.prefix) {
		return n.prefix[i]
	}
	return n.items
}

// height estimates how small a value of n can be: smaller numbers first.
func (n *node) height() int {
	switch {
	case n.constant != nil || n.enum != nil:
		return 0
	case n.ref != "" || len(n.allOf)+len(n.anyOf)+len(n.oneOf) > 0 || n.when != nil:
		return 5
	}
	h := 6
	for _, t := range n.types {
		switch t {
		case "null", "boolean":
			h = min(h, 0)
		case "number", "integer", "string":
			h = min(h, 1)
		case "array":
			h = min(h, 2)
			if n.minItems != nil && *n.minItems > 0 {
				h = max(h, 4)
			}
		case "object":
			if len(n.required) == 0 {
				h = min(h, 3)
			}
		}
	}
	return h
}
