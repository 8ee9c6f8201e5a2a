package server

import (
	"io"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// stream relays an answer event by event. The head goes out with the first
// piece of content, so what fails before it is an ordinary error answer; what
// fails after it is returned and becomes the terminal event (see fail).
func (x *exchange) stream(c *clientCall, r *llm.Reply) error {
	enc := x.encoder(c, r)
	for {
		ev, err := x.recv(r)
		if err == io.EOF {
			return x.endStream(enc)
		}
		if err != nil {
			return err
		}
		if ev.Usage != nil {
			x.charge(*ev.Usage, r.Price)
		}
		if (ev.Kind == llm.EventRaw) != (enc == nil) {
			return llm.Errorf(llm.KindInternal, "the stream does not fit the request")
		}
		if err := x.relay(enc, ev); err != nil {
			return err
		}
	}
}

// maxDue is from how many bytes on events leave although others are there to
// leave with them.
const maxDue = 32 << 10

// keepDue is the largest buffer that a stream keeps while it waits.
const keepDue = 8 << 10

// relay sends what one event becomes. What comes before the first piece of
// content waits for it in x.buf, and so does an event for the next one when
// that is here already: a burst leaves in one write and one flush.
func (x *exchange) relay(enc dialect.StreamEncoder, ev *llm.Event) error {
	if enc == nil {
		return x.push(ev.Raw)
	}
	x.due = x.due || x.streaming || ev.Content()
	if !x.due && ev.Kind == llm.EventPing {
		return nil
	}
	x.buf = enc.Append(x.buf, ev)
	if !x.due || ev.More && len(x.buf) < maxDue {
		return nil
	}
	return x.sendDue()
}

// sendDue sends what waits in x.buf for more to come.
func (x *exchange) sendDue() error {
	if !x.due {
		return x.writeErr
	}
	x.due = false
	err := x.push(x.buf)
	x.buf = x.buf[:0]
	if cap(x.buf) > keepDue {
		x.buf = nil // a stream that waits shall not hold what a burst needed
	}
	return err
}

// encoder returns what translates the stream, nil when its bytes pass through.
func (x *exchange) encoder(c *clientCall, r *llm.Reply) dialect.StreamEncoder {
	if r.Dialect == x.ep.dialect {
		return nil
	}
	model := c.Model
	if model == "" {
		model = r.Model
	}
	return x.ep.client.NewStreamEncoder(dialect.StreamOptions{
		Model: model, IncludeUsage: c.Peek.IncludeUsage, Created: x.start.Unix(), ID: x.ep.idStart + x.id,
	})
}

// recv receives one event. Until the head is out the time spent here
// counts as waiting for the upstream.
func (x *exchange) recv(r *llm.Reply) (*llm.Event, error) {
	if x.streaming {
		return r.Stream.Recv()
	}
	began := time.Now()
	ev, err := r.Stream.Recv()
	x.rec.upstream += time.Since(began)
	return ev, err
}

// push sends whole events to the client: the head first, when it is not out;
// then one write and one flush, within the write time. It returns the client's
// failure.
func (x *exchange) push(events []byte) error {
	if len(events) == 0 {
		return x.writeErr
	}
	if x.streaming {
		x.extend(time.Now())
	} else {
		x.startStream()
	}
	return x.sendNow(events)
}

func (x *exchange) startStream() {
	h := x.Header()
	h["Content-Type"] = contentSSE
	h["Cache-Control"] = noCache
	h["X-Accel-Buffering"] = noBuffering
	x.streaming = true
	x.srv.streams.Add(1)
	x.WriteHeader(http.StatusOK)
	x.rec.firstAt = x.headAt
}

// flush hands what was written to the client; that the client is gone or reads
// too slowly shows here.
func (x *exchange) flush() error {
	if x.writeErr == nil {
		x.writeErr = http.NewResponseController(x.w).Flush()
	}
	return x.writeErr
}

// endStream writes the normal end. There is no flush: net/http sends the event
// together with the end of the body when the handler returns.
func (x *exchange) endStream(enc dialect.StreamEncoder) error {
	if !x.streaming && !x.due {
		return llm.Errorf(llm.KindUpstreamError, "the provider sent an empty stream")
	}
	x.finished = true
	if enc == nil {
		return nil // the upstream's own end has passed through
	}
	x.buf = enc.AppendEnd(x.buf, x.fillFacts(http.StatusOK))
	if x.due && len(x.buf) >= corkFrom {
		return x.sendDue()
	}
	x.due = false
	if x.streaming {
		x.extend(time.Now())
	} else {
		x.startStream()
	}
	x.send(x.buf)
	return x.writeErr
}
