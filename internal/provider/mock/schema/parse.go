package schema

import (
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// parser turns a schema document into nodes.
type parser struct {
	root  *value
	nodes map[string]*node // by JSON pointer
	refs  []*node          // whose target is still to be found
}

func parse(raw []byte) (*node, error) {
	doc, err := parseValue(raw)
	if err != nil {
		return nil, errorAt("#", "the schema is not good JSON: %v", err)
	}
	p := &parser{root: doc, nodes: make(map[string]*node)}
	root, err := p.schema(doc, "#", 0)
	if err != nil {
		return nil, err
	}
	for len(p.refs) > 0 {
		n := p.refs[len(p.refs)-1]
		p.refs = p.refs[:len(p.refs)-1]
		if n.target, err = p.resolve(n); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (p *parser) schema(v *value, path string, depth int) (*node, error) {
	if n := p.nodes[path]; n != nil {
		return n, nil
	}
	n := &node{path: path}
	p.nodes[path] = n
	switch {
	case len(p.nodes) > maxNodes || depth > maxNest:
		return nil, errorAt(path, "the schema is too large")
	case v.kind == kindBool:
		n.never = !v.bool
		return n, nil
	case v.kind != kindObject:
		return nil, errorAt(path, "a schema is an object, true or false")
	}
	k := keywords{p: p, n: n, depth: depth + 1}
	for _, m := range v.members {
		if err := k.read(m.name, m.value); err != nil {
			var e *Error
			if errors.As(err, &e) {
				return nil, e
			}
			return nil, errorAt(path, "%s: %v", m.name, err)
		}
	}
	return n, k.oldBounds(v)
}

// resolve finds what a reference points at: this document's own schemas only.
func (p *parser) resolve(n *node) (*node, error) {
	rest, ok := strings.CutPrefix(n.ref, "#")
	if !ok || rest != "" && rest[0] != '/' {
		return nil, errorAt(n.path, "$ref %q: only references within the schema (#/…) are known", n.ref)
	}
	rest, err := url.PathUnescape(rest)
	if err != nil {
		return nil, errorAt(n.path, "$ref %q is malformed", n.ref)
	}
	v := p.root
	path := "#"
	if rest != "" {
		for _, step := range strings.Split(rest[1:], "/") {
			path += "/" + step
			if v = v.step(strings.NewReplacer("~1", "/", "~0", "~").Replace(step)); v == nil {
				return nil, errorAt(n.path, "$ref %q points at nothing", n.ref)
			}
		}
	}
	return p.schema(v, path, 0)
}

func (v *value) step(name string) *value {
	if v.kind == kindArray {
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v.elems) {
			return v.elems[i]
		}
		return nil
	}
	return v.member(name)
}

// keywords reads the members of one schema.
type keywords struct {
	p     *parser
	n     *node
	depth int
}

func (k *keywords) read(name string, v *value) error {
	for _, try := range []func(string, *value) (bool, error){k.general, k.numeric, k.counts, k.object, k.array, k.applicator} {
		if known, err := try(name, v); known || err != nil {
			return err
		}
	}
	switch name {
	case "unevaluatedProperties", "unevaluatedItems":
		if v.kind == kindBool && v.bool {
			return nil
		}
		return errors.New("this keyword is not known to the mock")
	case "dependentSchemas", "dependentRequired", "dependencies", "$dynamicRef", "$recursiveRef":
		return errors.New("this keyword is not known to the mock")
	}
	return nil // an annotation
}

func (k *keywords) general(name string, v *value) (known bool, err error) {
	switch name {
	case "$ref":
		if v.kind != kindString {
			return true, errors.New("must be a string")
		}
		k.n.ref = v.str
		k.p.refs = append(k.p.refs, k.n)
	case "type":
		k.n.types, err = typeNames(v)
	case "enum":
		if v.kind != kindArray || len(v.elems) == 0 {
			return true, errors.New("must be a list of values")
		}
		k.n.enum = v.elems
	case "const":
		k.n.constant = v
	case "pattern":
		if v.kind != kindString {
			return true, errors.New("must be a string")
		}
		k.n.pattern, err = newPattern(v.str)
	case "format":
		if v.kind == kindString {
			k.n.format = v.str
		}
	case "uniqueItems":
		k.n.unique = v.kind == kindBool && v.bool
	default:
		return false, nil
	}
	return true, err
}

func typeNames(v *value) ([]string, error) {
	list := []*value{v}
	if v.kind == kindArray {
		list = v.elems
	}
	var names []string
	for _, t := range list {
		if t.kind != kindString || !slices.Contains([]string{"null", "boolean", "number", "integer", "string", "array", "object"}, t.str) {
			return nil, errors.New("must be the name of a JSON type, or a list of such")
		}
		names = append(names, t.str)
	}
	if len(names) == 0 {
		return nil, errors.New("must not be empty")
	}
	return names, nil
}

func (k *keywords) numeric(name string, v *value) (bool, error) {
	var to **big.Rat
	switch name {
	case "minimum":
		to = &k.n.min
	case "maximum":
		to = &k.n.max
	case "exclusiveMinimum":
		to = &k.n.above
	case "exclusiveMaximum":
		to = &k.n.below
	case "multipleOf":
		if v.kind != kindNumber || v.num.Sign() <= 0 {
			return true, errors.New("must be a number above 0")
		}
		to = &k.n.multiple
	default:
		return false, nil
	}
	if v.kind == kindBool { // the spelling of draft 4, see oldBounds
		return true, nil
	}
	if v.kind != kindNumber {
		return true, errors.New("must be a number")
	}
	*to = v.num
	return true, nil
}

// oldBounds reads exclusiveMinimum and exclusiveMaximum as draft 4 and OpenAPI
// 3.0 spell them: true makes the bound beside it exclusive.
func (k *keywords) oldBounds(v *value) error {
	if e := v.member("exclusiveMinimum"); e != nil && e.kind == kindBool && e.bool {
		k.n.above = k.n.min
	}
	if e := v.member("exclusiveMaximum"); e != nil && e.kind == kindBool && e.bool {
		k.n.below = k.n.max
	}
	return nil
}

func (k *keywords) counts(name string, v *value) (bool, error) {
	to := map[string]**int{
		"minLength": &k.n.minLength, "maxLength": &k.n.maxLength,
		"minItems": &k.n.minItems, "maxItems": &k.n.maxItems,
		"minContains": &k.n.minContains, "maxContains": &k.n.maxContains,
		"minProperties": &k.n.minProps, "maxProperties": &k.n.maxProps,
	}[name]
	if to == nil {
		return false, nil
	}
	if !v.isInteger() || v.num.Sign() < 0 || !v.num.Num().IsInt64() {
		return true, errors.New("must be a whole number, 0 or more")
	}
	c := int(v.num.Num().Int64())
	*to = &c
	return true, nil
}

func (k *keywords) object(name string, v *value) (known bool, err error) {
	switch name {
	case "properties":
		k.n.props, err = k.properties(name, v)
	case "patternProperties":
		var list []property
		list, err = k.properties(name, v)
		for _, e := range list {
			p, bad := newPattern(e.name)
			if bad != nil {
				return true, bad
			}
			k.n.patternProps = append(k.n.patternProps, patternProperty{p, e.node})
		}
	case "additionalProperties":
		k.n.additional, err = k.child(name, v)
	case "propertyNames":
		k.n.names, err = k.child(name, v)
	case "required":
		if v.kind == kindBool { // draft 3, still seen in the wild on properties
			return true, nil
		}
		k.n.required, err = names(v)
	default:
		return false, nil
	}
	return true, err
}

func names(v *value) ([]string, error) {
	if v.kind != kindArray {
		return nil, errors.New("must be a list of names")
	}
	var out []string
	for _, e := range v.elems {
		if e.kind != kindString {
			return nil, errors.New("must be a list of names")
		}
		out = append(out, e.str)
	}
	return out, nil
}

func (k *keywords) properties(name string, v *value) ([]property, error) {
	if v.kind != kindObject {
		return nil, errors.New("must be an object of schemas")
	}
	var out []property
	for _, m := range v.members {
		n, err := k.child(name+"/"+escape(m.name), m.value)
		if err != nil {
			return nil, err
		}
		out = append(out, property{m.name, n})
	}
	return out, nil
}

func (k *keywords) array(name string, v *value) (known bool, err error) {
	switch {
	case name == "prefixItems", name == "items" && v.kind == kindArray:
		k.n.prefix, err = k.list(name, v)
	case name == "items", name == "additionalItems" && k.n.prefix != nil:
		k.n.items, err = k.child(name, v)
	case name == "additionalItems": // without a tuple it says nothing
	case name == "contains":
		k.n.contains, err = k.child(name, v)
	default:
		return false, nil
	}
	return true, err
}

func (k *keywords) applicator(name string, v *value) (known bool, err error) {
	switch name {
	case "allOf":
		k.n.allOf, err = k.list(name, v)
	case "anyOf":
		k.n.anyOf, err = k.list(name, v)
	case "oneOf":
		k.n.oneOf, err = k.list(name, v)
	case "not":
		k.n.not, err = k.child(name, v)
	case "if":
		k.n.when, err = k.child(name, v)
	case "then":
		k.n.then, err = k.child(name, v)
	case "else":
		k.n.other, err = k.child(name, v)
	default:
		return false, nil
	}
	return true, err
}

func (k *keywords) list(name string, v *value) ([]*node, error) {
	if v.kind != kindArray || len(v.elems) == 0 {
		return nil, errors.New("must be a list of schemas")
	}
	var out []*node
	for i, e := range v.elems {
		n, err := k.child(fmt.Sprintf("%s/%d", name, i), e)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (k *keywords) child(step string, v *value) (*node, error) {
	return k.p.schema(v, k.n.path+"/"+step, k.depth)
}

func escape(s string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(s) }
