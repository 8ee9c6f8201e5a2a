package jsonedit

import (
	"encoding/binary"
	"math/bits"
)

// scanner checks a text as it walks over it. Its methods take the offset where
// something must stand and return the offset behind it, or a negative number
// after noting the failure: an error value would cost an allocation.
type scanner struct {
	raw     []byte
	depth   int
	escaped bool // the last string scanned has a backslash
	at      int  // where the text is wrong
	msg     string
}

func (s *scanner) fail(at int, msg string) int {
	s.at, s.msg = at, msg
	if at >= len(s.raw) {
		s.at, s.msg = len(s.raw), "unexpected end of JSON"
	}
	return -1
}

// err returns the failure as an error.
func (s *scanner) err() error { return &SyntaxError{Offset: s.at, Msg: s.msg} }

func (s *scanner) space(i int) int {
	for i < len(s.raw) && isSpace(s.raw[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool {
	const set = 1<<' ' | 1<<'\n' | 1<<'\t' | 1<<'\r'
	return c <= ' ' && set>>c&1 != 0
}

// value scans one value of any type.
func (s *scanner) value(i int) int {
	if i >= len(s.raw) {
		return s.fail(i, "")
	}
	switch c := s.raw[i]; c {
	case '"':
		return s.str(i)
	case '{':
		return s.object(i)
	case '[':
		return s.array(i)
	case 't':
		return s.literal(i, "true")
	case 'f':
		return s.literal(i, "false")
	case 'n':
		return s.literal(i, "null")
	default:
		if c == '-' || isDigit(c) {
			return s.number(i)
		}
	}
	return s.fail(i, "expected a JSON value")
}

func (s *scanner) object(i int) int {
	i, more := s.open(i, '}')
	for more {
		if _, _, i = s.member(i); i < 0 {
			return i
		}
		i, more = s.next(i, '}')
	}
	return i
}

func (s *scanner) array(i int) int {
	i, more := s.open(i, ']')
	for more {
		if i = s.value(i); i < 0 {
			return i
		}
		i, more = s.next(i, ']')
	}
	return i
}

// open steps into the object or array at i. more says that there is a first
// element, at i; otherwise i is behind the closing bracket, or negative.
func (s *scanner) open(i int, closing byte) (_ int, more bool) {
	if s.depth++; s.depth > MaxDepth {
		return s.fail(i, "JSON is nested too deep"), false
	}
	i = s.space(i + 1)
	if i < len(s.raw) && s.raw[i] == closing {
		s.depth--
		return i + 1, false
	}
	return i, true
}

// next steps over what stands behind an element: a comma, then more is true
// and the next element is at i; or the closing bracket, then i is behind it.
func (s *scanner) next(i int, closing byte) (_ int, more bool) {
	i = s.space(i)
	if i < len(s.raw) {
		switch s.raw[i] {
		case ',':
			return s.space(i + 1), true
		case closing:
			s.depth--
			return i + 1, false
		}
	}
	if closing == '}' {
		return s.fail(i, "expected a comma or a closing brace"), false
	}
	return s.fail(i, "expected a comma or a closing bracket"), false
}

// member scans a key, the colon and a value. next is negative on failure.
func (s *scanner) member(i int) (key, value Span, next int) {
	end, colon := s.key(i)
	if colon < 0 {
		return key, value, colon
	}
	start := s.space(colon + 1)
	next = s.value(start)
	return Span{i, end}, Span{start, next}, next
}

// key scans a member's name, which ends at end, and the colon behind it.
func (s *scanner) key(i int) (end, colon int) {
	if i >= len(s.raw) || s.raw[i] != '"' {
		return 0, s.fail(i, "expected a member name in quotes")
	}
	if end = s.str(i); end < 0 {
		return end, end
	}
	colon = s.space(end)
	if colon >= len(s.raw) || s.raw[colon] != ':' {
		return 0, s.fail(colon, "expected a colon")
	}
	return end, colon
}

func (s *scanner) literal(i int, word string) int {
	for k := range len(word) {
		if i+k >= len(s.raw) || s.raw[i+k] != word[k] {
			return s.fail(i+k, "expected "+word)
		}
	}
	return i + len(word)
}

func isDigit(c byte) bool { return c-'0' <= 9 }

func (s *scanner) digits(i int) int {
	if i >= len(s.raw) || !isDigit(s.raw[i]) {
		return s.fail(i, "expected a digit")
	}
	for i < len(s.raw) && isDigit(s.raw[i]) {
		i++
	}
	return i
}

func (s *scanner) number(i int) int {
	raw := s.raw
	if raw[i] == '-' {
		i++
	}
	if i < len(raw) && raw[i] == '0' {
		i++
	} else if i = s.digits(i); i < 0 {
		return i
	}
	if i < len(raw) && raw[i] == '.' {
		if i = s.digits(i + 1); i < 0 {
			return i
		}
	}
	if i < len(raw) && raw[i]|0x20 == 'e' {
		i++
		if i < len(raw) && (raw[i] == '+' || raw[i] == '-') {
			i++
		}
		return s.digits(i)
	}
	return i
}

// str scans the string whose opening quote is at i.
func (s *scanner) str(i int) int {
	s.escaped = false
	raw := s.raw
	i++
	if len(raw)-i >= 8 {
		// Most keys and many values end within one word.
		if m := special(binary.LittleEndian.Uint64(raw[i:])); m != 0 {
			if end := i + bits.TrailingZeros64(m)/8; raw[end] == '"' {
				return end + 1
			}
		}
	}
	for {
		i = plainBytes(raw, i)
		if i >= len(raw) {
			return s.fail(i, "")
		}
		switch raw[i] {
		case '"':
			return i + 1
		case '\\':
			s.escaped = true
			if i = s.escape(i); i < 0 {
				return i
			}
		default:
			return s.fail(i, "control character in a string")
		}
	}
}

// escape scans the escape sequence whose backslash is at i.
func (s *scanner) escape(i int) int {
	if i+1 >= len(s.raw) {
		return s.fail(i+1, "")
	}
	switch s.raw[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		for k := i + 2; k < i+6; k++ {
			if k >= len(s.raw) || !isHex(s.raw[k]) {
				return s.fail(k, "expected four hexadecimal digits")
			}
		}
		return i + 6
	}
	return s.fail(i+1, "invalid escape sequence")
}

func isHex(c byte) bool { return isDigit(c) || (c|0x20)-'a' <= 'f'-'a' }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special returns a mask whose lowest set bit is in the first byte of the
// little-endian word x that cannot stand for itself in a JSON string: a quote,
// a backslash or a control character. Bits above that one mean nothing.
//
// Flipping bit 1 brings the quote (0x22) down to 0x20 and keeps the control
// characters below it, so one comparison finds both.
func special(x uint64) uint64 {
	low := (x ^ 2*ones) - 0x21*ones
	back := (x ^ '\\'*ones) - ones
	return (low | back) & ^x & highs
}

// shortText is how many times sixteen bytes of a text are looked at here before
// it counts as long: calling plainBlocks for less costs more than it saves.
const shortText = 2

// plainBytes returns the offset of the first byte at or after i that cannot
// stand for itself in a JSON string, or len(b). It looks at sixteen bytes at a
// time, and in long texts at more.
func plainBytes(b []byte, i int) int {
	for seen := 0; len(b)-i >= 16; i, seen = i+16, seen+1 {
		if seen == shortText {
			if i = plainBlocks(b, i); len(b)-i < 16 {
				break
			}
		}
		w := b[i : i+16 : i+16]
		m := special(binary.LittleEndian.Uint64(w))
		n := special(binary.LittleEndian.Uint64(w[8:]))
		if m|n != 0 {
			if m != 0 {
				return i + bits.TrailingZeros64(m)/8
			}
			return i + 8 + bits.TrailingZeros64(n)/8
		}
	}
	if len(b)-i >= 8 {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
		i += 8
	}
	for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}
