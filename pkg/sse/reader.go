package sse

import (
	"errors"
	"io"
	"sync"
)

const (
	defaultBuffer   = 1 << 10 // a few events; a stream holds it while it waits
	wideBuffer      = 32 << 10
	defaultMaxEvent = 8 << 20

	// keepFactor times the initial buffer is what a reader may hold on to
	// while large events keep coming; beyond it the buffer goes with its event.
	keepFactor = 16
	// shrinkAfter is how many small events in a row make a grown buffer go.
	shrinkAfter = 16
	// maxEmptyReads is how often a source may return nothing and no error.
	maxEmptyReads = 100
)

// ErrTooLong is returned by Reader.Next for an event above Options.MaxEvent.
var ErrTooLong = errors.New("sse: event exceeds the size limit")

// errReleased is what Next returns after Release.
var errReleased = errors.New("sse: reader was released")

// buffers holds initial buffers of the default size. A pool is shared by its
// nature: streams come and go, and each needs one for its lifetime.
var buffers = sync.Pool{New: func() any { return new([defaultBuffer]byte) }}

// wides holds the buffers of bursts: what comes faster than it is read is read
// in few large pieces. A stream that has to wait gives its one back first.
var wides = sync.Pool{New: func() any { return new([wideBuffer]byte) }}

// Options tunes a Reader. The zero value is good for language model streams.
type Options struct {
	Buffer   int // initial buffer in bytes; 0 = 1 KiB
	MaxEvent int // largest event accepted, in bytes with its line ends; 0 = 8 MiB
}

// Reader splits a stream into events. It reads ahead no further than one Read
// of its source returns, and never waits for bytes that it does not need to
// complete an event. A Reader belongs to one goroutine.
type Reader struct {
	src      io.Reader
	err      error // sticky; what comes after the bytes in buf
	initial  int
	maxEvent int

	buf   []byte
	pool  *[defaultBuffer]byte // backs buf while that is a pooled buffer
	wide  *[wideBuffer]byte    // backs buf during a burst
	burst bool                 // the last read filled all the room that it had: more is waiting
	end   int                  // buf[:end] is filled
	start int                  // where the event that is being scanned begins
	scan  scan
	small int // events in a row that the initial buffer would have held

	joined []byte // data of an event with several data lines
}

// NewReader returns a Reader over r.
func NewReader(r io.Reader, o Options) *Reader {
	if o.Buffer <= 0 {
		o.Buffer = defaultBuffer
	}
	if o.MaxEvent <= 0 {
		o.MaxEvent = defaultMaxEvent
	}
	return &Reader{src: r, initial: o.Buffer, maxEvent: o.MaxEvent, scan: scan{bom: true}}
}

// Next returns the next event. At the end of the stream it returns io.EOF when
// the last event was complete. Otherwise it returns io.ErrUnexpectedEOF with
// what there is of the unfinished event, its last line included although that
// may be cut. Any other error of the source comes as it is, and an event above
// the size limit gives ErrTooLong. Errors are final.
func (r *Reader) Next() (Event, error) {
	r.shrink()
	for {
		if r.advance() {
			if r.scan.pos > r.maxEvent {
				return r.fail(ErrTooLong)
			}
			return r.take(), nil
		}
		if r.end-r.start > r.maxEvent {
			return r.fail(ErrTooLong)
		}
		if r.err != nil {
			return r.last()
		}
		r.fill()
	}
}

// Buffered reports whether Next can return a complete event without reading
// from the source: a relay then waits with its flush.
func (r *Reader) Buffered() bool { return r.advance() && r.scan.pos <= r.maxEvent }

// Ended reports whether the source has been read to its end, or has failed.
func (r *Reader) Ended() bool { return r.err != nil }

// Release gives the buffer back. The events that the reader returned become
// invalid, and Next fails from now on. Releasing twice does nothing.
func (r *Reader) Release() {
	r.drop()
	r.start, r.end, r.joined = 0, 0, nil
	r.scan = scan{}
	r.err = errReleased
}

// advance scans what is buffered for the end of the current event.
func (r *Reader) advance() bool {
	return r.scan.done || r.scan.run(r.buf[r.start:r.end], r.err != nil)
}

