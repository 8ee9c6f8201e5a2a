package lenient

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

const (
	// maxForm is the longest event that is worth remembering, in bytes.
	maxForm = 1 << 10
	// maxVain is how many forms in a row may turn out to be of no use, as when
	// each event has an id of its own, before none is made any more.
	maxVain = 4
)

// padding is the member in which OpenAI sends noise, so that all events of a
// stream are equally long. No decoder reads it.
var padding = []byte(`"obfuscation":"`)

// Form is an event of a stream with its text left out. Nearly every event is
// the one before with another text, and comparing tells so for a fraction of
// what finding members costs. The zero Form knows none yet.
//
// What it says is what the decoder would: all bytes around the text are those
// of an event that the decoder has read, and the text is a whole JSON string.
// So a decoder may Learn an event of which it took nothing but that text.
type Form struct {
	fixed []byte // the bytes around the holes, one piece behind the other
	ends  [3]int // where each piece ends in fixed
	holes int    // the text, and maybe the padding; 0 = there is no form
	used  bool
	vain  int
}

// Text returns the text of an event that has the form, never "".
func (f *Form) Text(data []byte) (text string, ok bool) {
	if f.holes == 0 {
		return "", false
	}
	at, ok := f.piece(data, 0, 0)
	if !ok {
		return "", false
	}
	span := jsonedit.Span{Start: at - 1, End: jsonedit.StringEnd(data, at-1)}
	at, ok = f.piece(data, span.End-1, 1)
	if ok && f.holes > 1 {
		at, ok = f.piece(data, jsonedit.StringEnd(data, at-1)-1, 2)
	}
	if !ok || at != len(data) || span.End-span.Start == 2 {
		return "", false
	}
	f.used = true
	text, err := jsonedit.String(data, span)
	return text, err == nil
}

// piece compares what stands at data[at:] with a piece of the form and returns
// the offset behind it. at is negative behind a string that is none.
func (f *Form) piece(data []byte, at, n int) (next int, ok bool) {
	from := 0
	if n > 0 {
		from = f.ends[n-1]
	}
	want := f.fixed[from:f.ends[n]]
	if at < 0 || len(data)-at < len(want) || string(data[at:at+len(want)]) != string(want) {
		return 0, false
	}
	return at + len(want), true
}

// Learns reports whether Learn can be of use.
func (f *Form) Learns() bool { return f.vain < maxVain }

// Learn remembers the form of data. text is the part of data, quotes included,
// that is all the decoder took of it.
func (f *Form) Learn(data, text []byte) {
	if f.holes > 0 && !f.used {
		f.vain++
	}
	f.holes, f.used = 0, false
	at := cap(data) - cap(text) // where a part begins in the whole it was cut from
	if !f.Learns() || len(data) > maxForm || len(text) < 3 || text[0] != '"' ||
		at < 0 || at+len(text) > len(data) || &data[at] != &text[0] {
		return
	}
	head, rest := data[:at+1], data[at+len(text)-1:]
	f.fixed = append(f.fixed[:0], head...)
	f.cut()
	if i := bytes.Index(rest, padding); i >= 0 {
		i += len(padding)
		if end := jsonedit.StringEnd(rest, i-1); end > 0 {
			f.fixed = append(f.fixed, rest[:i]...)
			f.cut()
			rest = rest[end-1:]
		}
	}
	f.fixed = append(f.fixed, rest...)
	f.ends[f.holes] = len(f.fixed)
}

// cut makes a hole behind the bytes so far.
func (f *Form) cut() {
	f.ends[f.holes] = len(f.fixed)
	f.holes++
}
