package tracing

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Request is what is told of a request when it has ended.
type Request struct {
	Route  string // the path's pattern, or other
	Status int    // 499 when the client left
	Failed bool   // the gateway or an upstream is at fault, whatever Status says: a stream may fail after its 200
	Kind   string // the error's kind, "" when all went well
	Size   int64  // bytes of answer body

	RequestID, Key, Tenant string
	Model                  string // the gateway's route, as the client asked for it
	Provider, Upstream     string // who answered, with which model
	Attempts               int
	Path                   string // the way through the route, when it was not the straight one
	Cache                  string
	Overhead               time.Duration // negative when it has no meaning
	Cost                   *llm.Money
	Tags                   map[string]string // the client's metadata
}

// Begin starts the server span of a request, below the span that its headers
// name. The span lives in the context; sampled says whether it is recorded.
func (t *Tracer) Begin(r *http.Request, title, route string, start time.Time) (ctx context.Context, traceID string, sampled bool) {
	ctx, sampled = t.decide(r, title)
	if !sampled {
		return ctx, skip(ctx).traceID(), false
	}
	ctx, span := t.tracer.Start(ctx, title, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start))
	rec := t.record(ctx, span)
	rec.attrs = append(rec.attrs,
		attribute.String("http.request.method", r.Method),
		attribute.String("http.route", route),
		attribute.String("url.scheme", scheme(r)),
		attribute.String("network.protocol.version", version(r)),
	)
	return rec, span.SpanContext().TraceID().String(), true
}

func scheme(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// version is the protocol's.
func version(r *http.Request) string {
	if r.ProtoMajor == 1 && r.ProtoMinor == 1 {
		return "1.1" // nearly always
	}
	return strconv.Itoa(r.ProtoMajor) + "." + strconv.Itoa(r.ProtoMinor)
}

// End ends the span that Begin put into ctx.
func (t *Tracer) End(ctx context.Context, r Request) {
	if _, ok := ctx.(*skipped); ok {
		return // most requests: no need to look further up
	}
	rec := recordingOf(ctx)
	if rec == nil {
		return
	}
	rec.attrs = r.appendTo(rec.attrs)
	if r.Failed {
		rec.span.SetStatus(codes.Error, r.Kind)
	}
	t.end(rec)
}

func (r *Request) appendTo(a []attribute.KeyValue) []attribute.KeyValue {
	a = append(a, attribute.Int("http.response.status_code", r.Status), attribute.Int64("http.response.body.size", r.Size))
	switch {
	case r.Kind != "":
		a = append(a, attribute.String("error.type", r.Kind))
	case r.Status >= http.StatusInternalServerError:
		a = append(a, attribute.String("error.type", strconv.Itoa(r.Status)))
	}
	a = appendString(a, "gateway.request.id", r.RequestID)
	a = appendString(a, "gateway.key", r.Key)
	a = appendString(a, "gateway.tenant", r.Tenant)
	a = appendString(a, "gateway.route", r.Model)
	a = appendString(a, "gateway.provider", r.Provider)
	a = appendString(a, "gateway.model", r.Upstream)
	a = appendString(a, "gateway.path", r.Path)
	a = appendString(a, "gateway.cache", r.Cache)
	if r.Attempts > 0 {
		a = append(a, attribute.Int("gateway.attempts", r.Attempts))
	}
	if r.Overhead >= 0 {
		a = append(a, attribute.Float64("gateway.overhead", r.Overhead.Seconds()))
	}
	if r.Cost != nil {
		a = append(a, attribute.Float64("gateway.cost", r.Cost.Dollars()))
	}
	if len(r.Tags) > 0 {
		for _, name := range slices.Sorted(maps.Keys(r.Tags)) {
			a = append(a, attribute.String("gateway.metadata."+name, r.Tags[name]))
		}
	}
	return a
}

func appendString(a []attribute.KeyValue, key, value string) []attribute.KeyValue {
	if value == "" {
		return a
	}
	return append(a, attribute.String(key, value))
}

// FellBack notes a move to the next target on the span of the request.
func (t *Tracer) FellBack(ctx context.Context, from, to string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("gateway.fallback", trace.WithAttributes(attribute.String("gateway.from", from), attribute.String("gateway.to", to)))
	}
}
