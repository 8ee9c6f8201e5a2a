// Package wire holds what the OpenAI-shaped dialects need to read and write
// JSON by hand: decoders that say at which member they failed, and appenders
// that need no intermediate values. It knows JSON, not the dialects.
//
// Readers take the bytes of one value that is known to be valid JSON (Body has
// seen the whole text). An error of theirs is an *llm.Error of
// KindInvalidRequest whose Param grows from the inside out, one name or index
// for each level it passes on its way up; Explain completes its message.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// nothing makes jsonedit.Find validate a text without looking for a member.
var nothing = jsonedit.NewNames()

// Body checks that raw is exactly one JSON object. Its error names the byte
// offset at which the text goes wrong.
func Body(raw []byte) error {
	_, _, err := jsonedit.Find(raw, nothing, nil)
	if err == nil {
		return nil
	}
	var syn *jsonedit.SyntaxError
	if errors.As(err, &syn) {
		return &llm.Error{Kind: llm.KindInvalidRequest, Err: err,
			Message: "malformed JSON at byte " + strconv.Itoa(syn.Offset) + ": " + syn.Msg}
	}
	return &llm.Error{Kind: llm.KindInvalidRequest, Message: "malformed JSON: " + err.Error(), Err: err}
}

// Trim takes off the white space around a whole body.
func Trim(raw []byte) []byte { return bytes.TrimSpace(raw) }

// Explain ends the way of an error up through the levels: its message comes to
// name the member at fault.
func Explain(err error) error {
	var e *llm.Error
	if err == nil || !errors.As(err, &e) || e.Param == "" {
		return err
	}
	e.Message = "invalid '" + e.Param + "': " + e.Message
	if e.Kind == llm.KindUnsupported {
		e.Message = "unsupported" + strings.TrimPrefix(e.Message, "invalid")
	}
	return e
}

// At puts name before the path of the member that err is about.
func At(err error, name string) error {
	if err == nil {
		return nil // before at, whose variable would be allocated in every call
	}
	return at(err, name)
}

func at(err error, name string) error {
	var e *llm.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Param == "":
		e.Param = name
	case e.Param[0] == '[':
		e.Param = name + e.Param
	default:
		e.Param = name + "." + e.Param
	}
	return e
}

// AtIndex puts [i] before the path of the member that err is about.
func AtIndex(err error, i int) error {
	if err == nil {
		return nil
	}
	return At(err, "["+strconv.Itoa(i)+"]")
}

// Wrong is the error of a value that is not what it must be.
func Wrong(format string, args ...any) error { return llm.Invalid("", format, args...) }

// Refuse is the error of a value that is well formed and not honoured.
func Refuse(format string, args ...any) error { return llm.Unsupported("", format, args...) }

// Null reports whether v is absent or the literal null.
func Null(v []byte) bool { return len(v) == 0 || v[0] == 'n' }

// kind names the JSON type of v for messages.
func kind(v []byte) string {
	if len(v) == 0 {
		return "nothing"
	}
	switch v[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func expected(what string, v []byte) error { return Wrong("expected %s, got %s", what, kind(v)) }

func whole(v []byte) jsonedit.Span { return jsonedit.Span{Start: 0, End: len(v)} }

// Object calls fn for each member of v whose value is not null, in order.
func Object(v []byte, fn func(name string, v []byte) error) error {
	if len(v) == 0 || v[0] != '{' {
		return expected("an object", v)
	}
	return jsonedit.Each(v, whole(v), func(name string, at jsonedit.Span) error {
		m := v[at.Start:at.End]
		if Null(m) {
			return nil
		}
		return At(fn(name, m), name)
	})
}

// Array calls fn for each element of v, null or not, in order.
func Array(v []byte, fn func(i int, v []byte) error) error {
	if len(v) == 0 || v[0] != '[' {
		return expected("an array", v)
	}
	return jsonedit.EachElem(v, whole(v), func(i int, at jsonedit.Span) error {
		return AtIndex(fn(i, v[at.Start:at.End]), i)
	})
}

// String decodes a string.
func String(v []byte) (string, error) {
	if len(v) == 0 || v[0] != '"' {
		return "", expected("a string", v)
	}
	s, err := jsonedit.String(v, whole(v))
	if err != nil {
		return "", expected("a string", v)
	}
	return s, nil
}

// Filled decodes a string that must not be empty.
func Filled(v []byte) (string, error) {
	s, err := String(v)
	if err == nil && s == "" {
		return "", Wrong("must not be empty")
	}
	return s, err
}

// OneOf decodes a string that must be one of words.
func OneOf(v []byte, words ...string) (string, error) {
	s, err := String(v)
	if err != nil {
		return "", err
	}
	for _, w := range words {
		if s == w {
			return s, nil
		}
	}
	return "", &llm.Error{Kind: llm.KindInvalidRequest, Code: "invalid_value",
		Message: "must be one of " + strings.Join(words, ", ") + ", got " + strconv.Quote(clip(s))}
}

// clip bounds what a message quotes of a client's value.
func clip(s string) string {
	if len(s) > 64 {
		return strings.ToValidUTF8(s[:64], "") + "…"
	}
	return s
}

// Bool decodes a boolean.
func Bool(v []byte) (bool, error) {
	switch string(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, expected("a boolean", v)
}

// Int decodes an integer in [lo, hi]; 1.0 and 1e3 count as integers.
func Int(v []byte, lo, hi int64) (int64, error) {
	n, err := integer(v)
	if err != nil {
		return 0, err
	}
	if n < lo || n > hi {
		return 0, Wrong("must be %s, got %d", between(float64(lo), float64(hi)), n)
	}
	return n, nil
}

func integer(v []byte) (int64, error) {
	n, err := jsonedit.Int64(v, whole(v))
	if err != nil && jsonedit.Kind(v, whole(v)) == '0' {
		return 0, Wrong("expected an integer in range")
	}
	if err != nil {
		return 0, expected("an integer", v)
	}
	return n, nil
}

func number(v []byte) (float64, error) {
	if jsonedit.Kind(v, whole(v)) != '0' {
		return 0, expected("a number", v)
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return 0, Wrong("number out of range")
	}
	return f, nil
}

// Float decodes a number in [lo, hi].
func Float(v []byte, lo, hi float64) (float64, error) {
	f, err := number(v)
	if err != nil {
		return 0, err
	}
	if f < lo || f > hi {
		return 0, Wrong("must be %s, got %s", between(lo, hi), strconv.FormatFloat(f, 'g', -1, 64))
	}
	return f, nil
}

// between words a range; a bound that no sane value reaches is left out.
func between(lo, hi float64) string {
	num := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	switch {
	case hi >= math.MaxInt32:
		return "at least " + num(lo)
	case lo <= math.MinInt32:
		return "at most " + num(hi)
	}
	return "between " + num(lo) + " and " + num(hi)
}

// Strings decodes an array of strings.
func Strings(v []byte) ([]string, error) {
	var list []string
	err := Array(v, func(_ int, v []byte) error {
		s, err := String(v)
		list = append(list, s)
		return err
	})
	return list, err
}

// StringMap decodes an object of strings.
func StringMap(v []byte) (map[string]string, error) {
	m := map[string]string{}
	err := Object(v, func(name string, v []byte) error {
		s, err := String(v)
		m[name] = s
		return err
	})
	return m, err
}

// Raw returns a copy-free view of an object, as it stands.
func Raw(v []byte) (json.RawMessage, error) {
	if len(v) == 0 || v[0] != '{' {
		return nil, expected("an object", v)
	}
	return v, nil
}
