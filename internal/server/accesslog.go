package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// logged is the status of the log line and the metrics: what the client got,
// except that a client that left shows as 499.
func (x *exchange) logged() int {
	switch {
	case x.rec.err != nil && x.rec.err.Kind == llm.KindCanceled:
		return statusCanceled
	case x.status == 0 && x.aborted:
		return statusCanceled
	case x.status == 0:
		return http.StatusOK // what net/http sends for a handler that wrote nothing
	}
	return x.status
}

// overhead is the gateway's own time: from the head of the request to the head
// of the answer, without waiting for upstreams and without the time in which
// the client sent its body. Negative for what is not one call to a model, and
// when the client left, as nobody knows then what was being waited for.
func (x *exchange) overhead(now time.Time) time.Duration {
	if !x.rec.timed || x.logged() == statusCanceled && x.headAt.IsZero() {
		return -1
	}
	if !x.headAt.IsZero() {
		now = x.headAt
	}
	return max(now.Sub(x.start)-x.rec.upstream-x.waited, 0)
}

func (x *exchange) stats(now time.Time) RequestStats {
	s := RequestStats{
		Endpoint: x.ep.name, Method: x.req.Method, Status: x.logged(),
		Duration: now.Sub(x.start), Size: x.size, Overhead: x.overhead(now),
	}
	if x.rec.err != nil && x.rejected() {
		s.Rejected = x.rec.err.Kind.String()
	}
	if x.sampled {
		s.TraceID = x.traceID
	}
	return s
}

// rejected reports whether the gateway itself refused the request: by a kind of
// refusal that it makes, and without having asked an upstream.
func (x *exchange) rejected() bool {
	switch x.rec.err.Kind {
	case llm.KindUnauthenticated, llm.KindPermissionDenied, llm.KindRateLimited, llm.KindBudgetExceeded, llm.KindRequestTooLarge, llm.KindOverloaded:
		return x.rec.attempts == 0
	}
	return false
}

// level says how loud the line is: by the kind of the failure, as a stream that
// failed has status 200.
func (x *exchange) level() slog.Level {
	status := x.logged()
	if e := x.rec.err; e != nil && e.Kind != llm.KindCanceled {
		status = max(status, statusOf(e.Kind))
	}
	switch {
	case status >= 500:
		return slog.LevelError
	case status == statusCanceled:
		return slog.LevelInfo
	case status >= 400:
		return slog.LevelWarn
	case x.ep.quiet:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// log writes the one line of the request, with the attributes of contract §10
// and the metadata of a native request (§3). What does not apply is left out.
// The message is the endpoint. Nothing else that a client wrote appears but its
// request id, its trace id and the model's name.
func (x *exchange) log(now time.Time) {
	level := x.level()
	handler, ctx := x.srv.o.Logger.Handler(), x.ctx()
	if !handler.Enabled(ctx, level) {
		return
	}
	if lines, ok := handler.(LineHandler); ok {
		x.line.b = x.line.b[:0]
		x.logFields(&x.line, now)
		_ = lines.HandleLine(now, level, x.ep.title, x.line.b)
		return
	}
	f := attrFields{attrs: make([]slog.Attr, 0, 20)}
	x.logFields(&f, now)
	// Made by hand: the time is known, and nobody needs this line's caller.
	line := slog.NewRecord(now, level, x.ep.title, 0)
	line.AddAttrs(f.attrs...)
	_ = handler.Handle(ctx, line)
}

// logFields gives the line's members to f, in their order.
func (x *exchange) logFields(f fields, now time.Time) {
	f.text("request_id", x.id)
	f.text("trace_id", x.trace())
	f.text("client", x.clientAddr())
	f.text("key", x.caller.Name)
	f.text("route", x.rec.route)
	f.text("provider", x.rec.provider)
	f.text("model", x.rec.model)
	f.whole("status", int64(x.logged()))
	if x.rec.err != nil {
		f.text("kind", x.rec.err.Kind.String())
	}
	if x.rec.attempts > 0 {
		f.whole("attempts", int64(x.rec.attempts))
	}
	f.text("cache", x.rec.cache)
	f.text("path", x.rec.path)
	f.number("latency_ms", ms(now.Sub(x.start)))
	if d := x.overhead(now); d >= 0 {
		f.number("overhead_ms", ms(d))
	}
	if !x.rec.firstAt.IsZero() {
		f.number("ttft_ms", ms(x.rec.firstAt.Sub(x.start)))
	}
	if x.rec.usage != (llm.Usage{}) {
		f.usage(&x.rec.usage)
	}
	if x.rec.priced {
		f.number("cost", x.rec.cost.Dollars())
	}
	if len(x.rec.tags) > 0 {
		f.tags(x.rec.tags)
	}
}

// ms is a duration in milliseconds with three decimals.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// logPanic writes what is needed to find the fault, and nothing of the
// request: a panic's value is shown only when the runtime made it.
func (x *exchange) logPanic(p any, stack []byte) {
	what := fmt.Sprintf("%T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	x.srv.o.Logger.LogAttrs(context.WithoutCancel(x.ctx()), slog.LevelError, "a handler panicked",
		slog.String("request_id", x.id), slog.String("panic", what), slog.String("stack", string(stack)))
}
