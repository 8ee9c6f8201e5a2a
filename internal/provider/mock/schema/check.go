package schema

import (
	"math/big"
	"slices"
	"unicode/utf8"
)

// checker compares values with schemas. When it runs out of patience the
// answer is no.
type checker struct {
	left   int
	active []visit // what is being compared, outermost first
}

// visit is one value before one schema. A visit within the same visit (a
// schema that refers to itself and nothing between) can never succeed.
type visit struct {
	n *node
	v *value
}

const maxActive = 20_000 // visits within each other

func (c *checker) ok(n *node, v *value) bool {
	at := visit{n, v}
	if c.left--; c.left < 0 || n.never || len(c.active) > maxActive || slices.Contains(c.active, at) {
		return false
	}
	c.active = append(c.active, at)
	defer func() { c.active = c.active[:len(c.active)-1] }()
	if n.target != nil && !c.ok(n.target, v) {
		return false
	}
	if len(n.types) > 0 && !slices.ContainsFunc(n.types, v.is) {
		return false
	}
	if n.constant != nil && !n.constant.equal(v) || n.enum != nil && !slices.ContainsFunc(n.enum, v.equal) {
		return false
	}
	switch v.kind {
	case kindNumber:
		if !n.numberOK(v.num) {
			return false
		}
	case kindString:
		if !n.stringOK(v.str) {
			return false
		}
	case kindArray:
		if !c.arrayOK(n, v) {
			return false
		}
	case kindObject:
		if !c.objectOK(n, v) {
			return false
		}
	}
	return c.combined(n, v)
}

// is reports whether v is of the type with this name.
func (v *value) is(t string) bool {
	switch t {
	case "null":
		return v.kind == kindNull
	case "boolean":
		return v.kind == kindBool
	case "number":
		return v.kind == kindNumber
	case "integer":
		return v.isInteger()
	case "string":
		return v.kind == kindString
	case "array":
		return v.kind == kindArray
	}
	return v.kind == kindObject
}

func (c *checker) combined(n *node, v *value) bool {
	for _, s := range n.allOf {
		if !c.ok(s, v) {
			return false
		}
	}
	fits := func(s *node) bool { return c.ok(s, v) }
	if n.anyOf != nil && !slices.ContainsFunc(n.anyOf, fits) {
		return false
	}
	if n.oneOf != nil {
		matches := 0
		for _, s := range n.oneOf {
			if fits(s) {
				matches++
			}
		}
		if matches != 1 {
			return false
		}
	}
	if n.not != nil && fits(n.not) {
		return false
	}
	if n.when != nil {
		next := n.other
		if fits(n.when) {
			next = n.then
		}
		return next == nil || fits(next)
	}
	return c.left >= 0
}

func (n *node) numberOK(r *big.Rat) bool {
	switch {
	case n.min != nil && r.Cmp(n.min) < 0, n.max != nil && r.Cmp(n.max) > 0:
		return false
	case n.above != nil && r.Cmp(n.above) <= 0, n.below != nil && r.Cmp(n.below) >= 0:
		return false
	}
	return n.multiple == nil || new(big.Rat).Quo(r, n.multiple).IsInt()
}

func (n *node) stringOK(s string) bool {
	length := utf8.RuneCountInString(s)
	if n.minLength != nil && length < *n.minLength || n.maxLength != nil && length > *n.maxLength {
		return false
	}
	if n.pattern != nil && !n.pattern.match(s) {
		return false
	}
	return formatOK(n.format, s)
}

func (c *checker) arrayOK(n *node, v *value) bool {
	if n.minItems != nil && len(v.elems) < *n.minItems || n.maxItems != nil && len(v.elems) > *n.maxItems {
		return false
	}
	found := 0
	for i, e := range v.elems {
		if s := n.item(i); s != nil && !c.ok(s, e) {
			return false
		}
		if n.contains != nil && c.ok(n.contains, e) {
			found++
		}
		if n.unique && slices.ContainsFunc(v.elems[:i], e.equal) {
			return false
		}
	}
	if n.contains == nil {
		return true
	}
	return found >= n.leastContains() && (n.maxContains == nil || found <= *n.maxContains)
}

// leastContains is how many elements must fit contains.
func (n *node) leastContains() int {
	switch {
	case n.contains == nil:
		return 0
	case n.minContains == nil:
		return 1
	}
	return *n.minContains
}

func (c *checker) objectOK(n *node, v *value) bool {
	if n.minProps != nil && len(v.members) < *n.minProps || n.maxProps != nil && len(v.members) > *n.maxProps {
		return false
	}
	for _, name := range n.required {
		if v.member(name) == nil {
			return false
		}
	}
	for _, m := range v.members {
		list, allowed := n.property(m.name)
		if !allowed {
			return false
		}
		for _, s := range list {
			if !c.ok(s, m.value) {
				return false
			}
		}
		if n.names != nil && !c.ok(n.names, &value{kind: kindString, str: m.name}) {
			return false
		}
	}
	return true
}
