package provider

import (
	"io"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

const (
	// keepBatch is the largest buffer that a stream keeps, or that goes back
	// to the pool.
	keepBatch = 32 << 10
	// maxPreamble is how many bytes can wait for the answer to begin.
	maxPreamble = 64 << 10
)

// rawStream hands the provider's bytes on, whole events at a time. All events
// that one read brought leave together, so that a burst costs the receiver one
// write and one flush; an event that came alone is not held back, and not
// copied either.
type rawStream struct {
	loop
	watch   dialect.Inspector
	pooled  *[]byte
	batch   []byte    // shown bytes that wait, or that the last Recv delivered
	taken   bool      // batch was delivered
	out     llm.Event // what this Recv gathers
	content bool      // batch holds part of the answer
	started bool      // part of the answer was delivered
	last    error     // what follows the batch: io.EOF or an error
	more    bool      // the end was a terminal event, not the end of the body
}

// Recv returns the bytes of the next events in an EventRaw. Events before the
// first piece of the answer wait for it; an EventUsage comes when the usage
// chunk is hidden and nothing else came with it.
func (s *rawStream) Recv() (*llm.Event, error) {
	s.begin()
	for s.end == nil && s.last == nil {
		ev, err := s.next()
		if err != nil {
			s.stopped(err)
			break
		}
		if !idle(ev) && s.see(ev) {
			return &s.out, nil
		}
		if !s.rd.Buffered() {
			break
		}
	}
	return s.deliver()
}

func (s *rawStream) begin() {
	s.out, s.content = llm.Event{Kind: llm.EventRaw}, false
	if !s.taken {
		return
	}
	s.batch, s.taken = s.batch[:0], false
	if cap(s.batch) > keepBatch {
		s.batch = nil
	}
}

// see inspects one event and adds it to the batch. It reports true when it is
// alone: out is complete then, and the bytes are not copied.
func (s *rawStream) see(ev sse.Event) (alone bool) {
	v, err := s.watch.Inspect(ev)
	if err != nil {
		s.last = s.told(err)
		return false
	}
	if v.Usage != nil {
		s.out.Usage = v.Usage
	}
	if v.Finish != "" {
		s.out.Finish = v.Finish
	}
	s.out.TextBytes += v.TextBytes
	if v.Last {
		s.last, s.more = io.EOF, true
	}
	if v.Hide {
		return false
	}
	s.content = s.content || s.commits(&v)
	if s.content && len(s.batch) == 0 && !s.tail && (v.Last || !s.rd.Buffered()) {
		s.started = true
		s.out.Raw = ev.Raw
		return true
	}
	s.keep(ev.Raw)
	if s.tail {
		s.keep(missing(ev.Raw))
	}
	return false
}

// commits reports whether an event is part of the answer. A terminal event is
// none by itself.
func (s *rawStream) commits(v *dialect.Verdict) bool {
	switch {
	case v.Preamble:
		return len(s.batch) > maxPreamble
	case v.Last:
		return v.Finish != "" || s.started
	}
	return true
}

// missing returns what makes an event whole that lacks its blank line.
func missing(raw []byte) []byte {
	if c := raw[len(raw)-1]; c == '\n' || c == '\r' {
		return []byte("\n")
	}
	return []byte("\n\n")
}

// stopped takes note of how the body ended.
func (s *rawStream) stopped(err error) {
	s.last = err
	if err != io.EOF {
		return
	}
	tail, err := s.watch.End()
	switch {
	case err != nil:
		s.last = s.told(err)
	case len(tail) > 0:
		s.keep(tail)
		s.content = true
	}
}

// deliver returns the batch, or what the stream came to.
func (s *rawStream) deliver() (*llm.Event, error) {
	switch {
	case s.end != nil:
		return nil, s.end
	case s.content:
		s.started, s.taken = true, true
		s.out.Raw = s.batch
		return &s.out, nil
	case s.out.Usage != nil:
		s.out = llm.Event{Kind: llm.EventUsage, Usage: s.out.Usage}
		return &s.out, nil
	case s.last == nil:
		s.out = llm.Event{Kind: llm.EventPing}
		return &s.out, nil
	}
	s.giveBack()
	if s.last == io.EOF {
		return nil, s.finish(s.more)
	}
	return nil, s.fail(s.last)
}

// Close ends the exchange.
func (s *rawStream) Close() error {
	s.giveBack()
	return s.loop.Close()
}

func (s *rawStream) keep(b []byte) {
	if s.pooled == nil {
		s.pooled = s.x.p.batches.Get().(*[]byte)
		s.batch = (*s.pooled)[:0]
	}
	s.batch = append(s.batch, b...)
}

func (s *rawStream) giveBack() {
	if s.pooled == nil {
		return
	}
	if cap(s.batch) <= keepBatch {
		*s.pooled = s.batch[:0]
		s.x.p.batches.Put(s.pooled)
	}
	s.pooled, s.batch, s.taken = nil, nil, false
}
