package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/chain"
	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
	"github.com/llm-gateway/llm-gateway/internal/telemetry/tracing"
)

// traceFlush bounds how long a collector may hold up the end of the process.
const traceFlush = 5 * time.Second

// newTracing starts the traces, when there is a collector to send them to. They
// last as long as the App: other settings need a restart.
func (a *App) newTracing(c config.Traces) error {
	if c.Endpoint == "" {
		return nil
	}
	roots, err := certificates(c.Certificate)
	if err != nil {
		return fmt.Errorf("telemetry.traces.certificate: %w", err)
	}
	headers := map[string]string{}
	for name, value := range c.Headers {
		headers[name] = value.Reveal()
	}
	t, err := tracing.New(a.life, tracing.Options{
		Endpoint: c.Endpoint, Headers: headers, Gzip: c.Compression == config.CompressGzip, Roots: roots, Timeout: c.Timeout.Std(),
		Queue: c.Queue, Batch: c.Batch, Interval: c.Interval.Std(),
		Service: c.ServiceName, Version: a.o.Version, Resource: c.Resource, Sampler: string(c.Sampler), Ratio: c.Ratio.Ratio(),
		Dropped: a.metrics.SpansDropped(tracing.Reasons()), Logger: a.log,
	})
	if err != nil {
		return fmt.Errorf("telemetry.traces: %w", err)
	}
	a.tracer = t
	a.closers = append(a.closers, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(a.life), traceFlush)
		defer cancel()
		if err := t.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("traces: %w", err)
		}
		return nil // what a collector did not take in time is counted, and no fault of this process
	})
	return nil
}

// certificates reads a PEM file; nil without one.
func certificates(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// traceServer returns what makes the spans of requests; nil without traces.
func (a *App) traceServer() server.Tracer {
	if a.tracer == nil {
		return nil
	}
	return requestTracer{a.tracer}
}

// requestTracer joins the server to the traces.
type requestTracer struct{ *tracing.Tracer }

// End ends a request's span.
func (t requestTracer) End(ctx context.Context, s server.TraceStats) {
	r := tracing.Request{
		Route: s.Endpoint, Status: s.Status, Failed: s.Failed, Kind: s.Kind, Size: s.Size, RequestID: s.RequestID,
		Model: s.Route, Provider: s.Provider, Upstream: s.Model, Attempts: s.Attempts, Path: s.Path, Cache: s.Cache,
		Overhead: s.Overhead, Cost: s.Cost, Tags: s.Tags,
	}
	if s.Caller != nil {
		r.Key, r.Tenant = s.Caller.Name, s.Caller.Tenant
	}
	t.Tracer.End(ctx, r)
}

// trace puts the traces of one provider into the options of a chain.
func (a *App) trace(o *chain.Options, p *config.Provider) {
	if a.tracer == nil {
		return
	}
	t := a.tracer.Target(tracing.TargetOptions{Provider: o.Provider, Kind: string(p.Type), BaseURL: p.BaseURL})
	o.Tracer, o.Events = t, t
}

// fallbacks is told of moves between targets.
type fallbacks struct {
	metrics *telemetry.Metrics
	tracer  *tracing.Tracer // nil = no traces
}

// FellBack counts a move and notes it on the request's span.
func (f fallbacks) FellBack(ctx context.Context, route, from, to string) {
	f.metrics.FellBack(route, from, to)
	if f.tracer != nil {
		f.tracer.FellBack(ctx, from, to)
	}
}
