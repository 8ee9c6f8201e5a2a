package sse

import "bytes"

// utf8BOM may stand once, before the first line of a stream.
var utf8BOM = []byte("\xef\xbb\xbf")

// span is a half-open range of bytes, relative to the start of an event.
type span struct{ from, to int }

// scan is the progress through one event. All offsets are relative to the
// event's first byte, so the buffer may move under it. It never looks twice at
// a byte, however the stream is cut into reads.
type scan struct {
	pos  int // start of the line that is being looked for
	lf   int // no line feed in [pos, lf)
	cr   int // no carriage return in [pos, cr)
	done bool

	bom    bool // a byte order mark may come
	bareCR bool // the last line ended in a CR without LF

	named bool
	name  span
	data  span // value of the first data line
	lines int  // number of data lines
}

// run scans b, which begins with the event. It reports whether the event is
// complete; pos is then its length. final says that nothing follows b.
func (s *scan) run(b []byte, final bool) bool {
	for s.pos < len(b) {
		to, next := s.lineEnd(b, final)
		if next < 0 {
			return false
		}
		blank := s.line(b, to)
		s.pos = next
		if blank {
			s.done = true
			return true
		}
	}
	return false
}

// lineEnd returns where the current line ends and where the next one begins;
// next is negative while that cannot be told. A CR at the end of b may be half
// of a CRLF. To tell, the next byte is needed, except at a blank line in a
// stream whose lines end in CR alone: there the event is over, and waiting
// would hold it back until the next one. An LF that does follow then makes an
// empty block of its own, however the stream was cut into reads.
func (s *scan) lineEnd(b []byte, final bool) (to, next int) {
	lf := seek(b, &s.lf, s.pos, '\n')
	cr := seek(b[:lf], &s.cr, s.pos, '\r')
	switch {
	case cr == lf:
		if lf == len(b) {
			return 0, -1
		}
		s.bareCR = false
		return lf, lf + 1
	case cr == s.pos && s.bareCR:
		return cr, cr + 1
	case cr+1 == lf && lf < len(b):
		s.bareCR = false
		return cr, lf + 1
	case cr+1 == len(b) && !final:
		return 0, -1
	}
	s.bareCR = true
	return cr, cr + 1
}

// seek returns the index of the first c in b at or after pos, or len(b). *from
// remembers how far the search has come.
func seek(b []byte, from *int, pos int, c byte) int {
	if *from < pos {
		*from = pos
	}
	if *from >= len(b) {
		return len(b)
	}
	if b[*from] != c {
		i := bytes.IndexByte(b[*from:], c)
		if i < 0 {
			*from = len(b)
			return len(b)
		}
		*from += i
	}
	return *from
}

// line takes note of the line b[s.pos:to] and reports whether it is blank.
// Fields other than event and data (id, retry, comments) matter to no reader
// of one answer; they are in Event.Raw.
func (s *scan) line(b []byte, to int) (blank bool) {
	line := b[s.pos:to]
	if s.bom {
		s.bom = false
		line = bytes.TrimPrefix(line, utf8BOM)
	}
	name, value := cutField(line)
	at := span{to - len(value), to}
	switch string(name) {
	case "data":
		if s.lines == 0 {
			s.data = at
		}
		s.lines++
	case "event":
		s.name, s.named = at, true
	}
	return len(line) == 0
}

// cutField splits a line into field name and value. A comment has no name.
func cutField(line []byte) (name, value []byte) {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return line, line[len(line):]
	}
	name, value = line[:i], line[i+1:]
	if len(value) > 0 && value[0] == ' ' {
		value = value[1:]
	}
	return name, value
}

// cutLine splits b behind its first line end; line is without it. rest is nil
// when there is none.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexAny(b, "\r\n")
	if i < 0 {
		return b, nil
	}
	next := i + 1
	if b[i] == '\r' && next < len(b) && b[next] == '\n' {
		next++
	}
	return b[:i], b[next:]
}
