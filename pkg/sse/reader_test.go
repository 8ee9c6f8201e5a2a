package sse

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// got is an Event that outlives the reader's buffer.
type got struct{ Name, Data, Raw string }

// none stands for a nil field; no field can hold a line end.
const none = "\r"

func keep(ev Event) got {
	text := func(b []byte) string {
		if b == nil {
			return none
		}
		return string(b)
	}
	return got{text(ev.Name), text(ev.Data), string(ev.Raw)}
}

// readAll returns all events and the error that ended them.
func readAll(r *Reader) ([]got, error) {
	var evs []got
	for {
		ev, err := r.Next()
		if err != nil {
			return evs, err
		}
		evs = append(evs, keep(ev))
	}
}

// cutReader returns its pieces one by one.
type cutReader struct{ pieces []string }

func (c *cutReader) Read(p []byte) (int, error) {
	for len(c.pieces) > 0 && c.pieces[0] == "" {
		c.pieces = c.pieces[1:]
	}
	if len(c.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.pieces[0])
	c.pieces[0] = c.pieces[0][n:]
	return n, nil
}

var streams = []struct {
	name string
	in   string
	want []got
}{
	{"nothing", "", nil},
	{"one event", "data: a\n\n", []got{{none, "a", "data: a\n\n"}}},
	{"two events", "data: a\n\ndata: b\n\n", []got{{none, "a", "data: a\n\n"}, {none, "b", "data: b\n\n"}}},
	{"named", "event: delta\ndata: {}\n\n", []got{{"delta", "{}", "event: delta\ndata: {}\n\n"}}},
	{"name alone", "event: ping\n\n", []got{{"ping", none, "event: ping\n\n"}}},
	{"last name wins", "event: a\nevent: b\ndata: x\n\n", []got{{"b", "x", "event: a\nevent: b\ndata: x\n\n"}}},
	{"empty name", "event:\ndata: x\n\n", []got{{"", "x", "event:\ndata: x\n\n"}}},
	{"lines joined", "data: a\ndata: b\nid: 1\ndata:\n\n", []got{{none, "a\nb\n", "data: a\ndata: b\nid: 1\ndata:\n\n"}}},
	{"no space", "event:x\ndata:a\n\n", []got{{"x", "a", "event:x\ndata:a\n\n"}}},
	{"one space only is eaten", "data:  a \n\n", []got{{none, " a ", "data:  a \n\n"}}},
	{"data without colon", "data\n\n", []got{{none, "", "data\n\n"}}},
	{"two data without colon", "data\ndata\n\n", []got{{none, "\n", "data\ndata\n\n"}}},
	{"other fields", "id: 1\nretry: 5\n:HTTP_STATUS/200\ndata:a\n\n", []got{{none, "a", "id: 1\nretry: 5\n:HTTP_STATUS/200\ndata:a\n\n"}}},
	{"field names are exact", "Data: a\n data: b\ndata : c\ndatax: d\n\n", []got{{none, none, "Data: a\n data: b\ndata : c\ndatax: d\n\n"}}},
	{"comment block", ": keep-alive\n\ndata: a\n\n", []got{{none, none, ": keep-alive\n\n"}, {none, "a", "data: a\n\n"}}},
	{"comment in an event", "data: a\n: hm\ndata: b\n\n", []got{{none, "a\nb", "data: a\n: hm\ndata: b\n\n"}}},
	{"colon in data", "data: a: b\n\n", []got{{none, "a: b", "data: a: b\n\n"}}},
	{"stray blank line", "\ndata: a\n\n\n", []got{{none, none, "\n"}, {none, "a", "data: a\n\n"}, {none, none, "\n"}}},
	{"crlf", "event: e\r\ndata: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", []got{{"e", "a\nb", "event: e\r\ndata: a\r\ndata: b\r\n\r\n"}, {none, "c", "data: c\r\n\r\n"}}},
	{"cr", "event: e\rdata: a\rdata: b\r\rdata: c\r\r", []got{{"e", "a\nb", "event: e\rdata: a\rdata: b\r\r"}, {none, "c", "data: c\r\r"}}},
	{"mixed ends", "data: a\rdata: b\ndata: c\r\n\ndata: d\n\r\ndata: e\r\n\r", []got{
		{none, "a\nb\nc", "data: a\rdata: b\ndata: c\r\n\n"}, {none, "d", "data: d\n\r\n"}, {none, "e", "data: e\r\n\r"},
	}},
	{"cr then crlf", "data: a\r\r\ndata: b\r\r\n", []got{
		{none, "a", "data: a\r\r"}, {none, none, "\n"}, {none, "b", "data: b\r\r"}, {none, none, "\n"},
	}},
	{"byte order mark", "\xef\xbb\xbfdata: a\ndata: b\n\n", []got{{none, "a\nb", "\xef\xbb\xbfdata: a\ndata: b\n\n"}}},
	{"byte order mark before a blank line", "\xef\xbb\xbf\ndata: a\n\n", []got{{none, none, "\xef\xbb\xbf\n"}, {none, "a", "data: a\n\n"}}},
	{"only the first byte order mark", "data: a\n\n\xef\xbb\xbfdata: b\ndata: c\ndata: d\n\n", []got{
		{none, "a", "data: a\n\n"}, {none, "c\nd", "\xef\xbb\xbfdata: b\ndata: c\ndata: d\n\n"},
	}},
	{"runes", "data: größe 日本 🙂\n\n", []got{{none, "größe 日本 🙂", "data: größe 日本 🙂\n\n"}}},
	{"not utf-8", "data: \xff\xfe\x00\n\n", []got{{none, "\xff\xfe\x00", "data: \xff\xfe\x00\n\n"}}},
}

