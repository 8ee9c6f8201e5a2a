package tracing

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink is an exporter that keeps spans, or does what fail says.
type sink struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
	sizes []int
	fail  func(ctx context.Context) error
	shut  bool
}

func (s *sink) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if s.fail != nil {
		if err := s.fail(ctx); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans = append(s.spans, spans...)
	s.sizes = append(s.sizes, len(spans))
	return nil
}

func (s *sink) Shutdown(context.Context) error { s.shut = true; return nil }

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.spans)
}

// drops counts by reason.
type drops struct {
	mu sync.Mutex
	m  map[string]int
}

func (d *drops) add(n int, reason string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m == nil {
		d.m = map[string]int{}
	}
	d.m[reason] += n
}

func (d *drops) of(reason string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.m[reason]
}

// start makes a tracer on a sink. Its sampler is that of o.
func start(t *testing.T, o Options, s *sink) *Tracer {
	t.Helper()
	o = o.withDefaults()
	sampler, err := newSampler(o.Sampler, o.Ratio)
	if err != nil {
		t.Fatal(err)
	}
	return newTracer(context.Background(), o, sampler, s)
}

func request(t *testing.T, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/chat/completions", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// one makes and ends one span.
func (t *Tracer) one() {
	_, span := t.tracer.Start(context.Background(), "x")
	span.End()
}

func closeNow(t *testing.T, tr *Tracer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := tr.Close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
