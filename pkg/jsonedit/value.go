package jsonedit

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind returns the type of the value at a span by one byte: '{', '[', '"',
// 't', 'f', 'n', '0' for any number, and 0 when the span is absent.
func Kind(raw []byte, at Span) byte {
	if at.Start >= at.End {
		return 0
	}
	c := raw[at.Start]
	if c == '-' || isDigit(c) {
		return '0'
	}
	return c
}

// IsNull reports whether the value at a span is null. An absent one is not.
func IsNull(raw []byte, at Span) bool { return Kind(raw, at) == 'n' }

// Bool returns the value at a span, or a *TypeError when it is no boolean.
func Bool(raw []byte, at Span) (bool, error) {
	switch Kind(raw, at) {
	case 't':
		return true, nil
	case 'f':
		return false, nil
	}
	return false, &TypeError{Want: "true or false", Offset: at.Start}
}

// String returns the value at a span with its escapes resolved, or a
// *TypeError when it is no string. As encoding/json does, it puts U+FFFD for
// bytes that are not UTF-8 and for halves of surrogate pairs.
func String(raw []byte, at Span) (string, error) {
	if Kind(raw, at) != '"' {
		return "", &TypeError{Want: "a string", Offset: at.Start}
	}
	body := raw[at.Start+1 : at.End-1]
	if bytes.IndexByte(body, '\\') < 0 && utf8.Valid(body) {
		return string(body), nil
	}
	return string(unescape(make([]byte, 0, len(body)), body, math.MaxInt)), nil
}

// StringEnd returns the offset behind the string whose opening quote is at
// raw[at], -1 when no valid string stands there. Bytes that are not UTF-8 are
// as valid as they are to String.
func StringEnd(raw []byte, at int) int {
	if at < 0 || at >= len(raw) || raw[at] != '"' {
		return -1
	}
	s := scanner{raw: raw}
	return s.str(at)
}

// Int64 returns the value at a span, or a *TypeError when it is no integer or
// does not fit. A number such as 100.0 or 1e3 is an integer, as JSON does not
// tell the forms apart and some clients write them so.
func Int64(raw []byte, at Span) (int64, error) {
	if Kind(raw, at) != '0' {
		return 0, &TypeError{Want: "an integer", Offset: at.Start}
	}
	text := at.Of(raw)
	if n, ok := smallInt(text); ok {
		return n, nil
	}
	if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return n, nil
	}
	const exact = 1 << 53 // beyond it a float no longer holds each integer
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > exact {
		return 0, &TypeError{Want: "an integer", Offset: at.Start}
	}
	return int64(f), nil
}

// smallInt reads plain digits, as many as cannot overflow.
func smallInt(text []byte) (n int64, ok bool) {
	if len(text) > 18 {
		return 0, false
	}
	for _, c := range text {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// unescape appends the content of a string, which a scanner has checked. It
// stops when dst has grown beyond limit bytes.
func unescape(dst, body []byte, limit int) []byte {
	for i := 0; i < len(body) && len(dst) <= limit; {
		c := body[i]
		switch {
		case c == '\\':
			var r rune
			r, i = escapedRune(body, i)
			dst = utf8.AppendRune(dst, r)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			r, size := utf8.DecodeRune(body[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return dst
}

// escapedRune returns the rune of the escape sequence at i and the offset
// behind it. Two sequences that make a surrogate pair are one rune.
func escapedRune(body []byte, i int) (rune, int) {
	switch c := body[i+1]; c {
	case 'b':
		return '\b', i + 2
	case 'f':
		return '\f', i + 2
	case 'n':
		return '\n', i + 2
	case 'r':
		return '\r', i + 2
	case 't':
		return '\t', i + 2
	case 'u':
	default:
		return rune(c), i + 2
	}
	r := hexRune(body[i+2 : i+6])
	i += 6
	if !utf16.IsSurrogate(r) {
		return r, i
	}
	if len(body)-i >= 6 && body[i] == '\\' && body[i+1] == 'u' {
		if pair := utf16.DecodeRune(r, hexRune(body[i+2:i+6])); pair != utf8.RuneError {
			return pair, i + 6
		}
	}
	return utf8.RuneError, i
}

func hexRune(digits []byte) (r rune) {
	for _, c := range digits {
		if isDigit(c) {
			r = r<<4 | rune(c-'0')
		} else {
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}