func TestNext(t *testing.T) {
	for _, c := range streams {
		t.Run(c.name, func(t *testing.T) {
			for _, size := range []int{0, 1, 7} {
				evs, err := readAll(NewReader(strings.NewReader(c.in), Options{Buffer: size}))
				if err != io.EOF {
					t.Fatalf("buffer %d: error %v, want io.EOF", size, err)
				}
				if d := cmp.Diff(c.want, evs); d != "" {
					t.Errorf("buffer %d: %s", size, d)
				}
			}
		})
	}
}

// However the stream is cut, the events are the same: each single cut, and all
// cuts at once, which also fall inside runes and line ends.
func TestNextEverySplit(t *testing.T) {
	for _, c := range streams {
		t.Run(c.name, func(t *testing.T) {
			for i := range len(c.in) + 1 {
				src := &cutReader{pieces: []string{c.in[:i], c.in[i:]}}
				evs, err := readAll(NewReader(src, Options{}))
				if d := cmp.Diff(c.want, evs); d != "" || err != io.EOF {
					t.Fatalf("cut at %d: %v %s", i, err, d)
				}
			}
			evs, err := readAll(NewReader(iotest.OneByteReader(strings.NewReader(c.in)), Options{Buffer: 1}))
			if d := cmp.Diff(c.want, evs); d != "" || err != io.EOF {
				t.Fatalf("one byte at a time: %v %s", err, d)
			}
		})
	}
}

