package cache

import (
	"context"
	"io"
	"slices"
	"sync"
	"unsafe"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// flight is one upstream call that any number of identical calls share. Its
// goroutine pulls the answer; each reader takes it at its own pace.
//
// A stream is kept from its beginning, so that who comes later has all of it,
// until it is larger than the bound. From then on nobody can join, what all have
// read is let go, and the quickest reader sets the pace: the upstream is read at
// most a bound ahead of it. A reader that is more than a bound behind the
// upstream while another waits is cut off. So memory is bounded, nobody is
// slowed down by another, and a single reader is never cut.
type flight struct {
	bound  int
	cancel context.CancelCauseFunc
	wake   chan struct{} // capacity 1: readers have moved on or left

	mu      sync.Mutex
	readers []*reader
	closed  bool // nobody can join any more
	head    bool // what follows is known
	err     *llm.Error
	reply   *llm.Reply // for the call that has begun the flight
	value   []byte     // the entry of a whole answer, for the others
	about   entry      // of a stream, for the others

	events []llm.Event
	first  int   // number of events[0]
	total  int   // bytes of all events that came
	end    error // io.EOF or *llm.Error; nil while the stream goes on
}

func newFlight(bound int, cancel context.CancelCauseFunc) *flight {
	return &flight{bound: bound, cancel: cancel, wake: make(chan struct{}, 1)}
}

// join adds a reader, nil when it is too late.
func (f *flight) join(leader bool) *reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	r := &reader{f: f, leader: leader, wake: make(chan struct{}, 1)}
	f.readers = append(f.readers, r)
	return r
}

// leave takes a reader out. The last one to leave a flight that is still under
// way ends it, for the reason given.
func (f *flight) leave(r *reader, why *llm.Error) {
	f.mu.Lock()
	if i := slices.Index(f.readers, r); i >= 0 {
		f.readers = slices.Delete(f.readers, i, i+1)
	}
	last := len(f.readers) == 0
	f.closed = f.closed || last
	f.mu.Unlock()
	nudge(f.wake)
	if last {
		f.cancel(why)
	}
}

// nudge wakes who waits on a channel of capacity 1.
func nudge(wake chan struct{}) {
	select {
	case wake <- struct{}{}:
	default:
	}
}

// tell wakes all readers. f.mu is held.
func (f *flight) tell() {
	for _, r := range f.readers {
		nudge(r.wake)
	}
}

// failed ends a flight that has brought nothing.
func (f *flight) failed(e *llm.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.head {
		if f.end == nil {
			f.end = e
		}
	} else {
		f.head, f.err = true, e
	}
	f.tell()
}

// answered gives a whole answer to all.
func (f *flight) answered(r *llm.Reply, value []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.reply, f.value = true, r, value
	f.tell()
}

// begun tells all that a stream has begun.
func (f *flight) begun(r *llm.Reply) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.head, f.reply, f.about = true, r, about(r)
	f.tell()
}

// eventSize is what an event takes in memory beside its text.
const eventSize = int(unsafe.Sizeof(llm.Event{}))

func sizeOf(ev *llm.Event) int {
	return eventSize + len(ev.Raw) + len(ev.Text) + len(ev.Signature) + len(ev.Redacted)
}

// own returns an event that stays valid after the next Recv.
func own(ev llm.Event) llm.Event {
	if ev.Raw != nil {
		ev.Raw = slices.Clone(ev.Raw)
	}
	if ev.Usage != nil {
		u := *ev.Usage
		ev.Usage = &u
	}
	return ev
}

// add gives an event to all, once the quickest reader is near enough. It
// returns when ctx ends: then nobody reads any more.
func (f *flight) add(ctx context.Context, ev llm.Event) {
	size := sizeOf(&ev)
	for !f.tryAdd(&ev, size) {
		select {
		case <-f.wake:
		case <-ctx.Done():
			return
		}
	}
}

func (f *flight) tryAdd(ev *llm.Event, size int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.total+size > f.bound {
		f.closed = true
		if !f.room(size) {
			return false
		}
		f.release()
	}
	f.events = append(f.events, *ev)
	f.total += size
	f.tell()
	return true
}

// room reports whether the quickest reader is near enough for another event,
// and cuts off those that then are too far behind. f.mu is held.
func (f *flight) room(size int) bool {
	least := f.total
	for _, r := range f.readers {
		least = min(least, f.total-r.read)
	}
	if least > 0 && least+size > f.bound {
		return false
	}
	for _, r := range f.readers {
		if lag := f.total - r.read; lag > least && lag+size > f.bound && !r.cut {
			r.cut = true
			nudge(r.wake)
		}
	}
	return true
}

// release lets go of what every reader has had. f.mu is held.
func (f *flight) release() {
	next := f.first + len(f.events)
	for _, r := range f.readers {
		if !r.cut {
			next = min(next, r.next)
		}
	}
	f.events = slices.Delete(f.events, 0, next-f.first)
	f.first = next
}

// full reports whether nobody can join any more.
func (f *flight) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed
}

// ended ends the stream for all: err is io.EOF or why it was cut.
func (f *flight) ended(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != io.EOF {
		err = llm.AsError(err)
		f.closed = true // an answer that is not whole is no use to others
	}
	if f.end == nil {
		f.end = err
	}
	f.tell()
}
