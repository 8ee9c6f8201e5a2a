package server

import (
	"context"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Tracer makes a span of each request but probes and scrapes. The span travels
// in the context. Its methods must not block.
type Tracer interface {
	// Begin starts the span of a request, below the one that its headers name.
	// title is method and path, endpoint the path's pattern or other. sampled
	// says whether the span is recorded.
	Begin(r *http.Request, title, endpoint string, start time.Time) (_ context.Context, traceID string, sampled bool)
	// End ends the span of ctx.
	End(ctx context.Context, s TraceStats)
}

// TraceStats is what a span tells of a request that has ended.
type TraceStats struct {
	RequestStats
	RequestID string
	Caller    *llm.Caller
	Failed    bool   // the gateway or an upstream is at fault, also when the status was sent before
	Kind      string // the error's kind; "" = none

	Route           string // the model's route
	Provider, Model string // who answered
	Attempts        int
	Path            string
	Cache           string
	Cost            *llm.Money        // nil = not known
	Tags            map[string]string // the client's metadata
}

// beginTrace starts the span, once the endpoint is known.
func (x *exchange) beginTrace() {
	t := x.srv.o.Tracer
	if t == nil || x.ep.quiet {
		return
	}
	x.traced, x.traceID, x.sampled = t.Begin(x.req, x.ep.title, x.ep.name, x.start)
}

// endTrace ends the span. stats are those that the observer gets.
func (x *exchange) endTrace(stats RequestStats) {
	if x.traced == nil {
		return
	}
	s := TraceStats{
		RequestStats: stats, RequestID: x.id, Caller: x.caller, Route: x.rec.route, Provider: x.rec.provider, Model: x.rec.model,
		Attempts: x.rec.attempts, Path: x.rec.path, Cache: x.facts.Cache, Tags: x.rec.tags,
		Failed: stats.Status >= http.StatusInternalServerError,
	}
	if e := x.rec.err; e != nil {
		s.Kind = e.Kind.String()
		s.Failed = statusOf(e.Kind) >= http.StatusInternalServerError
	}
	if x.rec.priced {
		cost := x.rec.cost // a copy, so that x stays off the heap
		s.Cost = &cost
	}
	x.srv.o.Tracer.End(x.traced, s)
}

// trace returns the id of the trace that the request belongs to: the span's
// own, or without tracing that of the client; "" = none.
func (x *exchange) trace() string {
	if x.traced != nil {
		return x.traceID
	}
	return traceID(x.req.Header)
}
