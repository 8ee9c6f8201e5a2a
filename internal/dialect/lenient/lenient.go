// Package lenient reads what providers send. One pass finds the members of an
// object; a member of an unexpected type counts as absent, and of one that
// appears twice the last counts, so that no oddity of a provider costs a client
// its answer. What clients send is read exactly instead, by package wire.
package lenient

import (
	"errors"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// Find sets out[i] to where member i of names stands in the JSON object v. The
// error is about the JSON: v is no object, or malformed.
func Find(v []byte, names *jsonedit.Names, out []jsonedit.Span) error {
	if _, _, err := jsonedit.Find(v, names, out); err != nil {
		return explain(err, v, names, out)
	}
	return nil
}

// explain forgives a member that appears twice. It is apart from Find because
// what it looks at goes to the heap.
func explain(err error, v []byte, names *jsonedit.Names, out []jsonedit.Span) error {
	var dup *jsonedit.DuplicateError
	if errors.As(err, &dup) {
		return findLast(v, names, out)
	}
	return err
}

func findLast(v []byte, names *jsonedit.Names, out []jsonedit.Span) error {
	clear(out)
	return jsonedit.Each(v, whole(v), func(key string, at jsonedit.Span) error {
		for i := range names.Len() {
			if names.Name(i) == key {
				out[i] = at
			}
		}
		return nil
	})
}

// Members is Find for a value that may be no object: it then has no members.
func Members(v []byte, names *jsonedit.Names, out []jsonedit.Span) {
	if len(v) == 0 || v[0] != '{' || Find(v, names, out) != nil {
		clear(out)
	}
}

// Present returns the bytes at a span, nil when it is absent or null.
func Present(raw []byte, at jsonedit.Span) []byte {
	if !at.Present() || raw[at.Start] == 'n' {
		return nil
	}
	return at.Of(raw)
}

// Text decodes a string; anything else is "".
func Text(raw []byte, at jsonedit.Span) string {
	if jsonedit.Kind(raw, at) != '"' {
		return ""
	}
	s, _ := jsonedit.String(raw, at)
	return s
}

// Word is Text for a value that is mostly one of words, which then costs no
// allocation.
func Word(raw []byte, at jsonedit.Span, words []string) string {
	if b := at.Of(raw); len(b) > 2 && b[0] == '"' {
		for _, w := range words {
			if string(b[1:len(b)-1]) == w {
				return w
			}
		}
	}
	return Text(raw, at)
}

// Count decodes a number of tokens, which some providers send as a string;
// anything else, and what is negative, is 0.
func Count(raw []byte, at jsonedit.Span) int64 {
	switch jsonedit.Kind(raw, at) {
	case '0':
		if n, err := jsonedit.Int64(raw, at); err == nil {
			return max(n, 0)
		}
		f, err := strconv.ParseFloat(string(at.Of(raw)), 64)
		if err != nil || f < 0 || f > 1<<53 {
			return 0
		}
		return int64(f)
	case '"':
		n, err := strconv.ParseInt(Text(raw, at), 10, 64)
		if err != nil {
			return 0
		}
		return max(n, 0)
	}
	return 0
}

// True reports whether the value at a span is true.
func True(raw []byte, at jsonedit.Span) bool { return jsonedit.Kind(raw, at) == 't' }

// Elems calls fn for each element of the array v; anything else has none.
func Elems(v []byte, fn func(v []byte)) {
	if len(v) == 0 || v[0] != '[' {
		return
	}
	_ = jsonedit.EachElem(v, whole(v), func(_ int, at jsonedit.Span) error {
		fn(at.Of(v))
		return nil
	})
}

func whole(v []byte) jsonedit.Span { return jsonedit.Span{Start: 0, End: len(v)} }

// Malformed is the error of a body that is not the JSON that it should be.
func Malformed(what string, err error) *llm.Error {
	return &llm.Error{Kind: llm.KindUpstreamError, Message: "the provider sent a malformed " + what, Err: err}
}