// take returns the scanned event and moves on to the one behind it.
func (r *Reader) take() Event {
	n := r.scan.pos
	ev := r.event(r.buf[r.start : r.start+n])
	r.start += n
	if n <= r.initial {
		r.small++
	} else {
		r.small = 0
	}
	r.scan = scan{bareCR: r.scan.bareCR}
	return ev
}

// event makes the Event of raw, whose lines have been scanned.
func (r *Reader) event(raw []byte) Event {
	s := &r.scan
	ev := Event{Raw: raw[:len(raw):len(raw)]}
	if s.named {
		ev.Name = raw[s.name.from:s.name.to:s.name.to]
	}
	switch {
	case s.lines == 1:
		ev.Data = raw[s.data.from:s.data.to:s.data.to]
	case s.lines > 1:
		r.joined = append(r.joined[:0], raw[s.data.from:s.data.to]...)
		r.joined = joinData(r.joined, raw[s.data.to:])
		ev.Data = r.joined[:len(r.joined):len(r.joined)]
	}
	return ev
}

// last says how the stream ended.
func (r *Reader) last() (Event, error) {
	if r.err != io.EOF || r.start == r.end {
		return Event{}, r.err
	}
	rest := r.buf[r.start:r.end]
	r.scan.line(rest, len(rest))
	ev := r.event(rest)
	r.start, r.scan = r.end, scan{}
	r.err = io.ErrUnexpectedEOF
	return ev, r.err
}

func (r *Reader) fail(err error) (Event, error) {
	r.drop()
	r.start, r.end, r.scan, r.err = 0, 0, scan{}, err
	return Event{}, err
}

// fill reads once, after making room.
func (r *Reader) fill() {
	switch {
	case r.burst && r.pool != nil:
		r.widen()
	case !r.burst && r.wide != nil && r.end-r.start <= r.initial/2:
		r.narrow()
	case r.start > 0 || r.buf == nil:
		r.compact()
	}
	if r.end == len(r.buf) {
		r.grow()
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.burst = r.end == len(r.buf)
		if err != nil {
			r.err = err
			return
		}
		if n > 0 {
			return
		}
	}
	r.err = io.ErrNoProgress
}

// compact moves the unfinished event to the front of the buffer.
func (r *Reader) compact() {
	if r.buf == nil {
		r.buf = r.acquire()
	}
	r.end = copy(r.buf, r.buf[r.start:r.end])
	r.start = 0
}

// widen takes a large buffer for a burst.
func (r *Reader) widen() {
	w := wides.Get().(*[wideBuffer]byte)
	r.end = copy(w[:], r.buf[r.start:r.end])
	r.drop()
	r.start, r.buf, r.wide = 0, w[:], w
}

// narrow gives the large buffer back before a read that may have to wait.
func (r *Reader) narrow() {
	small := r.acquire()
	r.end = copy(small, r.buf[r.start:r.end])
	r.start = 0
	wides.Put(r.wide)
	r.buf, r.wide = small, nil
}

// grow doubles the buffer, to no more than is needed to see that an event is
// too long.
func (r *Reader) grow() {
	grown := make([]byte, min(2*len(r.buf), max(r.maxEvent+2, len(r.buf)+1)))
	copy(grown, r.buf[:r.end])
	r.drop()
	r.buf = grown
}

// shrink lets go of memory that a large event needed and later ones do not.
func (r *Reader) shrink() {
	limit := r.initial
	if r.small < shrinkAfter {
		limit *= keepFactor
	}
	if cap(r.joined) > 2*limit {
		r.joined = nil
	}
	if len(r.buf) <= limit || r.wide != nil || r.end-r.start > r.initial {
		return
	}
	small := r.acquire()
	r.end = copy(small, r.buf[r.start:r.end])
	r.start, r.buf = 0, small
}

func (r *Reader) acquire() []byte {
	if r.initial != defaultBuffer {
		return make([]byte, r.initial)
	}
	r.pool = buffers.Get().(*[defaultBuffer]byte)
	return r.pool[:]
}

func (r *Reader) drop() {
	if r.pool != nil {
		buffers.Put(r.pool)
	}
	if r.wide != nil {
		wides.Put(r.wide)
	}
	r.buf, r.pool, r.wide = nil, nil, nil
}

// joinData appends the values of the data lines in rest, each behind a \n.
func joinData(dst, rest []byte) []byte {
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		if name, value := cutField(line); string(name) == "data" {
			dst = append(append(dst, '\n'), value...)
		}
	}
	return dst
}
