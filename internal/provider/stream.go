package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

const (
	// drainWait and drainBytes bound what is spent, behind the last event, on
	// leaving the connection reusable.
	drainWait  = 100 * time.Millisecond
	drainBytes = 16 << 10
)

var errClosed = errors.New("the stream was closed")

// stream starts the stream of one successful answer.
func (x *exchange) stream(ctx context.Context, resp *http.Response) llm.Stream {
	l := loop{
		x: *x, ctx: ctx, body: resp.Body, status: resp.StatusCode,
		rd: sse.NewReader(resp.Body, sse.Options{MaxEvent: x.p.maxEvent}),
	}
	if x.passer != nil {
		return &rawStream{loop: l, watch: x.passer.NewInspector(!x.call.Peek.IncludeUsage)}
	}
	return &decodedStream{loop: l, dec: x.p.codec.NewStreamDecoder()}
}

// loop is the reading of server-sent events that both forms of streams share.
type loop struct {
	x      exchange
	ctx    context.Context
	body   io.ReadCloser
	rd     *sse.Reader
	status int
	end    error // why the stream ended; nil while it has not
	tail   bool  // the upstream ended without the blank line behind its last event
	closed bool
}

// next returns the next event. At the end it returns io.EOF when the upstream
// closed the stream in an orderly way, whether or not the answer was complete,
// and an *llm.Error when the connection broke or an event was cut.
func (l *loop) next() (sse.Event, error) {
	if l.tail {
		return sse.Event{}, io.EOF
	}
	ev, err := l.rd.Next()
	switch {
	case looseJSON(ev):
		return sse.Event{}, l.told(l.x.decodeError(l.status, ev.Raw))
	case err == nil:
		return ev, nil
	case err == io.EOF && l.ctx.Err() == nil:
		return ev, io.EOF
	case err == io.ErrUnexpectedEOF && entire(ev):
		l.tail = true
		return ev, nil
	}
	return sse.Event{}, streamError(l.ctx, err)
}

// entire reports whether an event that lacks its blank line is whole all the
// same: sloppy servers leave the line out at the very end.
func entire(ev sse.Event) bool {
	if ev.Data == nil {
		return ev.Name == nil && len(ev.Raw) > 0 // a comment
	}
	return isDone(ev.Data) || json.Valid(ev.Data)
}

func isDone(data []byte) bool { return string(bytes.TrimSpace(data)) == "[DONE]" }

// idle reports whether an event says no more than that the upstream is alive:
// comments, retry fields, blank lines.
func idle(ev sse.Event) bool { return ev.Data == nil && ev.Name == nil }

// looseJSON reports whether JSON stands in a stream outside of any field.
// Google breaks a stream off with an error written so, and maybe no line end.
func looseJSON(ev sse.Event) bool {
	if !idle(ev) {
		return false
	}
	b := bytes.TrimLeft(ev.Raw, " \t\r\n")
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}

func streamError(ctx context.Context, err error) *llm.Error {
	if e := llm.ContextError(ctx); e != nil {
		return e
	}
	e := bodyError(ctx, err)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e.Message = "the provider's stream was cut"
	}
	return e
}

// fail ends the stream with an error.
func (l *loop) fail(err error) error {
	l.end = l.x.failed(err)
	l.release()
	return l.end
}

// told completes an error that a codec found in an event.
func (l *loop) told(err error) error { return disguised(l.status, err) }

// finish ends the stream as complete. With more to come, as behind a terminal
// event, it reads on to the end of the body, within bounds, so that the
// connection can be used again.
func (l *loop) finish(more bool) error {
	l.end = io.EOF
	if more && !l.closed && !l.rd.Ended() {
		drain(l.body)
	}
	l.release()
	return io.EOF
}

// drain reads to the end of a body that should end at once. A body may be
// closed while it is read.
func drain(body io.ReadCloser) {
	done := make(chan struct{})
	t := time.AfterFunc(drainWait, func() { body.Close(); close(done) })
	io.CopyN(io.Discard, body, drainBytes) //nolint:errcheck // the bytes are of no interest
	if !t.Stop() {
		<-done
	}
}

// Close ends the exchange. Unless the stream had come to its end, the
// connection goes with it, which tells the upstream to stop.
func (l *loop) Close() error {
	if l.end == nil {
		l.end = &llm.Error{Kind: llm.KindCanceled, Message: "the stream was closed", Provider: l.x.p.name, Err: errClosed}
	}
	l.release()
	return nil
}

func (l *loop) release() {
	if l.closed {
		return
	}
	l.closed = true
	l.body.Close()
	l.rd.Release()
}

// decodedStream turns the provider's events into canonical ones. [DONE] is the
// terminal event in any dialect; a decoder names another one by returning
// io.EOF for it. Without one the stream ends where its body does.
type decodedStream struct {
	loop
	dec   dialect.StreamDecoder
	queue []llm.Event // what is being delivered
	at    int
	ahead []llm.Event // what follows it, as far as that was looked at; see ready
	last  error       // what follows both: io.EOF or an error
	more  bool        // the last event was a terminal one, not the end of the body
}

// Recv returns the next canonical event.
func (s *decodedStream) Recv() (*llm.Event, error) {
	for {
		switch {
		case s.end != nil:
			return nil, s.end
		case s.at < len(s.queue):
			ev := &s.queue[s.at]
			s.at++
			ev.More = s.ready()
			return ev, nil
		case len(s.ahead) > 0:
			s.queue, s.ahead, s.at = s.ahead, emptied(s.queue), 0
		case s.last == io.EOF:
			return nil, s.finish(s.more)
		case s.last != nil:
			return nil, s.fail(s.last)
		default:
			s.pull()
		}
	}
}

// ready reports whether the next Recv returns without waiting for the
// upstream. It decodes the next event if that is there: what is written for
// this one shall not wait for the drain behind a terminal one.
func (s *decodedStream) ready() bool {
	if s.at < len(s.queue) {
		return true
	}
	if s.last == nil && s.rd.Buffered() {
		s.pull()
	}
	switch {
	case len(s.ahead) > 0:
		return true
	case s.last == io.EOF:
		return !s.more || s.rd.Ended()
	}
	return s.last != nil
}

// pull reads one event into ahead. One that says no more than that the upstream
// is alive becomes a ping.
func (s *decodedStream) pull() {
	ev, err := s.next()
	switch {
	case err == io.EOF:
		s.finishDecoding(false)
		return
	case err != nil:
		s.last = err
		return
	case !idle(ev):
		s.ahead, err = s.dec.Decode(s.ahead, ev)
	}
	switch {
	case err == io.EOF || err == nil && isDone(ev.Data):
		s.finishDecoding(true)
	case err != nil:
		s.last = s.told(err)
	case len(s.ahead) == 0:
		s.ahead = append(s.ahead, llm.Event{Kind: llm.EventPing})
	}
}

// keepQueue is the longest queue that a stream keeps.
const keepQueue = 64

// emptied lets go of delivered events.
func emptied(queue []llm.Event) []llm.Event {
	if cap(queue) > keepQueue {
		return nil
	}
	clear(queue)
	return queue[:0]
}

func (s *decodedStream) finishDecoding(more bool) {
	s.more = more
	var err error
	if s.ahead, err = s.dec.End(s.ahead); err != nil {
		s.last = s.told(err)
		return
	}
	s.last = io.EOF
}
