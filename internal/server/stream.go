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

// relay sends what one event becomes. What comes before the first piece of
// content waits for it in x.due, and so does an event for the next one when
// that is here already: a burst leaves in one write and one flush.
func (x *exchange) relay(enc dialect.StreamEncoder, ev *llm.Event) error {
	if enc == nil {
		return x.push(ev.Raw)
	}
	x.begun = x.begun || ev.Content()
	if !x.begun && ev.Kind == llm.EventPing {
		return nil
	}
	x.due = enc.Append(x.room(), ev)
	if !x.begun || ev.More && len(x.due) < maxDue {
		return nil
	}
	return x.sendDue()
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
	if !x.streaming && !x.begun {
		return llm.Errorf(llm.KindUpstreamError, "the provider sent an empty stream")
	}
	x.finished = true
	if enc == nil {
		return nil // the upstream's own end has passed through
	}
	x.due = enc.AppendEnd(x.room(), x.fillFacts(http.StatusOK))
	return x.sendLast()
}
