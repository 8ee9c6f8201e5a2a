package openai

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// What providers send is read with these: one pass for each object, no error
// for a member of an unexpected type (it counts as absent), none for one that
// appears twice (the last one counts).

// fields finds members in the object v.
func fields(v []byte, names *jsonedit.Names, out []jsonedit.Span) error {
	_, _, err := jsonedit.Find(v, names, out)
	var dup *jsonedit.DuplicateError
	if errors.As(err, &dup) {
		return lastFields(v, names, out)
	}
	return err
}

func lastFields(v []byte, names *jsonedit.Names, out []jsonedit.Span) error {
	clear(out)
	return jsonedit.Each(v, jsonedit.Span{Start: 0, End: len(v)}, func(key string, at jsonedit.Span) error {
		for i := range names.Len() {
			if names.Name(i) == key {
				out[i] = at
			}
		}
		return nil
	})
}

// members is fields for a value that may be no object: it then has none.
func members(v []byte, names *jsonedit.Names, out []jsonedit.Span) {
	if len(v) == 0 || v[0] != '{' || fields(v, names, out) != nil {
		clear(out)
	}
}

// present returns the bytes at a span, nil when it is absent or null.
func present(raw []byte, at jsonedit.Span) []byte {
	if !at.Present() || raw[at.Start] == 'n' {
		return nil
	}
	return at.Of(raw)
}

// text decodes a string; anything else is "".
func text(raw []byte, at jsonedit.Span) string {
	if jsonedit.Kind(raw, at) != '"' {
		return ""
	}
	s, _ := jsonedit.String(raw, at)
	return s
}

// count decodes a number of tokens; anything else, and what is negative, is 0.
func count(raw []byte, at jsonedit.Span) int64 {
	if jsonedit.Kind(raw, at) != '0' {
		return 0
	}
	n, err := jsonedit.Int64(raw, at)
	if err != nil {
		f, err := strconv.ParseFloat(string(at.Of(raw)), 64)
		if err != nil || f < 0 || f > 1<<53 {
			return 0
		}
		n = int64(f)
	}
	return max(n, 0)
}

// elems calls fn for each element of the array v; anything else has none.
func elems(v []byte, fn func(i int, v []byte)) {
	if len(v) == 0 || v[0] != '[' {
		return
	}
	_ = jsonedit.EachElem(v, jsonedit.Span{Start: 0, End: len(v)}, func(i int, at jsonedit.Span) error {
		fn(i, at.Of(v))
		return nil
	})
}

// malformed is the error of an answer that is not the JSON that it should be.
func malformed(what string, err error) *llm.Error {
	return &llm.Error{Kind: llm.KindUpstreamError, Message: "the provider sent a malformed " + what, Err: err}
}

// emptyArray reports whether v is an array without elements.
func emptyArray(v []byte) bool {
	return len(v) >= 2 && v[0] == '[' && len(bytes.TrimSpace(v[1:len(v)-1])) == 0
}
