package schema_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// This is a second validator, written apart from the package: over what
// encoding/json makes of a text, with floating-point numbers and its own
// reading of each keyword. The generator is tested against it.

type referee struct{ root any }

func judge(schema, text []byte) (bool, error) {
	var s, v any
	if err := json.Unmarshal(schema, &s); err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return false, err
	}
	return (&referee{root: s}).accepts(s, v, 0), nil
}

func (r *referee) accepts(s, v any, depth int) bool {
	if depth > 500 {
		return false
	}
	if b, ok := s.(bool); ok {
		return b
	}
	m, ok := s.(map[string]any)
	if !ok {
		return false
	}
	for key, arg := range m {
		if !r.keyword(m, key, arg, v, depth+1) {
			return false
		}
	}
	return true
}

func (r *referee) keyword(s map[string]any, key string, arg, v any, depth int) bool {
	switch key {
	case "$ref":
		return r.accepts(r.lookup(arg.(string)), v, depth)
	case "type":
		return typeFits(arg, v)
	case "enum":
		return slices.ContainsFunc(arg.([]any), func(e any) bool { return reflect.DeepEqual(e, v) })
	case "const":
		return reflect.DeepEqual(arg, v)
	case "allOf":
		return r.matching(arg, v, depth) == len(arg.([]any))
	case "anyOf":
		return r.matching(arg, v, depth) > 0
	case "oneOf":
		return r.matching(arg, v, depth) == 1
	case "not":
		return !r.accepts(arg, v, depth)
	case "if":
		branch, has := s["else"]
		if r.accepts(arg, v, depth) {
			branch, has = s["then"]
		}
		return !has || r.accepts(branch, v, depth)
	}
	switch v := v.(type) {
	case float64:
		return numberFits(s, key, arg, v)
	case string:
		return stringFits(key, arg, v)
	case []any:
		return r.arrayFits(s, key, arg, v, depth)
	case map[string]any:
		return r.objectFits(s, key, arg, v, depth)
	}
	return true
}

func (r *referee) lookup(ref string) any {
	at := r.root
	for _, step := range strings.Split(ref, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch n := at.(type) {
		case map[string]any:
			at = n[step]
		case []any:
			var i int
			_, _ = fmt.Sscan(step, &i)
			at = n[i]
		}
	}
	return at
}

func (r *referee) matching(list, v any, depth int) int {
	n := 0
	for _, s := range list.([]any) {
		if r.accepts(s, v, depth) {
			n++
		}
	}
	return n
}

func typeFits(arg, v any) bool {
	if list, ok := arg.([]any); ok {
		return slices.ContainsFunc(list, func(t any) bool { return typeFits(t, v) })
	}
	switch v := v.(type) {
	case nil:
		return arg == "null"
	case bool:
		return arg == "boolean"
	case string:
		return arg == "string"
	case float64:
		return arg == "number" || arg == "integer" && v == math.Trunc(v)
	case []any:
		return arg == "array"
	}
	return arg == "object"
}

func numberFits(s map[string]any, key string, arg any, v float64) bool {
	const tolerance = 1e-9
	bound, ok := arg.(float64)
	switch key {
	case "minimum":
		return v >= bound && (s["exclusiveMinimum"] != true || v > bound)
	case "maximum":
		return v <= bound && (s["exclusiveMaximum"] != true || v < bound)
	case "exclusiveMinimum":
		return !ok || v > bound
	case "exclusiveMaximum":
		return !ok || v < bound
	case "multipleOf":
		q := v / bound
		return math.Abs(q-math.Round(q)) <= tolerance*math.Max(1, math.Abs(q))
	}
	return true
}

func stringFits(key string, arg any, v string) bool {
	n := float64(utf8.RuneCountInString(v))
	switch key {
	case "minLength":
		return n >= arg.(float64)
	case "maxLength":
		return n <= arg.(float64)
	case "pattern":
		return regexp.MustCompile(strings.NewReplacer(`\u00e9`, "é", `\u00ef`, "ï").Replace(arg.(string))).MatchString(v)
	case "format":
		return formatFits(arg.(string), v)
	}
	return true
}

