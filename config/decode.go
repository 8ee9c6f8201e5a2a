package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds the work on a file whose aliases multiply.
const maxNodes = 200_000

// defaulter is a settings type with defaults of its own.
type defaulter interface{ setDefaults() }

// setDefaults fills *p, a pointer to a struct, and the structs within it,
// inner ones first, so that an outer type may overrule an inner.
func setDefaults(p any) { fillDefaults(reflect.ValueOf(p).Elem()) }

func fillDefaults(v reflect.Value) {
	if v.Kind() == reflect.Struct && !isText(v) {
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fillDefaults(v.Field(i))
			}
		}
	}
	if d, ok := v.Addr().Interface().(defaulter); ok {
		d.setDefaults()
	}
}

// isText reports whether the addressable v reads itself from a scalar.
func isText(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

// decoder reads a tree of YAML nodes into settings, strictly, and notes where
// each one stood. It gathers faults instead of stopping at the first.
type decoder struct {
	file   string
	expand func(text string) (string, error) // resolves ${…}
	probs  problems
	nodes  int
}

func (d *decoder) errorf(n *yaml.Node, path, format string, args ...any) {
	d.probs.list = append(d.probs.list, &Error{File: d.file, Line: n.Line, Key: path, Msg: fmt.Sprintf(format, args...)})
}

// value reads n into v, which is addressable and holds the defaults.
func (d *decoder) value(n *yaml.Node, path string, v reflect.Value) {
	n, ok := d.enter(n, path)
	if !ok {
		return
	}
	d.probs.origins[path] = origin{file: d.file, line: n.Line}
	switch {
	case isText(v):
		d.text(n, path, v)
	case v.Kind() == reflect.Pointer:
		d.pointer(n, path, v)
	case v.Kind() == reflect.Struct:
		d.structure(n, path, v)
	case v.Kind() == reflect.Map:
		d.mapping(n, path, v)
	case v.Kind() == reflect.Slice:
		d.list(n, path, v)
	default:
		d.scalar(n, path, v)
	}
}

// enter counts a node and follows its alias; ok is false when there were too
// many nodes, which is reported once.
func (d *decoder) enter(n *yaml.Node, path string) (node *yaml.Node, ok bool) {
	d.nodes++
	if d.nodes == maxNodes {
		d.errorf(n, path, "the file is too large, or its aliases multiply")
	}
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n, d.nodes < maxNodes
}

func (d *decoder) pointer(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) && v.Type().Elem().Kind() == reflect.Struct {
		d.errorf(n, path, "has nothing below it; write {} for its defaults or delete the line")
		return
	}
	p := reflect.New(v.Type().Elem())
	fillDefaults(p.Elem())
	d.value(n, path, p.Elem())
	v.Set(p)
}

func (d *decoder) structure(n *yaml.Node, path string, v reflect.Value) {
	for _, e := range d.entries(n, path) {
		f, ok := fieldByKey(v, e.key.Value)
		if !ok {
			d.errorf(e.key, joinPath(path, e.key.Value), "unknown key%s", suggest(e.key.Value, fieldKeys(v.Type())))
			continue
		}
		d.value(e.value, joinPath(path, e.key.Value), f)
	}
}

func (d *decoder) mapping(n *yaml.Node, path string, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	for _, e := range d.entries(n, path) {
		elem := reflect.New(v.Type().Elem()).Elem()
		if elem.Kind() == reflect.Pointer {
			// A name with nothing below it is an element with its defaults.
			elem.Set(reflect.New(elem.Type().Elem()))
			fillDefaults(elem.Elem())
			d.value(e.value, joinPath(path, e.key.Value), elem.Elem())
		} else {
			fillDefaults(elem)
			d.value(e.value, joinPath(path, e.key.Value), elem)
		}
		m.SetMapIndex(reflect.ValueOf(e.key.Value), elem)
	}
	v.Set(m)
}

func (d *decoder) list(n *yaml.Node, path string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.errorf(n, path, "must be a list, not %s", nodeKind(n))
		return
	}
	s := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		fillDefaults(s.Index(i))
		d.value(item, path+"["+strconv.Itoa(i)+"]", s.Index(i))
	}
	v.Set(s)
}

// plain returns the text of a scalar with ${…} resolved.
func (d *decoder) plain(n *yaml.Node, path string) (string, bool) {
	switch {
	case isNull(n):
		d.errorf(n, path, "has no value; give one or delete the line")
		return "", false
	case n.Kind != yaml.ScalarNode:
		d.errorf(n, path, "must be a single value, not %s", nodeKind(n))
		return "", false
	case n.Style&yaml.TaggedStyle != 0 && n.ShortTag() != "!!str":
		d.errorf(n, path, "has the tag %s, which has no meaning here", n.ShortTag())
		return "", false
	}
	s, err := d.expand(n.Value)
	if err != nil {
		d.errorf(n, path, "%v", err)
		return "", false
	}
	return s, true
}

func (d *decoder) text(n *yaml.Node, path string, v reflect.Value) {
	s, ok := d.plain(n, path)
	if !ok {
		return
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)); err != nil {
		d.errorf(n, path, "%s", hide(err.Error(), s, n.Value))
	}
}

// hide replaces a value that came from a variable or a file, and may be a
// secret in the wrong place, by the text that stands in the configuration.
func hide(msg, value, source string) string {
	if value == source {
		return msg
	}
	msg = strings.ReplaceAll(msg, strconv.Quote(value), strconv.Quote(source))
	if strings.Contains(msg, value) {
		return "the value of " + source + " does not fit here"
	}
	return msg
}

func (d *decoder) scalar(n *yaml.Node, path string, v reflect.Value) {
	s, ok := d.plain(n, path)
	if !ok {
		return
	}
	if want := setScalar(v, s); want != "" {
		d.errorf(n, path, "%q is not %s", n.Value, want)
	}
}

// setScalar parses s into v and returns "", or what kind of value was wanted.
func setScalar(v reflect.Value, s string) (want string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Bool:
		if s != "true" && s != "false" {
			return "true or false"
		}
		v.SetBool(s == "true")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return "a whole number"
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return "a number"
		}
		v.SetFloat(f)
	default:
		panic("config: no reader for " + v.Type().String())
	}
	return ""
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func nodeKind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// joinPath appends a key to a path; a key that is not a plain name is quoted.
func joinPath(path, key string) string {
	if strings.ContainsAny(key, ".[]\"' ") || key == "" {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
