// Package tracing makes OpenTelemetry spans of requests and of the attempts at
// providers, and sends them by OTLP/HTTP. The types of OpenTelemetry end here:
// the rooms that are watched declare small interfaces in terms of contexts and
// llm types, and a span travels in the context.
//
// Ownership: a Tracer owns one goroutine, which sends; Close waits for it.
// Content is recorded only where Content is called, which the routes do that ask
// for it; no header of a client ever is.
package tracing

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Options makes a Tracer. Only Endpoint is required.
type Options struct {
	Endpoint string            // full URL of the collector's traces endpoint
	Headers  map[string]string // sent with each export; values may be secret
	Gzip     bool              // compress exports
	Roots    *x509.CertPool    // who may sign the collector's certificate; nil = the system's roots
	Timeout  time.Duration     // for one export, its repetitions included; default 10 s

	Queue    int           // spans that wait for the collector at most; default 2048
	Batch    int           // spans in one export at most; default 512, never more than Queue
	Interval time.Duration // longest wait of a span for others; default 5 s

	Service  string            // service.name; default llm-gateway
	Version  string            // service.version
	Resource map[string]string // further attributes of the resource; they win

	Sampler string  // in the words of OTEL_TRACES_SAMPLER; default parentbased_always_on
	Ratio   float64 // from 0 to 1, for the traceidratio samplers

	Dropped func(spans int, reason string) // told of spans that never arrive; must not block. nil = nobody
	Logger  *slog.Logger                   // nil = none
}

// The defaults of the OpenTelemetry specification for the batch processor and
// the exporter.
const (
	DefaultTimeout  = 10 * time.Second
	DefaultQueue    = 2048
	DefaultBatch    = 512
	DefaultInterval = 5 * time.Second
)

// maxValue bounds the length of an attribute's value unless
// OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT does.
const maxValue = 4096

// scope names what made the spans.
const scope = "github.com/llm-gateway/llm-gateway"

// Tracer makes spans. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	sampler  sdktrace.Sampler
	root     context.Context // holds no span
	attrs    sync.Pool       // of *[]attribute.KeyValue
	value    int             // bytes of an attribute's value at most; negative = any
	context  propagation.TraceContext
}

// New starts a Tracer. ctx is the root of its exports; ending it stops them,
// but only Close ends the Tracer.
func New(ctx context.Context, o Options) (*Tracer, error) {
	o = o.withDefaults()
	sampler, err := newSampler(o.Sampler, o.Ratio)
	if err != nil {
		return nil, err
	}
	return newTracer(ctx, o, sampler, newExporter(o)), nil
}

func newTracer(ctx context.Context, o Options, sampler sdktrace.Sampler, exporter sdktrace.SpanExporter) *Tracer {
	limits := sdktrace.NewSpanLimits()
	if limits.AttributeValueLengthLimit < 0 {
		limits.AttributeValueLengthLimit = maxValue
	}
	p := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sampler),
		sdktrace.WithIDGenerator(ids{}),
		sdktrace.WithResource(newResource(o)),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithSpanProcessor(newBatcher(ctx, batcherOptions{
			exporter: exporter, queue: o.Queue, batch: o.Batch, interval: o.Interval, timeout: o.Timeout, dropped: o.Dropped, log: o.Logger,
		})),
	)
	return &Tracer{provider: p, sampler: sampler, root: ctx, value: limits.AttributeValueLengthLimit, tracer: p.Tracer(scope, trace.WithInstrumentationVersion(o.Version))}
}

func (o Options) withDefaults() Options {
	o.Timeout = or(o.Timeout, DefaultTimeout)
	o.Queue = or(o.Queue, DefaultQueue)
	o.Batch = min(or(o.Batch, DefaultBatch), o.Queue)
	o.Interval = or(o.Interval, DefaultInterval)
	if o.Service == "" {
		o.Service = "llm-gateway"
	}
	if o.Dropped == nil {
		o.Dropped = func(int, string) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// or returns v, or def when v is zero or negative.
func or[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Close sends what is queued until ctx ends, drops the rest, and waits for the
// Tracer's goroutine.
func (t *Tracer) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

func newResource(o Options) *resource.Resource {
	attrs := []attribute.KeyValue{
		attribute.String("service.name", o.Service),
		attribute.String("service.version", o.Version),
		attribute.String("telemetry.sdk.language", "go"),
		attribute.String("telemetry.sdk.name", "opentelemetry"),
	}
	for _, k := range slices.Sorted(maps.Keys(o.Resource)) {
		attrs = append(attrs, attribute.String(k, o.Resource[k]))
	}
	return resource.NewSchemaless(attrs...)
}

// newSampler reads the words of OTEL_TRACES_SAMPLER.
func newSampler(name string, ratio float64) (sdktrace.Sampler, error) {
	switch name {
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio), nil
	case "", "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio)), nil
	}
	return nil, fmt.Errorf("there is no sampler %q", name)
}
