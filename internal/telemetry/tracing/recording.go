package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// recording is the context of a span that is recorded. Its attributes gather
// here and go to the SDK all at once, at its end: each time that they are set
// the SDK makes a longer list. As for the span itself, one goroutine at a time
// may use it.
type recording struct {
	context.Context // holds the span
	span            trace.Span
	attrs           []attribute.KeyValue // lent by the Tracer until end
	lent            *[]attribute.KeyValue
}

// recordingKey asks a context for the innermost recording that it descends from.
type recordingKey struct{}

// Value returns what the context holds.
func (r *recording) Value(key any) any {
	if key == (recordingKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// recordingOf returns the innermost recording that ctx descends from; nil when
// there is none.
func recordingOf(ctx context.Context) *recording {
	r, _ := ctx.Value(recordingKey{}).(*recording)
	return r
}

// attributes is how many a span has room for from the start: more than most have.
const attributes = 24

// record makes the context of a span that is recorded.
func (t *Tracer) record(ctx context.Context, span trace.Span) *recording {
	lent, ok := t.attrs.Get().(*[]attribute.KeyValue)
	if !ok {
		list := make([]attribute.KeyValue, 0, attributes)
		lent = &list
	}
	return &recording{Context: ctx, span: span, attrs: (*lent)[:0], lent: lent}
}

// end gives the attributes to the SDK, which copies them, and ends the span. A
// second end does nothing.
func (t *Tracer) end(r *recording) {
	if r.lent == nil {
		return
	}
	r.span.SetAttributes(r.attrs...)
	r.span.End()
	clear(r.attrs) // holds on to no one's words
	if cap(r.attrs) == attributes {
		*r.lent = r.attrs[:0]
		t.attrs.Put(r.lent)
	}
	r.attrs, r.lent = nil, nil
}
