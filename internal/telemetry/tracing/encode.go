package tracing

import (
	"encoding/binary"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// wire appends protocol buffers: what of that format OTLP needs. The numbers of
// fields below are those of opentelemetry/proto/trace/v1/trace.proto,
// common/v1/common.proto and resource/v1/resource.proto (v1.x, stable).
type wire []byte

// The wire types (https://protobuf.dev/programming-guides/encoding/#structure).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

func (w wire) tag(field, kind int) wire { return binary.AppendUvarint(w, uint64(field<<3|kind)) }

func (w wire) uint(field int, v uint64) wire {
	if v == 0 {
		return w
	}
	return binary.AppendUvarint(w.tag(field, wireVarint), v)
}

func (w wire) fixed64(field int, v uint64) wire {
	return binary.LittleEndian.AppendUint64(w.tag(field, wireFixed64), v)
}

func (w wire) fixed32(field int, v uint32) wire {
	return binary.LittleEndian.AppendUint32(w.tag(field, wireFixed32), v)
}

func (w wire) string(field int, s string) wire {
	if s == "" {
		return w
	}
	return append(binary.AppendUvarint(w.tag(field, wireBytes), uint64(len(s))), s...)
}

func (w wire) bytes(field int, b []byte) wire {
	return append(binary.AppendUvarint(w.tag(field, wireBytes), uint64(len(b))), b...)
}

func (w wire) time(field int, t time.Time) wire {
	return w.fixed64(field, uint64(max(t.UnixNano(), 0)))
}

// open begins a nested message; close, with the position that open returned,
// puts its length in front of it.
func (w wire) open(field int) (wire, int) {
	w = w.tag(field, wireBytes)
	return w, len(w)
}

func (w wire) close(at int) wire {
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(w)-at))
	w = append(w, size[:n]...)
	copy(w[at+n:], w[at:len(w)-n])
	copy(w[at:], size[:n])
	return w
}

// appendRequest appends an ExportTraceServiceRequest. All spans of a tracer
// share one resource and come from one scope.
func appendRequest(w wire, spans []sdktrace.ReadOnlySpan) wire {
	if len(spans) == 0 {
		return w
	}
	w, resourceSpans := w.open(1)
	w, resource := w.open(1)
	for it := spans[0].Resource().Iter(); it.Next(); {
		w = w.attribute(1, it.Attribute())
	}
	w = w.close(resource)
	w, scopeSpans := w.open(2)
	w = w.scope(1, spans[0].InstrumentationScope())
	for _, s := range spans {
		w = w.span(2, s)
	}
	w = w.close(scopeSpans)
	return w.close(resourceSpans)
}

func (w wire) scope(field int, s instrumentation.Scope) wire {
	w, at := w.open(field)
	return w.string(1, s.Name).string(2, s.Version).close(at)
}

// What the flags of a span say beside those of W3C: whether it is known that
// the parent is in another process, and whether it is.
const (
	flagRemoteKnown = 0x100
	flagRemote      = 0x200
)

func (w wire) span(field int, s sdktrace.ReadOnlySpan) wire {
	w, at := w.open(field)
	sc, parent := s.SpanContext(), s.Parent()
	trace, span := sc.TraceID(), sc.SpanID()
	w = w.bytes(1, trace[:]).bytes(2, span[:]).string(3, sc.TraceState().String())
	if parent.HasSpanID() {
		id := parent.SpanID()
		w = w.bytes(4, id[:])
	}
	w = w.string(5, s.Name()).uint(6, uint64(s.SpanKind())).time(7, s.StartTime()).time(8, s.EndTime())
	for _, a := range s.Attributes() {
		w = w.attribute(9, a)
	}
	w = w.uint(10, uint64(s.DroppedAttributes()))
	for _, e := range s.Events() {
		w = w.event(11, e)
	}
	w = w.uint(12, uint64(s.DroppedEvents())).status(15, s.Status())
	flags := uint32(sc.TraceFlags()) | flagRemoteKnown
	if parent.IsRemote() {
		flags |= flagRemote
	}
	return w.fixed32(16, flags).close(at)
}

func (w wire) event(field int, e sdktrace.Event) wire {
	w, at := w.open(field)
	w = w.time(1, e.Time).string(2, e.Name)
	for _, a := range e.Attributes {
		w = w.attribute(3, a)
	}
	return w.uint(4, uint64(e.DroppedAttributeCount)).close(at)
}

// status: the SDK counts Error before Ok, the protocol the other way round.
func (w wire) status(field int, s sdktrace.Status) wire {
	w, at := w.open(field)
	w = w.string(2, s.Description)
	switch s.Code {
	case codes.Ok:
		w = w.uint(3, 1)
	case codes.Error:
		w = w.uint(3, 2)
	case codes.Unset:
	}
	return w.close(at)
}

func (w wire) attribute(field int, a attribute.KeyValue) wire {
	w, at := w.open(field)
	w = w.string(1, string(a.Key))
	w, value := w.open(2)
	return w.value(a.Value).close(value).close(at)
}

// value appends the members of an AnyValue. A value that is its type's zero is
// written too: the member that is set tells the type.
func (w wire) value(v attribute.Value) wire {
	switch v.Type() {
	case attribute.BOOL:
		b := byte(0)
		if v.AsBool() {
			b = 1
		}
		return append(w.tag(2, wireVarint), b)
	case attribute.INT64:
		return binary.AppendUvarint(w.tag(3, wireVarint), uint64(v.AsInt64()))
	case attribute.FLOAT64:
		return w.fixed64(4, math.Float64bits(v.AsFloat64()))
	case attribute.STRINGSLICE:
		w, list := w.open(5)
		for _, s := range v.AsStringSlice() {
			var item int
			w, item = w.open(1)
			w = w.bytes(1, []byte(s)).close(item)
		}
		return w.close(list)
	}
	return w.bytes(1, []byte(v.String())) // everything else in its textual form
}
