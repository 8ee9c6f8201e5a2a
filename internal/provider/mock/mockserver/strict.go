package mockserver

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// shape says what a JSON value in a request may be. It is data: a dialect's
// strictness is a tree of shapes, and the rules about several members at once.
type shape struct {
	// kinds lists the JSON types allowed, each with its own shape when there
	// are several: string, integer, number, boolean, array, object.
	kind     string
	nullable bool
	variants []*shape // instead of kind: one for each JSON type

	enum    []string
	pattern *regexp.Regexp
	length  span // characters of a string, elements of an array, members of an object
	size    span // of a number

	elem *shape // of an array, or the values of an object with any names

	members map[string]*shape // of an object; others are unknown parameters
	need    []string          // members that must be there
	free    bool              // members with other names are allowed

	// by chooses the shape of an object by the value of its member pick: the
	// type of a part, the role of a message.
	pick string
	by   map[string]*shape
}

// span is a closed range; set says that there is one.
type span struct {
	set      bool
	min, max float64
}

func within(low, high float64) span { return span{true, low, high} }

// problem is a refusal in OpenAI's words: every refusal of a shape is a 400.
func problem(code, param, format string, args ...any) *llm.Error {
	return &llm.Error{
		Kind: llm.KindInvalidRequest, Status: http.StatusBadRequest,
		Code: code, Param: param, Message: fmt.Sprintf(format, args...),
	}
}

// check returns what is wrong with the value at path, nil if nothing is.
func (s *shape) check(raw []byte, at jsonedit.Span, path string) *llm.Error {
	kind := jsonKind(raw, at)
	if kind == "null" && s.nullable {
		return nil
	}
	for _, v := range s.variants {
		if v.accepts(kind) {
			return v.check(raw, at, path)
		}
	}
	if s.variants != nil || !s.accepts(kind) {
		return problem("invalid_type", path, "Invalid type for '%s': expected %s, but got %s instead.", path, s.wanted(), article(kind))
	}
	switch kind {
	case "string":
		return s.checkString(raw, at, path)
	case "integer", "number":
		return s.checkNumber(raw, at, path)
	case "array":
		return s.checkArray(raw, at, path)
	case "object":
		return s.checkObject(raw, at, path)
	}
	return nil
}

func (s *shape) accepts(kind string) bool {
	return s.kind == "" || s.kind == kind || s.kind == "number" && kind == "integer"
}

func (s *shape) wanted() string {
	if s.variants == nil {
		return article(s.kind)
	}
	var names []string
	for _, v := range s.variants {
		names = append(names, article(v.kind))
	}
	return "one of " + strings.Join(names, " or ")
}

func article(kind string) string {
	switch kind {
	case "integer", "array", "object":
		return "an " + kind
	case "number":
		return "a decimal"
	case "null":
		return kind
	}
	return "a " + kind
}

