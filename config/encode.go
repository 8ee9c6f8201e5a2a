package config

import (
	"encoding"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Write prints the resolved settings as YAML with every secret masked, always
// in the same order. With the masks replaced by the secrets the text is a
// valid configuration that means the same.
func (c *Config) Write(w io.Writer) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(c.node(Secret.String)); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return enc.Close()
}

// Masked returns what Write prints.
func (c *Config) Masked() string {
	var b strings.Builder
	// Neither a strings.Builder nor a tree of plain nodes can fail.
	_ = c.Write(&b)
	return b.String()
}

// node returns the settings as a tree, with secrets as show gives them.
func (c *Config) node(show func(Secret) string) *yaml.Node {
	return encoder{show}.structure(reflectOf(c), reflectOf(Default()))
}

type encoder struct{ show func(Secret) string }

// value returns v as a node; def is its default. Both are addressable.
func (e encoder) value(v, def reflect.Value) *yaml.Node {
	if s, ok := v.Interface().(Secret); ok {
		return text(e.show(s))
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, _ := m.MarshalText() // our own types: they do not fail
		return &yaml.Node{Kind: yaml.ScalarNode, Value: string(b)}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return e.value(v.Elem(), newDefault(v.Type().Elem()))
	case reflect.Struct:
		return e.structure(v, def)
	case reflect.Map:
		return e.mapping(v)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, e.value(v.Index(i), newDefault(v.Type().Elem())))
		}
		return n
	case reflect.String:
		return text(v.String())
	case reflect.Float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatFloat(v.Float(), 'f', -1, 64)}
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Value: fmt.Sprint(v.Interface())}
}

func (e encoder) structure(v, def reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		key := fieldKey(v.Type().Field(i))
		if key == "" || silent(v.Field(i)) && silent(def.Field(i)) {
			continue
		}
		if val := e.value(v.Field(i), def.Field(i)); val.Kind != yaml.MappingNode || len(val.Content) > 0 {
			n.Content = append(n.Content, text(key), val)
		}
	}
	return n
}

func (e encoder) mapping(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	elems := map[string]reflect.Value{}
	for it := v.MapRange(); it.Next(); {
		elems[it.Key().String()] = it.Value()
	}
	for _, key := range slices.Sorted(maps.Keys(elems)) {
		k := &yaml.Node{}
		k.SetString(key) // keys know no ${…}
		n.Content = append(n.Content, k, e.value(elems[key], newDefault(v.Type().Elem())))
	}
	return n
}

// silent reports whether a setting says nothing: an empty text, list or
// mapping, or a feature that is off.
func silent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.String, reflect.Pointer:
		return v.IsZero()
	}
	s, ok := v.Interface().(Secret)
	return ok && s.IsZero()
}

// newDefault returns a new value of a type with its defaults.
func newDefault(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	fillDefaults(v)
	return v
}

// text returns a string as a node, quoted where it needs to be.
func text(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "${", "$${"))
	return n
}
