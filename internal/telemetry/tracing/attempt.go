package tracing

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TargetOptions says whose attempts a Target traces.
type TargetOptions struct {
	Provider string // its name in the configuration
	Kind     string // its kind: openai, azure-openai, groq, …
	BaseURL  string // where it is; "" when that is not one place
}

// Target makes the spans of the attempts at one provider, and the events around
// them. The names of attributes are those of the semantic conventions for
// generative AI (https://opentelemetry.io/docs/specs/semconv/gen-ai/), with
// gateway.* for what they have no name for.
type Target struct {
	tracer *Tracer
	attrs  []attribute.KeyValue // of every span
}

// Target returns what traces the attempts at a provider.
func (t *Tracer) Target(o TargetOptions) *Target {
	a := []attribute.KeyValue{
		attribute.String("gen_ai.provider.name", providerName(o.Kind)),
		attribute.String("gateway.provider", o.Provider),
	}
	if u, err := url.Parse(o.BaseURL); err == nil && u.Hostname() != "" {
		a = append(a, attribute.String("server.address", u.Hostname()), attribute.Int("server.port", port(u)))
	}
	return &Target{tracer: t, attrs: a}
}

// providerName returns the well-known value of gen_ai.provider.name for a kind
// of provider, or the kind itself.
func providerName(kind string) string {
	switch kind {
	case "azure-openai":
		return "azure.ai.openai"
	case "gemini":
		return "gcp.gemini"
	case "vertex":
		return "gcp.vertex_ai"
	case "mistral":
		return "mistral_ai"
	case "xai":
		return "x_ai"
	}
	return kind
}

func port(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil {
		return n
	}
	if u.Scheme == "http" {
		return 80
	}
	return 443
}

// Begin starts the span of one attempt below the span of ctx. The call that it
// returns carries the span on to the provider (traceparent and tracestate).
// recorded says whether First and End have anything to do. A request that is
// not recorded has no attempts that are: its own span goes on to the provider.
func (t *Target) Begin(ctx context.Context, c *llm.Call) (_ context.Context, traced *llm.Call, recorded bool) {
	if s := skip(ctx); s != nil {
		return ctx, carry(c, s.parent, s.state), false
	}
	ctx, span := t.tracer.tracer.Start(ctx, c.Op.String()+" "+c.Model, trace.WithSpanKind(trace.SpanKindClient))
	sc := span.SpanContext()
	traced = carry(c, traceparent(sc.TraceID(), sc.SpanID(), sc.TraceFlags()), sc.TraceState().String())
	if !span.IsRecording() {
		return ctx, traced, false
	}
	rec := t.tracer.record(ctx, span)
	a := append(rec.attrs, t.attrs...)
	a = append(a,
		attribute.String("gen_ai.operation.name", c.Op.String()),
		attribute.String("gen_ai.request.model", c.Model),
		attribute.Bool("gen_ai.request.stream", c.Stream),
	)
	if n := c.Peek.MaxTokens; n > 0 {
		a = append(a, attribute.Int64("gen_ai.request.max_tokens", n))
	}
	rec.attrs = a
	return rec, traced, true
}

// carried is a call and room for the headers that most calls have, in one
// piece of memory.
type carried struct {
	call    llm.Call
	headers [3]llm.Header
}

// carry returns a copy of c whose headers name a span. They replace those that
// the client sent along. state is the tracestate; "" = none.
func carry(c *llm.Call, parent, state string) *llm.Call {
	d := &carried{call: *c}
	list := d.headers[:0]
	for _, h := range c.Forward {
		if !strings.EqualFold(h.Name, "Traceparent") && !strings.EqualFold(h.Name, "Tracestate") {
			list = append(list, h)
		}
	}
	list = append(list, llm.Header{Name: "Traceparent", Value: parent})
	if state != "" {
		list = append(list, llm.Header{Name: "Tracestate", Value: state})
	}
	d.call.Forward = list
	return &d.call
}

// First notes an event of a stream, from its start up to the first piece of
// content: who answers, and when.
func (t *Target) First(ctx context.Context, ev *llm.Event) {
	rec := recordingOf(ctx)
	if rec == nil {
		return
	}
	id, model := ev.ID, ev.Model
	if ev.Kind == llm.EventRaw {
		id, model = identity(firstData(ev.Raw))
	} else if ev.Kind != llm.EventStart {
		id, model = "", ""
	}
	rec.attrs = answered(rec.attrs, id, model)
	if ev.Content() {
		rec.span.AddEvent("gateway.first_token")
	}
}

func answered(a []attribute.KeyValue, id, model string) []attribute.KeyValue {
	a = appendString(a, "gen_ai.response.id", id)
	return appendString(a, "gen_ai.response.model", model)
}

// End ends the span of an attempt. r is nil when there was no reply.
func (t *Target) End(ctx context.Context, r *llm.Reply, d llm.Done) {
	rec := recordingOf(ctx)
	if rec == nil {
		return
	}
	a := rec.attrs
	if r != nil {
		a = appendString(a, "gateway.upstream.request_id", r.ID)
		if r.Response != nil {
			a = answered(a, r.Response.ID, r.Response.Model)
		} else if r.Raw != nil {
			id, model := identity(r.Raw)
			a = answered(a, id, model)
		}
	}
	if d.Finish != "" {
		a = append(a, attribute.StringSlice("gen_ai.response.finish_reasons", []string{string(d.Finish)}))
	}
	a = appendUsage(a, d.Usage)
	switch {
	case d.Err != nil:
		a = append(a, attribute.String("error.type", d.Outcome()))
		if d.Err.Status > 0 {
			a = append(a, attribute.Int("http.response.status_code", d.Err.Status))
		}
		if d.Err.Kind != llm.KindCanceled {
			rec.span.SetStatus(codes.Error, d.Err.Kind.String())
		}
	case d.Gone:
		a = append(a, attribute.String("error.type", d.Outcome()))
	}
	rec.attrs = a
	t.tracer.end(rec)
}

func appendUsage(a []attribute.KeyValue, u llm.Usage) []attribute.KeyValue {
	if u.Source == llm.UsageUnknown {
		return a
	}
	a = append(a, attribute.Int64("gen_ai.usage.input_tokens", u.Input), attribute.Int64("gen_ai.usage.output_tokens", u.Output))
	if u.CachedInput > 0 {
		a = append(a, attribute.Int64("gen_ai.usage.cache_read.input_tokens", u.CachedInput))
	}
	if u.CacheWrite > 0 {
		a = append(a, attribute.Int64("gen_ai.usage.cache_creation.input_tokens", u.CacheWrite))
	}
	if u.Reasoning > 0 {
		a = append(a, attribute.Int64("gen_ai.usage.reasoning.output_tokens", u.Reasoning))
	}
	return a
}

// Retrying notes on the span of ctx that an attempt is repeated, and why.
func (t *Target) Retrying(ctx context.Context, reason llm.Kind, wait time.Duration) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("gateway.retry", trace.WithAttributes(append(t.attrs[1:2:2],
			attribute.String("error.type", reason.String()), attribute.Float64("gateway.wait", wait.Seconds()))...))
	}
}

// CircuitChanged notes on the span of ctx that its call changed the state of
// the target's circuit, or was refused by it (from and to are then the same).
func (t *Target) CircuitChanged(ctx context.Context, from, to string) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("gateway.circuit", trace.WithAttributes(append(t.attrs[1:2:2],
			attribute.String("gateway.from", from), attribute.String("gateway.to", to))...))
	}
}