// A stream that ends inside an event is cut, at whichever byte.
func TestNextCut(t *testing.T) {
	for _, full := range []string{
		"event: delta\ndata: {\"a\":1}\ndata: é\n\n",
		"event: delta\r\ndata: {\"a\":1}\r\ndata: é\r\n\r\n",
		"event: delta\rdata: {\"a\":1}\rdata: é\r\r",
	} {
		first := "data: first\n\n"
		end := len(strings.TrimRight(full, "\r\n"))
		for i := 1; i < len(full); i++ {
			r := NewReader(strings.NewReader(first+full[:i]), Options{})
			if ev, err := r.Next(); err != nil || string(ev.Data) != "first" {
				t.Fatalf("first event: %q, %v", ev.Data, err)
			}
			ev, err := r.Next()
			if strings.HasSuffix(full[:i], "\r\n\r") {
				// A CR alone is a line end: this event is whole.
				if err != nil || string(ev.Raw) != full[:i] {
					t.Fatalf("%q: %q, %v", full[:i], ev.Raw, err)
				}
				continue
			}
			if err != io.ErrUnexpectedEOF || string(ev.Raw) != full[:i] {
				t.Fatalf("%q: raw %q, error %v, want io.ErrUnexpectedEOF", full[:i], ev.Raw, err)
			}
			if i >= end && string(ev.Data) != "{\"a\":1}\né" {
				t.Fatalf("%q: data %q", full[:i], ev.Data)
			}
			if _, err := r.Next(); err != io.ErrUnexpectedEOF {
				t.Fatalf("after the end: %v", err)
			}
		}
	}
}

func TestNextCutAfterDone(t *testing.T) {
	for in, want := range map[string]string{
		"data: [DONE]":             "[DONE]",
		"data: [DONE]\n":           "[DONE]",
		"\xef\xbb\xbfdata: [DONE]": "[DONE]",
		"data: a\ndata: [DONE]\r":  "a\n[DONE]",
	} {
		ev, err := NewReader(strings.NewReader(in), Options{}).Next()
		if err != io.ErrUnexpectedEOF || string(ev.Data) != want {
			t.Errorf("%q: %q, %v", in, ev.Data, err)
		}
	}
}

func TestNextSourceError(t *testing.T) {
	broken := errors.New("connection reset")
	src := io.MultiReader(strings.NewReader("data: a\r\n\r"), iotest.ErrReader(broken))
	r := NewReader(src, Options{})
	ev, err := r.Next()
	if err != nil || string(ev.Data) != "a" {
		t.Fatalf("the event before the failure: %q, %v", ev.Data, err)
	}
	for range 2 {
		if _, err := r.Next(); err != broken {
			t.Fatalf("error %v, want the source's", err)
		}
	}
	r = NewReader(io.MultiReader(strings.NewReader("data: a"), iotest.ErrReader(broken)), Options{})
	if ev, err := r.Next(); err != broken || ev.Raw != nil {
		t.Fatalf("inside an event: %q, %v", ev.Raw, err)
	}
}

