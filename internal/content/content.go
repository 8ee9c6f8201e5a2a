package content

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Spans takes content into the trace of a request.
type Spans interface {
	// ContentLimit returns how many bytes the span of ctx takes of question and
	// answer each; 0 when it is not recorded.
	ContentLimit(ctx context.Context) int
	// Content notes a call of the request on the span of ctx. output is empty
	// when there was no answer.
	Content(ctx context.Context, operation, input, output string)
}

// Options makes a Recorder.
type Options struct {
	Logger *slog.Logger // gets one line per call, at info
	Spans  Spans        // nil = no traces
	Limit  int          // bytes that a log line takes of question and answer each; 0 = DefaultLimit
}

// DefaultLimit is how much of a question, and of an answer, is recorded.
const DefaultLimit = 16 << 10

// Recorder records the calls of routes that ask for it. It is safe for
// concurrent use.
type Recorder struct{ o Options }

// New makes a Recorder.
func New(o Options) *Recorder {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	return &Recorder{o: o}
}

// Record records a call that has been answered, or has failed. A stream is
// recorded when it has ended; until then it is watched. Calls that were refused
// before any provider was asked leave nothing.
func (r *Recorder) Record(ctx context.Context, c *llm.Call, reply *llm.Reply, err error) {
	if err != nil && c.Meta.Attempts() == 0 && c.Meta.Cache == "" {
		return
	}
	rec := &record{ctx: ctx, o: &r.o, call: c}
	if r.o.Logger.Enabled(ctx, slog.LevelInfo) {
		rec.logged = r.o.Limit
	}
	if r.o.Spans != nil {
		rec.traced = min(r.o.Spans.ContentLimit(ctx), r.o.Limit)
	}
	if rec.logged == 0 && rec.traced == 0 {
		return
	}
	if reply == nil {
		rec.end(llm.Done{Err: llm.AsError(err)})
		return
	}
	rec.provider, rec.model = reply.Provider, reply.Model
	rec.answer = newAnswer(max(rec.logged, rec.traced))
	if reply.Stream != nil {
		rec.answer.passes(reply.Dialect)
		reply.Stream = &watched{Stream: reply.Stream, rec: rec}
		return
	}
	rec.answer.whole(c.Op, reply)
	rec.end(llm.Done{})
}

// watched is a stream that is recorded on its way to its one reader.
type watched struct {
	llm.Stream
	rec   *record
	begun bool
}

// Recv passes an event on.
func (w *watched) Recv() (*llm.Event, error) {
	ev, err := w.Stream.Recv()
	switch {
	case err == nil:
		w.begun = w.begun || ev.Content()
		w.see(ev)
	case errors.Is(err, io.EOF):
		w.end(llm.Done{})
	default:
		w.end(llm.Done{Err: llm.AsError(err), Started: w.begun})
	}
	return ev, err
}

// see records an event, unless nothing more of them is wanted.
func (w *watched) see(ev *llm.Event) {
	if w.rec != nil {
		w.rec.answer.add(ev)
	}
}

// Close closes the stream: before its end, because the client left.
func (w *watched) Close() error {
	err := w.Stream.Close()
	w.end(llm.Done{Gone: true})
	return err
}

func (w *watched) end(d llm.Done) {
	if w.rec != nil {
		w.rec.end(d)
		w.rec = nil
	}
}

// record is one call on its way into the log.
type record struct {
	ctx             context.Context // of the request, with its span
	o               *Options
	call            *llm.Call
	provider, model string
	answer          *answer // nil when there was none
	logged, traced  int     // bytes; 0 = not there
}

// end writes the call down.
func (r *record) end(d llm.Done) {
	if r.traced > 0 {
		r.o.Spans.Content(r.ctx, r.call.Op.String(), r.input(r.traced).text, r.output(r.traced).text)
	}
	if r.logged > 0 {
		r.log(d)
	}
}

// input renders the question.
func (r *record) input(limit int) rendered {
	req, err := r.call.Request()
	if err != nil {
		return renderRaw(r.call.Raw, limit)
	}
	return renderRequest(req, limit)
}

// output renders the answer.
func (r *record) output(limit int) rendered {
	if r.answer == nil {
		return rendered{}
	}
	return r.answer.render(limit)
}

func (r *record) log(d llm.Done) {
	m := r.call.Meta
	a := make([]slog.Attr, 0, 16)
	a = append(a, slog.String("request_id", m.RequestID))
	a = appendString(a, "trace_id", m.TraceID)
	a = appendString(a, "key", m.Caller.Name)
	a = appendString(a, "route", m.Route)
	if d.Err != nil && r.provider == "" {
		r.provider = d.Err.Provider
	}
	a = appendString(a, "provider", r.provider)
	a = appendString(a, "model", r.model)
	a = appendString(a, "cache", m.Cache)
	a = append(a, slog.String("operation", r.call.Op.String()), slog.String("outcome", d.Outcome()))
	if d.Err != nil {
		a = appendString(a, "error", errorText(d.Err))
	}
	a = r.input(r.logged).appendTo(a, "input_messages")
	a = r.output(r.logged).appendTo(a, "output_messages")
	r.o.Logger.LogAttrs(context.WithoutCancel(r.ctx), slog.LevelInfo, "call content", a...)
}

func appendString(a []slog.Attr, key, value string) []slog.Attr {
	if value == "" {
		return a
	}
	return append(a, slog.String(key, value))
}
