package tracing

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// skipped is the context of a request whose trace is not recorded. Most requests
// are such where traces are sampled, so it holds what is needed of them and no
// more: the header that goes on to the provider, of which the trace's id is a
// part. The SDK's span for it would cost seven allocations.
type skipped struct {
	context.Context
	parent string // traceparent
	state  string // tracestate
}

// skippedKey asks a context for the skipped one that it descends from.
type skippedKey struct{}

// Value returns what the context holds.
func (s *skipped) Value(key any) any {
	if key == (skippedKey{}) {
		return s
	}
	return s.Context.Value(key)
}

// skip returns the skipped context that ctx descends from; nil when its trace is
// recorded, or there is none.
func skip(ctx context.Context) *skipped {
	s, _ := ctx.Value(skippedKey{}).(*skipped)
	return s
}

// traceID is the trace's, in the form of log lines.
func (s *skipped) traceID() string { return s.parent[3:35] }

// newSkipped makes the context of a request that is not recorded.
func newSkipped(ctx context.Context, id trace.TraceID, flags trace.TraceFlags, state trace.TraceState) *skipped {
	return &skipped{Context: ctx, parent: traceparent(id, newSpanID(), flags&^trace.FlagsSampled), state: state.String()}
}

// traceparent is the header of W3C Trace Context, version 00.
func traceparent(id trace.TraceID, span trace.SpanID, flags trace.TraceFlags) string {
	b := append(make([]byte, 0, 55), "00-"...)
	b = append(hex.AppendEncode(b, id[:]), '-')
	b = append(hex.AppendEncode(b, span[:]), '-')
	return string(hex.AppendEncode(b, []byte{byte(flags)}))
}

func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // an id is no secret; the SDK makes its own the same way
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // an id is no secret; the SDK makes its own the same way
	}
	return id
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64()) //nolint:gosec // an id is no secret; the SDK makes its own the same way
	}
	return id
}

// chosen is a context under which a new trace gets an id that was chosen before:
// the sampler has decided by it whether the trace is recorded.
type chosen struct {
	context.Context
	id trace.TraceID
}

// ids chooses the ids of spans that are recorded.
type ids struct{}

// NewIDs returns the ids of a new trace and its first span.
func (ids) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if c, ok := ctx.(*chosen); ok {
		return c.id, newSpanID()
	}
	return newTraceID(), newSpanID()
}

// NewSpanID returns the id of a further span.
func (ids) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

// decide asks the sampler about a request, below the span that its headers name
// (W3C Trace Context), if they name one; baggage is not taken in. The context
// that it returns is the skipped one, or that under which the SDK makes the
// span. Without such a header nothing is looked for in the request's context,
// whose values are many.
func (t *Tracer) decide(r *http.Request, title string) (_ context.Context, recorded bool) {
	ctx, above := r.Context(), t.root
	if r.Header["Traceparent"] != nil {
		ctx = t.context.Extract(ctx, propagation.HeaderCarrier(r.Header))
		above = ctx
	}
	psc := trace.SpanContextFromContext(above)
	id := psc.TraceID()
	if !id.IsValid() {
		id = newTraceID()
	}
	d := t.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: above, TraceID: id, Name: title, Kind: trace.SpanKindServer})
	switch {
	case d.Decision == sdktrace.Drop:
		return newSkipped(r.Context(), id, psc.TraceFlags(), d.Tracestate), false
	case psc.TraceID().IsValid():
		return ctx, true
	}
	return &chosen{ctx, id}, true
}
