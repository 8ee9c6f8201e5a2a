package sse

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var lineEnd = regexp.MustCompile("\r\n|\r|\n")

// reference reads a whole stream as the specification words it: all lines
// first, then field by field. Blocks that hold neither name nor data are left
// out. whole says that nothing of an unfinished event is left.
func reference(in string) (evs []got, whole bool) {
	in = strings.TrimPrefix(in, "\xef\xbb\xbf")
	lines := lineEnd.Split(in, -1)
	var name string
	var data []string
	named := false
	for _, line := range lines[:len(lines)-1] {
		if line == "" {
			if ev := (got{Name: none, Data: none}); named || data != nil {
				if named {
					ev.Name = name
				}
				if data != nil {
					ev.Data = strings.Join(data, "\n")
				}
				evs = append(evs, ev)
			}
			named, data = false, nil
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "event":
			name, named = value, true
		case "data":
			data = append(data, value)
		}
	}
	n := len(lines)
	return evs, lines[n-1] == "" && (n == 1 || lines[n-2] == "")
}

// meaningful drops what reference does not know.
func meaningful(evs []got) []got {
	var out []got
	for _, ev := range evs {
		if ev.Name != none || ev.Data != none {
			out = append(out, got{Name: ev.Name, Data: ev.Data})
		}
	}
	return out
}

// FuzzNext checks any input, cut in any way, against the specification, and
// that Raw loses no byte.
func FuzzNext(f *testing.F) {
	for i, c := range streams {
		f.Add([]byte(c.in), byte(i))
	}
	f.Add([]byte("data: a\r\n\r\ndata: b\n\r\r\n"), byte(3))
	f.Fuzz(func(t *testing.T, in []byte, step byte) {
		whole, end := readAll(NewReader(bytes.NewReader(in), Options{}))
		var raw strings.Builder
		for _, ev := range whole {
			raw.WriteString(ev.Raw)
		}
		if !strings.HasPrefix(string(in), raw.String()) {
			t.Fatalf("raw is not what was sent: %q", raw.String())
		}
		if end == io.EOF && raw.Len() != len(in) {
			t.Fatalf("a clean end, but only %d of %d bytes", raw.Len(), len(in))
		}
		want, complete := reference(string(in))
		if d := cmp.Diff(want, meaningful(whole)); d != "" {
			t.Fatal(d)
		}
		if !bytes.Equal(in, utf8BOM) && complete != (end == io.EOF) {
			t.Fatalf("end is %v, complete is %v", end, complete)
		}
		src := &cutReader{}
		for rest := string(in); rest != ""; {
			n := min(len(rest), 1+int(step)%17)
			src.pieces, rest = append(src.pieces, rest[:n]), rest[n:]
			step = step*31 + 7
		}
		cut, cutEnd := readAll(NewReader(src, Options{Buffer: 1 + int(step)}))
		if d := cmp.Diff(whole, cut); d != "" || end != cutEnd {
			t.Fatalf("cut: %v instead of %v: %s", cutEnd, end, d)
		}
	})
}

// FuzzAppend checks that what is written is read back, but for the form of
// line ends.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"", "a", "a\nb", "a\r\nb\rc", "\n", "\r", "\n\r\n", " x", ": y"} {
		f.Add("delta", []byte(s))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		out := AppendEvent([]byte("data: before\n\n"), name, data)
		out = AppendData(out, data)
		evs, err := readAll(NewReader(bytes.NewReader(out), Options{}))
		if err != io.EOF || len(evs) != 3 {
			t.Fatalf("%q: %v, %v", out, evs, err)
		}
		want := lineEnd.ReplaceAllString(string(data), "\n")
		wantName := none
		if n := lineEnd.Split(name, -1)[0]; n != "" {
			wantName = n
		}
		for i, ev := range evs[1:] {
			if ev.Data != want || (i == 0 && ev.Name != wantName) {
				t.Fatalf("%q became %q", data, ev)
			}
		}
	})
}