func TestNextDataWithError(t *testing.T) {
	evs, err := readAll(NewReader(iotest.DataErrReader(strings.NewReader("data: a\n\ndata: b\n\n")), Options{}))
	if err != io.EOF || len(evs) != 2 {
		t.Fatalf("%v, %v", evs, err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestNextNoProgress(t *testing.T) {
	if _, err := NewReader(idle{}, Options{}).Next(); err != io.ErrNoProgress {
		t.Fatalf("error %v, want io.ErrNoProgress", err)
	}
}

func TestNextMaxEvent(t *testing.T) {
	const limit = 64
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		fits := "data: " + strings.Repeat("x", limit-len("data: ")-len(end)) + end
		over := "data: x" + fits[len("data: "):]
		for _, buffer := range []int{1, 16, limit, 4096} {
			for _, oneByte := range []bool{false, true} {
				open := func(s string) *Reader {
					var src io.Reader = strings.NewReader(s)
					if oneByte {
						src = iotest.OneByteReader(src)
					}
					return NewReader(src, Options{Buffer: buffer, MaxEvent: limit})
				}
				evs, err := readAll(open(fits + fits))
				if err != io.EOF || len(evs) != 2 {
					t.Fatalf("%q, buffer %d: %d events, %v", end, buffer, len(evs), err)
				}
				r := open(fits + over + fits)
				evs, err = readAll(r)
				if err != ErrTooLong || len(evs) != 1 {
					t.Fatalf("%q, buffer %d: %d events, %v, want ErrTooLong", end, buffer, len(evs), err)
				}
				if _, err := r.Next(); err != ErrTooLong {
					t.Fatalf("the error is not final: %v", err)
				}
			}
		}
	}
}

// An endless line costs no more memory than the limit.
func TestNextEndlessLine(t *testing.T) {
	src := &countReader{}
	if _, err := NewReader(src, Options{MaxEvent: 1 << 20}).Next(); err != ErrTooLong {
		t.Fatalf("error %v, want ErrTooLong", err)
	}
	if src.n > 1<<20+2 {
		t.Errorf("read %d bytes for a limit of %d", src.n, 1<<20)
	}
}

type countReader struct{ n int }

func (c *countReader) Read(p []byte) (int, error) {
	c.n += len(p)
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestNextLongLine(t *testing.T) {
	long := strings.Repeat("é0123456789", 1<<20/12)
	in := "data: " + long + "\n\ndata: short\n\n"
	for name, src := range map[string]io.Reader{
		"whole":    strings.NewReader(in),
		"half":     iotest.HalfReader(strings.NewReader(in)),
		"one byte": iotest.OneByteReader(strings.NewReader(in)),
	} {
		r := NewReader(src, Options{})
		ev, err := r.Next()
		if err != nil || string(ev.Data) != long {
			t.Fatalf("%s: %d bytes, %v", name, len(ev.Data), err)
		}
		if ev, err = r.Next(); err != nil || string(ev.Data) != "short" {
			t.Fatalf("%s: %q, %v", name, ev.Data, err)
		}
		if len(r.buf) != defaultBuffer {
			t.Errorf("%s: the buffer kept %d bytes after a large event", name, len(r.buf))
		}
		r.Release()
	}
}

// Lines without an LF must not make the scan look at the rest of the buffer
// again for each of them: this takes a minute if it does.
func TestNextManyShortLines(t *testing.T) {
	for _, end := range []string{"\r", "\n", "\r\n"} {
		in := strings.Repeat("data:x"+end, 1<<18) + end
		ev, err := NewReader(strings.NewReader(in), Options{MaxEvent: 16 << 20}).Next()
		if err != nil || len(ev.Data) != 2<<18-1 {
			t.Fatalf("%q: %d bytes, %v", end, len(ev.Data), err)
		}
	}
}

// An event that is complete is returned without another read, unless its last
// CR may be half of a CRLF.
func TestNextDoesNotReadAhead(t *testing.T) {
	for _, in := range []string{"data: a\n\n", "data: a\r\n\r\n", "data: a\r\r", ": ping\n\n"} {
		src := io.MultiReader(strings.NewReader(in), iotest.ErrReader(errors.New("read too far")))
		if _, err := NewReader(src, Options{}).Next(); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestBuffered(t *testing.T) {
	src := &cutReader{pieces: []string{"data: a\n\ndata: b\ndata: c\n\nda", "ta: d\n", "\n: ping\n\n"}}
	r := NewReader(src, Options{})
	if r.Buffered() {
		t.Error("buffered before the first read")
	}
	for i, want := range []struct {
		data string
		more bool
	}{{"a", true}, {"b\nc", false}, {"d", true}, {"", false}} {
		ev, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		more, again := r.Buffered(), r.Buffered()
		if string(ev.Data) != want.data || more != want.more || again != want.more {
			t.Errorf("event %d: %q, buffered %v then %v; want %q, %v", i, ev.Data, more, again, want.data, want.more)
		}
	}
	if _, err := r.Next(); err != io.EOF || r.Buffered() {
		t.Errorf("end: %v, buffered %v", err, r.Buffered())
	}
}

func TestEnded(t *testing.T) {
	apart := NewReader(strings.NewReader("data: a\n\n"), Options{})
	together := NewReader(iotest.DataErrReader(strings.NewReader("data: a\n\ndata: b\n\n")), Options{})
	if apart.Ended() || together.Ended() {
		t.Error("ended before the first read")
	}
	for _, r := range []*Reader{apart, together} {
		if ev, err := r.Next(); err != nil || string(ev.Data) != "a" {
			t.Fatalf("%q, %v", ev.Data, err)
		}
	}
	if apart.Ended() || !together.Ended() || !together.Buffered() {
		t.Errorf("ended %v and %v, buffered %v", apart.Ended(), together.Ended(), together.Buffered())
	}
	if _, err := apart.Next(); err != io.EOF || !apart.Ended() {
		t.Errorf("%v, ended %v", err, apart.Ended())
	}
}

// Looking ahead must not disturb the event that the caller holds.
func TestBufferedKeepsEvent(t *testing.T) {
	r := NewReader(strings.NewReader("data: a\ndata: b\n\ndata: c\ndata: d\n\n"), Options{})
	ev, _ := r.Next()
	before := keep(ev)
	if !r.Buffered() || keep(ev) != before {
		t.Errorf("after Buffered: %q", keep(ev))
	}
}

func TestBufferedTooLong(t *testing.T) {
	r := NewReader(strings.NewReader("data: a\n\ndata: too long\n\n"), Options{MaxEvent: 12})
	if _, err := r.Next(); err != nil || r.Buffered() {
		t.Fatalf("%v, buffered %v", err, r.Buffered())
	}
	if _, err := r.Next(); err != ErrTooLong {
		t.Fatal(err)
	}
}

func TestRelease(t *testing.T) {
	r := NewReader(strings.NewReader("data: a\n\ndata: b\n\n"), Options{})
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Release()
	r.Release()
	if _, err := r.Next(); err == nil || err == io.EOF || r.Buffered() {
		t.Fatalf("after Release: %v", err)
	}
}

// Two readers never share a buffer, also when one grew out of a pooled one.
func TestReleaseDoesNotShare(t *testing.T) {
	big := "data: " + strings.Repeat("y", 3*defaultBuffer) + "\n\n"
	for range 100 {
		a := NewReader(strings.NewReader(big+"data: a\n\n"), Options{})
		if _, err := a.Next(); err != nil {
			t.Fatal(err)
		}
		b := NewReader(strings.NewReader("data: b\n\n"), Options{})
		evB, _ := b.Next()
		evA, _ := a.Next()
		if string(evA.Data) != "a" || string(evB.Data) != "b" {
			t.Fatalf("%q %q", evA.Data, evB.Data)
		}
		a.Release()
		b.Release()
	}
}

func TestShrink(t *testing.T) {
	medium := "data: " + strings.Repeat("m", 2*defaultBuffer) + "\n\n"
	in := strings.Repeat(medium, 3) + strings.Repeat("data: s\n\n", 2*shrinkAfter)
	r := NewReader(iotest.OneByteReader(strings.NewReader(in)), Options{})
	for range 3 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.buf) <= defaultBuffer {
		t.Fatal("the test needs a grown buffer")
	}
	for range 2 * shrinkAfter {
		if ev, err := r.Next(); err != nil || string(ev.Data) != "s" {
			t.Fatalf("%q, %v", ev.Data, err)
		}
	}
	if len(r.buf) != defaultBuffer {
		t.Errorf("the buffer kept %d bytes", len(r.buf))
	}
}

// The streams that real providers sent come through whole, and nothing of them
// is lost in Raw.
func TestRecordedStreams(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/providers/fixtures/*/*.sse")
	if len(files) == 0 {
		t.Skip("SKIPPED: the recorded streams are not here")
	}
	for _, f := range files {
		in, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		whole, end := readAll(NewReader(bytes.NewReader(in), Options{}))
		cut, cutEnd := readAll(NewReader(iotest.OneByteReader(bytes.NewReader(in)), Options{}))
		if d := cmp.Diff(whole, cut); d != "" || end != cutEnd {
			t.Errorf("%s: %v, %v: %s", f, end, cutEnd, d)
		}
		if want, _ := reference(string(in)); cmp.Diff(want, meaningful(whole)) != "" {
			t.Errorf("%s: %s", f, cmp.Diff(want, meaningful(whole)))
		}
	}
}
