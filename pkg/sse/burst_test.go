package sse

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// source delivers its pieces one read at a time, as far as there is room, and
// notes how much room each read had.
type source struct {
	pieces [][]byte
	room   []int
}

func (s *source) Read(p []byte) (int, error) {
	s.room = append(s.room, len(p))
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	return n, nil
}

// TestBurst: what is there at once is read in few pieces; a stream that has to
// wait does so with a small buffer.
func TestBurst(t *testing.T) {
	one := []byte("data: {\"choices\":[{\"delta\":{\"content\":\" token\"}}]}\n\n")
	const events = 1000
	src := &source{pieces: [][]byte{one, one, bytes.Repeat(one, events), one, one}}
	r := NewReader(src, Options{})
	defer r.Release()
	n := 0
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil || !bytes.Equal(ev.Raw, one) {
			t.Fatalf("event %d: %v %q", n, err, ev.Raw)
		}
		n++
	}
	if n != events+4 {
		t.Errorf("%d events", n)
	}
	if most := events*len(one)/wideBuffer + 7; len(src.room) > most {
		t.Errorf("%d reads, at most %d: %v", len(src.room), most, src.room)
	}
	for i, room := range src.room[len(src.room)-2:] {
		if room > defaultBuffer {
			t.Errorf("the last reads waited with a large buffer (%d: %d bytes)", i, room)
		}
	}
	if r.wide != nil {
		t.Error("the large buffer was kept")
	}
}

// TestBurstOfOneLargeEvent: an event larger than the large buffer comes whole.
func TestBurstOfOneLargeEvent(t *testing.T) {
	for _, size := range []int{defaultBuffer - 8, defaultBuffer, wideBuffer - 7, wideBuffer, 3 * wideBuffer} {
		big := append(append([]byte("data: "), bytes.Repeat([]byte("x"), size)...), "\n\n"...)
		r := NewReader(&source{pieces: [][]byte{big, []byte("data: end\n\n")}}, Options{})
		ev, err := r.Next()
		if err != nil || len(ev.Data) != size {
			t.Fatalf("%d: %v, %d bytes", size, err, len(ev.Data))
		}
		if ev, err = r.Next(); err != nil || string(ev.Data) != "end" {
			t.Fatalf("%d: %v %q", size, err, ev.Data)
		}
		r.Release()
	}
}
