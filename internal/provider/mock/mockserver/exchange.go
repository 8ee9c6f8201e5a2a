package mockserver

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// created is the time of streams' chunks, that of whole answers too.
const created = 1_735_689_600

// exchange is one request and its answer.
type exchange struct {
	s  *Server
	rt *route
	w  http.ResponseWriter
	r  *http.Request

	id      string
	started time.Time
	entry   *entry // the model's row of the statistics
	req     *llm.Request
	plan    *mock.Plan
}

func (s *Server) exchange(rt *route, w http.ResponseWriter, r *http.Request) *exchange {
	return &exchange{s: s, rt: rt, w: w, r: r, id: s.requestID(), started: time.Now()}
}

func (x *exchange) meta() *meta {
	m := &meta{requestID: x.id, millis: time.Since(x.started).Milliseconds()}
	if x.plan != nil && x.plan.Response != nil {
		m.input = x.plan.Response.Usage.Input
	}
	return m
}

// refuse answers with an error, before or without an answer of the model.
func (x *exchange) refuse(e *llm.Error) {
	x.s.stats.refused(x.entry, e.Status)
	m := x.meta()
	m.err = e
	h := x.w.Header()
	x.rt.surface.head(h, m)
	body := x.rt.surface.errors.AppendError(nil, e)
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(e.Status)
	_, _ = x.w.Write(body) // a client that left needs no answer
}

// serve answers a call; err is what went wrong with the reading of its body.
func (x *exchange) serve(body []byte, err error) {
	if e := x.s.readable(x.r, body, err); e != nil {
		x.refuse(e)
		return
	}
	if e := x.decode(body); e != nil {
		x.refuse(e)
		return
	}
	plan, err := x.s.o.Engine.Plan(x.rt.op, x.req.Model, x.req)
	e := withStatus(err)
	if e != nil && e.Kind == llm.KindNotFound {
		x.refuse(e) // no model, no row in the statistics
		return
	}
	x.entry = x.s.stats.begin(x.req.Model, x.req.Stream)
	defer x.entry.end(x.req.Stream)
	if e != nil {
		x.refuse(e)
		return
	}
	x.plan = plan
	x.answer()
}

func (x *exchange) answer() {
	if r := x.plan.Response; r != nil {
		r.ID = x.rt.surface.idPrefix + trimPrefix(r.ID)
		if x.rt.surface.dress != nil {
			x.rt.surface.dress(x.req, r)
		}
	}
	switch {
	case x.failsAtOnce():
		x.fail()
	case x.req.Stream:
		x.stream()
	default:
		x.whole()
	}
}

func (x *exchange) decode(body []byte) *llm.Error {
	if x.rt.check != nil && !x.s.o.Lenient {
		if err := x.rt.check(x.r, body); err != nil {
			return err
		}
	}
	req, err := x.rt.surface.codec.DecodeRequest(x.rt.op, body)
	if err != nil {
		return withStatus(err)
	}
	if x.rt.adjust != nil {
		x.rt.adjust(x.r, req)
	}
	if x.rt.op != llm.OpChat {
		req.Stream = false
	}
	x.req = req
	return nil
}

// trimPrefix takes the engine's own prefix off an id.
func trimPrefix(id string) string {
	const length = 24
	return id[max(0, len(id)-length):]
}

// withStatus gives an error the status that the real API would answer with.
func withStatus(err error) *llm.Error {
	if err == nil {
		return nil
	}
	e := *llm.AsError(err)
	if e.Status != 0 {
		return &e
	}
	switch e.Kind {
	case llm.KindNotFound:
		e.Status = http.StatusNotFound
	case llm.KindInternal:
		e.Status = http.StatusInternalServerError
	default:
		e.Status = http.StatusBadRequest
	}
	return &e
}

// pause waits, and reports whether the client is still there afterwards.
func (x *exchange) pause(d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-x.r.Context().Done():
		}
	}
	if gone(x.r.Context()) {
		x.entry.canceled()
		return false
	}
	return true
}

// facts is what codecs put into answers besides their content.
func (x *exchange) facts() *dialect.Facts {
	return &dialect.Facts{RequestID: x.id[len("req_"):], Status: http.StatusOK}
}

// whole gives the answer in one piece.
func (x *exchange) whole() {
	if !x.pause(x.plan.Whole()) {
		return
	}
	resp := x.plan.Response
	body, err := x.rt.surface.codec.AppendResponse(nil, x.rt.op, resp, x.facts())
	if err != nil {
		x.refuse(withStatus(err))
		return
	}
	h := x.w.Header()
	x.rt.surface.head(h, x.meta())
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if x.plan.Fault != nil {
		x.breakWhole(body)
		return
	}
	// Counted before it is written: who has read the answer finds it counted.
	x.entry.tokens(resp.Usage.Input, resp.Usage.Output)
	x.entry.done()
	if _, err := x.w.Write(body); err != nil {
		x.entry.undone()
	}
}

// stream gives the answer token by token, each in an event and a flush of its
// own.
func (x *exchange) stream() {
	if !x.pause(x.plan.First) {
		return
	}
	h := x.w.Header()
	x.rt.surface.head(h, x.meta())
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	rc := http.NewResponseController(x.w)
	x.w.WriteHeader(http.StatusOK)
	if rc.Flush() != nil {
		x.entry.canceled()
		return
	}
	x.entry.tokens(x.plan.Response.Usage.Input, 0)
	src := x.plan.Stream(x.r.Context())
	defer func() { _ = src.Close() }()
	enc := x.rt.surface.codec.NewStreamEncoder(dialect.StreamOptions{
		Model: x.req.Model, IncludeUsage: x.req.IncludeUsage, Created: created, ID: x.plan.Response.ID,
	})
	if err := x.relay(rc, src, enc); err != nil {
		x.broken(rc, err)
	}
}

// errGone is the error of a client that does not read any more.
var errGone = errors.New("the client has left")

// relay writes the events of src until its end or failure.
func (x *exchange) relay(rc *http.ResponseController, src llm.Stream, enc dialect.StreamEncoder) error {
	var buf []byte
	for {
		ev, err := src.Recv()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err != nil {
			buf = enc.AppendEnd(buf[:0], x.facts())
			x.entry.done()
		} else {
			buf = enc.Append(buf[:0], ev)
			x.entry.tokens(0, eventTokens(ev))
		}
		if len(buf) > 0 {
			if _, werr := x.w.Write(buf); werr != nil || rc.Flush() != nil {
				if err != nil {
					x.entry.undone()
					return nil
				}
				return errGone
			}
		}
		if err != nil {
			return nil
		}
	}
}

// eventTokens counts the tokens of the answer that an event carries.
func eventTokens(ev *llm.Event) int64 {
	if ev.Kind == llm.EventToolCall {
		return mock.CountTokens(ev.Name) + mock.CountTokens(ev.Text)
	}
	return mock.CountTokens(ev.Text)
}
