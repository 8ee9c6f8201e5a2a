package wire

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// The appenders below write compact JSON. Whether a comma is due is read off
// the last byte, which is { or [ only where a container has just been opened.

// Sep appends the comma between two members or elements where one is due.
func Sep(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] != '{' && b[n-1] != '[' {
		return append(b, ',')
	}
	return b
}

// Key begins a member. name must need no escaping.
func Key(b []byte, name string) []byte {
	b = append(Sep(b), '"')
	b = append(b, name...)
	return append(b, '"', ':')
}

// Str appends a member with a string value.
func Str(b []byte, name, value string) []byte {
	return jsonedit.AppendString(Key(b, name), value)
}

// StrIf appends a member with a string value, unless that is empty.
func StrIf(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return Str(b, name, value)
}

// StrOrNull appends a member with a string value, null for an empty one.
func StrOrNull(b []byte, name, value string) []byte {
	if value == "" {
		return append(Key(b, name), "null"...)
	}
	return Str(b, name, value)
}

// Lit appends a member whose value is JSON text.
func Lit[T ~string | ~[]byte](b []byte, name string, value T) []byte {
	return append(Key(b, name), value...)
}

// Num appends a member with an integer value.
func Num(b []byte, name string, value int64) []byte {
	return strconv.AppendInt(Key(b, name), value, 10)
}

// NumPtr appends a member with an integer value, unless that is nil.
func NumPtr(b []byte, name string, value *int64) []byte {
	if value == nil {
		return b
	}
	return Num(b, name, *value)
}

// FloatPtr appends a member with a number in its shortest form that reads back
// the same, unless it is nil or no number of JSON.
func FloatPtr(b []byte, name string, value *float64) []byte {
	if value == nil || math.IsNaN(*value) || math.IsInf(*value, 0) {
		return b
	}
	return strconv.AppendFloat(Key(b, name), *value, 'g', -1, 64)
}

// Boolean appends a member with a boolean value.
func Boolean(b []byte, name string, value bool) []byte {
	return strconv.AppendBool(Key(b, name), value)
}

// BoolPtr appends a member with a boolean value, unless that is nil.
func BoolPtr(b []byte, name string, value *bool) []byte {
	if value == nil {
		return b
	}
	return Boolean(b, name, *value)
}

// StrElem appends an element that is a string.
func StrElem(b []byte, value string) []byte { return jsonedit.AppendString(Sep(b), value) }

// Map appends an object of strings, sorted by key.
func Map(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = append(jsonedit.AppendString(Sep(b), k), ':')
		b = jsonedit.AppendString(b, m[k])
	}
	return append(b, '}')
}