func formatFits(format, v string) bool {
	var err error
	switch format {
	case "date-time":
		_, err = time.Parse(time.RFC3339Nano, v)
	case "date":
		_, err = time.Parse("2006-01-02", v)
	case "email":
		var a *mail.Address
		a, err = mail.ParseAddress(v)
		return err == nil && a.Address == v
	case "ipv4", "ipv6":
		var a netip.Addr
		a, err = netip.ParseAddr(v)
		return err == nil && a.Is4() == (format == "ipv4")
	case "uuid":
		return len(v) == 36 && strings.Count(v, "-") == 4 && strings.Trim(v, "0123456789abcdef-") == ""
	case "uri":
		var u *url.URL
		u, err = url.ParseRequestURI(v)
		return err == nil && u.IsAbs()
	}
	return err == nil
}

func (r *referee) arrayFits(s map[string]any, key string, arg any, v []any, depth int) bool {
	switch key {
	case "minItems":
		return float64(len(v)) >= arg.(float64)
	case "maxItems":
		return float64(len(v)) <= arg.(float64)
	case "uniqueItems":
		for i := range v {
			for j := range i {
				if arg == true && reflect.DeepEqual(v[i], v[j]) {
					return false
				}
			}
		}
	case "prefixItems":
		for i, sub := range arg.([]any) {
			if i < len(v) && !r.accepts(sub, v[i], depth) {
				return false
			}
		}
	case "items":
		prefix, _ := s["prefixItems"].([]any)
		if tuple, old := arg.([]any); old {
			prefix, arg = tuple, s["additionalItems"]
			for i := range min(len(prefix), len(v)) {
				if !r.accepts(prefix[i], v[i], depth) {
					return false
				}
			}
		}
		for i := len(prefix); i < len(v); i++ {
			if !r.accepts(arg, v[i], depth) {
				return false
			}
		}
	case "contains":
		low, high, n := 1.0, math.Inf(1), 0.0
		if m, ok := s["minContains"].(float64); ok {
			low = m
		}
		if m, ok := s["maxContains"].(float64); ok {
			high = m
		}
		for _, e := range v {
			if r.accepts(arg, e, depth) {
				n++
			}
		}
		return n >= low && n <= high
	}
	return true
}

func (r *referee) objectFits(s map[string]any, key string, arg any, v map[string]any, depth int) bool {
	props, _ := s["properties"].(map[string]any)
	patterns, _ := s["patternProperties"].(map[string]any)
	switch key {
	case "minProperties":
		return float64(len(v)) >= arg.(float64)
	case "maxProperties":
		return float64(len(v)) <= arg.(float64)
	case "required":
		for _, name := range arg.([]any) {
			if _, ok := v[name.(string)]; !ok {
				return false
			}
		}
	}
	for name, e := range v {
		switch key {
		case "propertyNames":
			if !r.accepts(arg, name, depth) {
				return false
			}
		case "properties":
			if sub, ok := props[name]; ok && !r.accepts(sub, e, depth) {
				return false
			}
		case "patternProperties", "additionalProperties":
			_, named := props[name]
			for p, sub := range patterns {
				if !regexp.MustCompile(p).MatchString(name) {
					continue
				}
				named = true
				if key == "patternProperties" && !r.accepts(sub, e, depth) {
					return false
				}
			}
			if key == "additionalProperties" && !named && !r.accepts(arg, e, depth) {
				return false
			}
		}
	}
	return true
}

// TestReferee: a judge that accepts all or nothing would prove nothing.
func TestReferee(t *testing.T) {
	for _, tc := range verdicts() {
		for text, want := range tc.values {
			got, err := judge([]byte(tc.schema), []byte(text))
			if err != nil || got != want {
				t.Errorf("%s of %s: %v, want %v (%v)", tc.schema, text, got, want, err)
			}
		}
	}
}

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return out.String()
}
