package anthropic

import (
	"encoding/json"
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// objectNames are the members of a JSON schema that matter for structured
// output.
var objectNames = jsonedit.NewNames("type", "properties", "required", "additionalProperties")

const (
	objType = iota
	objProperties
	objRequired
	objAdditional
	objCount
)

// subschemas are the members of a schema that hold schemas: one, a list, or a
// set by name.
var subschemas = map[string]bool{
	"items": true, "anyOf": true, "allOf": true, "oneOf": true, "not": true, "prefixItems": true,
	"properties": true, "$defs": true, "definitions": true,
}

// eachSchema calls fn for every schema object in raw, inner ones before those
// that hold them.
func eachSchema(raw []byte, at jsonedit.Span, fn func(at jsonedit.Span) error) error {
	if jsonedit.Kind(raw, at) == '[' {
		return jsonedit.EachElem(raw, at, func(_ int, v jsonedit.Span) error { return eachSchema(raw, v, fn) })
	}
	if jsonedit.Kind(raw, at) != '{' {
		return nil
	}
	err := jsonedit.Each(raw, at, func(key string, v jsonedit.Span) error {
		switch {
		case !subschemas[key]:
			return nil
		case key == "properties" || key == "$defs" || key == "definitions":
			return eachNamed(raw, v, fn)
		}
		return eachSchema(raw, v, fn)
	})
	if err != nil {
		return err
	}
	return fn(at)
}

func eachNamed(raw []byte, at jsonedit.Span, fn func(at jsonedit.Span) error) error {
	if jsonedit.Kind(raw, at) != '{' {
		return nil
	}
	return jsonedit.Each(raw, at, func(_ string, v jsonedit.Span) error { return eachSchema(raw, v, fn) })
}

// closeSchema says additionalProperties false on every object that says
// nothing about it, as Anthropic demands: what fits the narrower schema fits
// the client's.
func closeSchema(raw json.RawMessage) ([]byte, error) {
	var edits []jsonedit.Edit
	err := eachSchema(raw, jsonedit.Span{Start: 0, End: len(raw)}, func(at jsonedit.Span) error {
		var in [objCount]jsonedit.Span
		end, _, err := jsonedit.FindIn(raw, at, objectNames, in[:])
		if err != nil || in[objAdditional].Present() || !isObject(raw, &in) {
			return err
		}
		edits = append(edits, jsonedit.Edit{Span: jsonedit.Span{Start: end, End: end}, New: []byte(`,"additionalProperties":false`)})
		return nil
	})
	if err != nil {
		return nil, llm.Invalid("response_format.json_schema.schema", "response_format.json_schema.schema: %v", err)
	}
	slices.SortFunc(edits, func(a, b jsonedit.Edit) int { return a.Start - b.Start })
	return jsonedit.Splice(raw, edits...), nil
}

func isObject(raw []byte, in *[objCount]jsonedit.Span) bool {
	if jsonedit.Kind(raw, in[objType]) == '"' {
		s, err := jsonedit.String(raw, in[objType])
		return err == nil && s == "object"
	}
	return in[objProperties].Present()
}

// strictSchema reports whether a schema meets what OpenAI demands of a strict
// one: every object closed and all its properties required.
func strictSchema(raw json.RawMessage) bool {
	strict := true
	err := eachSchema(raw, jsonedit.Span{Start: 0, End: len(raw)}, func(at jsonedit.Span) error {
		var in [objCount]jsonedit.Span
		if _, _, err := jsonedit.FindIn(raw, at, objectNames, in[:]); err != nil {
			return err
		}
		if isObject(raw, &in) {
			closed, err := jsonedit.Bool(raw, in[objAdditional])
			strict = strict && err == nil && !closed && count(raw, in[objRequired]) == count(raw, in[objProperties])
		}
		return nil
	})
	return err == nil && strict
}

// count returns the number of members or elements of a value.
func count(raw []byte, at jsonedit.Span) int {
	n := 0
	switch jsonedit.Kind(raw, at) {
	case '[':
		_ = jsonedit.EachElem(raw, at, func(int, jsonedit.Span) error { n++; return nil })
	case '{':
		_ = jsonedit.Each(raw, at, func(string, jsonedit.Span) error { n++; return nil })
	}
	return n
}
