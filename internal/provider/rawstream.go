package provider

import (
	"io"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// keepBatch is the largest buffer that goes back to the pool.
const keepBatch = 32 << 10

// rawStream hands the provider's bytes on, whole events at a time. All events
// that one read brought leave together, so that a burst costs the receiver one
// write and one flush; an event that came alone is not held back, and not
// copied either.
type rawStream struct {
	loop
	watch   dialect.Inspector
	pooled  *[]byte
	batch   []byte // shown bytes, not yet delivered or delivered by the last Recv
	taken   bool   // batch was delivered
	started bool   // part of the answer was delivered
	last    error  // what follows the batch: io.EOF or an error
	more    bool   // the end was a terminal event, not the end of the body
}

// Recv returns the bytes of the next events in an EventRaw. Events before the
// first piece of the answer wait for it; an EventUsage comes when the usage
// chunk is hidden and nothing else came with it.
func (s *rawStream) Recv() (llm.Event, error) {
	if s.taken {
		s.batch, s.taken = s.batch[:0], false
	}
	out := llm.Event{Kind: llm.EventRaw}
	content := false
	for s.end == nil && s.last == nil {
		ev, err := s.next()
		if err != nil {
			content = s.stopped(err) || content
			break
		}
		if !idle(ev) {
			if s.see(ev, &out, &content) {
				return out, nil
			}
		}
		if !s.rd.Buffered() {
			break
		}
	}
	return s.deliver(out, content)
}

// see inspects one event and adds it to the batch. It reports true when out is
// complete: the event is alone and goes out uncopied.
func (s *rawStream) see(ev sse.Event, out *llm.Event, content *bool) bool {
	v, err := s.watch.Inspect(ev)
	if err != nil {
		s.last = s.told(err)
		return false
	}
	if v.Usage != nil {
		out.Usage = v.Usage
	}
	if v.Finish != "" {
		out.Finish = v.Finish
	}
	out.TextBytes += v.TextBytes
	if v.Last {
		s.last, s.more = io.EOF, true
	}
	if v.Hide {
		return false
	}
	// A terminal event is no answer by itself.
	commits := !v.Preamble && (!v.Last || v.Finish != "" || s.started || *content)
	*content = *content || commits
	if commits && len(s.batch) == 0 && !s.tail && (v.Last || !s.rd.Buffered()) {
		s.started = true
		out.Raw = ev.Raw
		return true
	}
	s.keep(ev.Raw)
	if s.tail {
		s.keep(missing(ev.Raw))
	}
	return false
}

// missing returns what makes an event whole that lacks its blank line.
func missing(raw []byte) []byte {
	if c := raw[len(raw)-1]; c == '\n' || c == '\r' {
		return []byte("\n")
	}
	return []byte("\n\n")
}

// stopped takes note of how the body ended, and reports whether something is
// left to be sent.
func (s *rawStream) stopped(err error) bool {
	if err != io.EOF {
		s.last = err
		return false
	}
	tail, err := s.watch.End()
	if err != nil {
		s.last = s.told(err)
		return false
	}
	s.last = io.EOF
	if len(tail) == 0 || !s.started {
		return false
	}
	s.keep(tail)
	return true
}

// deliver returns the batch, or what the stream came to.
func (s *rawStream) deliver(out llm.Event, content bool) (llm.Event, error) {
	switch {
	case s.end != nil:
		return llm.Event{}, s.end
	case content:
		s.started, s.taken = true, true
		out.Raw = s.batch
		return out, nil
	case out.Usage != nil:
		return llm.Event{Kind: llm.EventUsage, Usage: out.Usage}, nil
	case s.last == io.EOF:
		s.giveBack()
		return llm.Event{}, s.finish(s.more)
	case s.last != nil:
		s.giveBack()
		return llm.Event{}, s.fail(s.last)
	}
	return llm.Event{Kind: llm.EventPing}, nil
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
