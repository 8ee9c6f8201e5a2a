package jsonedit

import (
	"math/bits"
	"unicode/utf8"
)

// Edit replaces the bytes at a span by New. A span with Start == End inserts.
type Edit struct {
	Span
	New []byte
}

// Splice returns a copy of raw with the edits made, in one allocation; raw is
// untouched. The edits must be sorted and must not overlap: Splice panics
// otherwise, as edits come from the program and not from outside.
func Splice(raw []byte, edits ...Edit) []byte {
	size := len(raw)
	for _, e := range edits {
		size += len(e.New) - (e.End - e.Start)
	}
	dst := make([]byte, 0, max(size, 0))
	from := 0
	for _, e := range edits {
		dst = append(dst, raw[from:e.Start]...)
		dst = append(dst, e.New...)
		_ = raw[e.Start:e.End]
		from = e.End
	}
	return append(dst, raw[from:]...)
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Only what must be escaped is, and,
// as encoding/json does, U+2028 and U+2029, which older JavaScript cannot hold
// in a string; HTML is left alone. Bytes that are not UTF-8 become \ufffd.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; ; {
		if i = plainASCII(s, i); i == len(s) {
			dst = append(dst, s[from:]...)
			return append(dst, '"')
		}
		if s[i] < utf8.RuneSelf {
			dst = appendEscape(append(dst, s[from:i]...), s[i])
			i++
			from = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[from:i]...), `\ufffd`...)
			from = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[from:i]...), `\u202`...)
			dst = append(dst, hexDigits[r&0xf])
			from = i + size
		}
		i += size
	}
}

// appendEscape appends the escape sequence of an ASCII character.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}

// plainASCII returns the offset of the first byte at or after i that is not
// ASCII or cannot stand for itself in a JSON string, or len(s).
func plainASCII(s string, i int) int {
	for ; len(s)-i >= 8; i += 8 {
		w := s[i : i+8]
		x := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		if m := special(x) | x&highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}
