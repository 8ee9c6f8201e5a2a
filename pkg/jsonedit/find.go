package jsonedit

import "slices"

// Names is a set of member names to look for, prepared once. Their order is
// that of the spans which Find fills.
type Names struct {
	names   []string
	byLen   [][]int // positions in names, by the name's length
	longest int
}

// maxStackName is how long a name may be for an escaped key to be compared
// with it without an allocation.
const maxStackName = 252

// NewNames prepares a set of member names. It panics if one appears twice.
func NewNames(names ...string) *Names {
	n := &Names{names: slices.Clone(names)}
	for i, name := range n.names {
		if slices.Contains(n.names[:i], name) {
			panic("jsonedit: the name " + name + " appears twice")
		}
		n.longest = max(n.longest, len(name))
	}
	n.byLen = make([][]int, n.longest+1)
	for i, name := range n.names {
		n.byLen[len(name)] = append(n.byLen[len(name)], i)
	}
	return n
}

// Len returns the number of names.
func (n *Names) Len() int { return len(n.names) }

// Name returns the name at a position.
func (n *Names) Name(i int) string { return n.names[i] }

// position returns the place of a key, given without quotes, or -1.
func (n *Names) position(key []byte, escaped bool) int {
	if escaped {
		// A rune takes at most six bytes in escaped form for each byte decoded.
		if len(key) > 6*n.longest {
			return -1
		}
		var buf [maxStackName + 4]byte
		key = unescape(buf[:0], key, n.longest)
	}
	if len(key) >= len(n.byLen) {
		return -1
	}
	for _, i := range n.byLen[len(key)] {
		if n.names[i] == string(key) {
			return i
		}
	}
	return -1
}

// Find walks once over raw, which must be one JSON object with nothing but
// white space around it, checks all of it, and sets out[i] to where the value
// of names.Name(i) stands; absent members get the zero Span. It returns the
// offset of the object's closing brace and the number of its members. Keys are
// compared after unescaping. out must have room for all names; it means
// nothing when an error is returned: a *SyntaxError, or a *DuplicateError when
// one of the names appears twice. Without an error nothing is allocated.
func Find(raw []byte, names *Names, out []Span) (end, n int, err error) {
	return FindIn(raw, Span{0, len(raw)}, names, out)
}

// FindIn is Find for an object inside raw, such as a span that Find set. All
// offsets, those of errors too, are relative to raw. The zero Span has no
// members.
func FindIn(raw []byte, at Span, names *Names, out []Span) (end, n int, err error) {
	out = out[:names.Len()]
	clear(out)
	if at.Start == 0 && at.End == 0 && len(raw) > 0 {
		return 0, 0, nil
	}
	s := scanner{raw: raw[:at.End]}
	i := s.space(at.Start)
	if i >= at.End || raw[i] != '{' {
		s.fail(i, "expected a JSON object")
		return 0, 0, s.err()
	}
	i, more := s.open(i, '}')
	for more {
		start := i
		end, colon := s.key(start)
		if colon < 0 {
			return 0, 0, s.err()
		}
		want := names.position(raw[start+1:end-1], s.escaped)
		from := s.space(colon + 1)
		if i = s.value(from); i < 0 {
			return 0, 0, s.err()
		}
		if want >= 0 {
			if out[want].Present() {
				return 0, 0, &DuplicateError{Name: names.Name(want), Offset: start}
			}
			out[want] = Span{from, i}
		}
		n++
		i, more = s.next(i, '}')
	}
	if i < 0 {
		return 0, 0, s.err()
	}
	if rest := s.space(i); rest < len(s.raw) {
		s.fail(rest, "unexpected text behind the JSON object")
		return 0, 0, s.err()
	}
	return i - 1, n, nil
}