func jsonKind(raw []byte, at jsonedit.Span) string {
	switch jsonedit.Kind(raw, at) {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	if n, err := strconv.ParseFloat(string(at.Of(raw)), 64); err == nil && n == math.Trunc(n) {
		return "integer"
	}
	return "number"
}

func (s *shape) checkString(raw []byte, at jsonedit.Span, path string) *llm.Error {
	v, err := jsonedit.String(raw, at)
	if err != nil {
		return problem("invalid_type", path, "Invalid '%s': not a valid string.", path)
	}
	if s.enum != nil && !slices.Contains(s.enum, v) {
		return problem("invalid_value", path, "Invalid value: '%s'. Supported values are: '%s'.", v, strings.Join(s.enum, "', '"))
	}
	if n := utf8.RuneCountInString(v); s.length.set {
		if float64(n) > s.length.max {
			return problem("string_above_max_length", path,
				"Invalid '%s': string too long. Expected a string with maximum length %g, but got a string with length %d instead.", path, s.length.max, n)
		}
		if float64(n) < s.length.min {
			return problem("empty_string", path,
				"Invalid '%s': string too short. Expected a string with minimum length %g, but got an empty string instead.", path, s.length.min)
		}
	}
	if s.pattern != nil && !s.pattern.MatchString(v) {
		return problem("invalid_value", path, "Invalid '%s': string does not match pattern. Expected a string that matches the pattern '%s'.", path, s.pattern)
	}
	return nil
}

func (s *shape) checkNumber(raw []byte, at jsonedit.Span, path string) *llm.Error {
	text := string(at.Of(raw))
	n, err := strconv.ParseFloat(text, 64)
	name := "decimal"
	if s.kind == "integer" {
		name = "integer"
	}
	switch {
	case err != nil:
		return problem("invalid_value", path, "Invalid '%s': number out of range.", path)
	case s.size.set && n < s.size.min:
		return problem(name+"_below_min_value", path, "Invalid '%s': %s below minimum value. Expected a value >= %g, but got %s instead.", path, name, s.size.min, text)
	case s.size.set && n > s.size.max:
		return problem(name+"_above_max_value", path, "Invalid '%s': %s above maximum value. Expected a value <= %g, but got %s instead.", path, name, s.size.max, text)
	}
	return nil
}

func (s *shape) checkArray(raw []byte, at jsonedit.Span, path string) *llm.Error {
	n := 0
	var found *llm.Error
	err := jsonedit.EachElem(raw, at, func(i int, v jsonedit.Span) error {
		n++
		if s.elem != nil && found == nil {
			found = s.elem.check(raw, v, path+"["+strconv.Itoa(i)+"]")
		}
		return nil
	})
	switch {
	case err != nil:
		return problem("", path, "Invalid '%s': %v.", path, err)
	case s.length.set && float64(n) < s.length.min:
		return problem("empty_array", path, "Invalid '%s': empty array. Expected an array with minimum length %g, but got an empty array instead.", path, s.length.min)
	case s.length.set && float64(n) > s.length.max:
		return problem("array_above_max_length", path,
			"Invalid '%s': array too long. Expected an array with maximum length %g, but got an array with length %d instead.", path, s.length.max, n)
	}
	return found
}

func (s *shape) checkObject(raw []byte, at jsonedit.Span, path string) *llm.Error {
	if s.pick != "" {
		return s.checkPicked(raw, at, path)
	}
	seen := map[string]bool{}
	var found *llm.Error
	err := jsonedit.Each(raw, at, func(name string, v jsonedit.Span) error {
		if found == nil {
			found = s.checkMember(raw, name, v, path)
		}
		seen[name] = jsonKind(raw, v) != "null" || s.members[name] == nil || s.members[name].nullable
		return nil
	})
	if err != nil {
		return problem("", path, "Invalid '%s': %v.", path, err)
	}
	if s.length.set && float64(len(seen)) > s.length.max {
		return problem("object_above_max_properties", path,
			"Invalid '%s': too many properties. Expected an object with at most %g properties, but got an object with %d properties instead.", path, s.length.max, len(seen))
	}
	for _, name := range s.need {
		if !seen[name] && found == nil {
			p := join(path, name)
			found = problem("missing_required_parameter", p, "Missing required parameter: '%s'.", p)
		}
	}
	return found
}

func (s *shape) checkMember(raw []byte, name string, v jsonedit.Span, path string) *llm.Error {
	m, known := s.members[name]
	p := join(path, name)
	switch {
	case known:
		return m.check(raw, v, p)
	case s.elem != nil:
		return s.elem.check(raw, v, p)
	case s.free:
		return nil
	case path == "":
		return problem("unknown_parameter", p, "Unrecognized request argument supplied: %s", name)
	}
	return problem("unknown_parameter", p, "Unknown parameter: '%s'.", p)
}

// checkPicked finds the member that says which of several shapes an object has.
func (s *shape) checkPicked(raw []byte, at jsonedit.Span, path string) *llm.Error {
	var value string
	var got jsonedit.Span
	_ = jsonedit.Each(raw, at, func(name string, v jsonedit.Span) error {
		if name == s.pick {
			got = v
			value, _ = jsonedit.String(raw, v)
		}
		return nil
	})
	p := join(path, s.pick)
	if !got.Present() {
		return problem("missing_required_parameter", p, "Missing required parameter: '%s'.", p)
	}
	next := s.by[value]
	if next == nil {
		names := make([]string, 0, len(s.by))
		for n := range s.by {
			names = append(names, n)
		}
		slices.Sort(names)
		return problem("invalid_value", p, "Invalid value: '%s'. Supported values are: '%s'.", value, strings.Join(names, "', '"))
	}
	return next.check(raw, at, path)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
