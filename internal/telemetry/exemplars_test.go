package telemetry

import (
	"io"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const traceA = "0af7651916cd43dd8448eb211c80319c"

// scrape asks for the metrics in a format.
func scrapeAs(t *testing.T, m *Metrics, accept string) (body, contentType string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil)
	req.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, req)
	b, err := io.ReadAll(rec.Body)
	if err != nil || rec.Code != 200 {
		t.Fatalf("status %d, %v", rec.Code, err)
	}
	return string(b), rec.Header().Get("Content-Type")
}

const (
	openMetrics = "application/openmetrics-text;version=1.0.0"
	protobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// Exemplars lead from each latency histogram to a trace that is recorded, and
// only to such a one; classic text has none, as it has no syntax for them.
func TestExemplars(t *testing.T) {
	m := NewMetrics("v", "c")
	m.Endpoint("/v1/generate").Ended(Answer{Method: "POST", Status: 200, Took: time.Second, Overhead: time.Millisecond, TraceID: traceA})
	m.Endpoint("/v1/models").Ended(Answer{Method: "GET", Status: 200, Took: time.Second, Overhead: -1})
	m.Target("p", "m").Ended(Call{Took: 2 * time.Second, FirstToken: time.Second, TraceID: traceA})
	m.Target("p", "untraced").Ended(Call{Took: 2 * time.Second, FirstToken: time.Second})
	body, kind := scrapeAs(t, m, openMetrics)
	if !strings.HasPrefix(kind, "application/openmetrics-text") {
		t.Fatalf("content type %s", kind)
	}
	found := map[string]int{}
	for line := range strings.Lines(body) {
		if strings.Contains(line, `# {trace_id="`+traceA+`"}`) {
			name, _, _ := strings.Cut(line, "_bucket")
			found[name]++
			if strings.Contains(line, "untraced") || strings.Contains(line, "/v1/models") {
				t.Errorf("an exemplar without a trace: %s", line)
			}
		}
	}
	for _, name := range []string{
		"http_request_duration_seconds", "gateway_overhead_seconds", "llm_request_duration_seconds", "llm_time_to_first_token_seconds",
	} {
		if found[name] != 1 {
			t.Errorf("%s has %d exemplars", name, found[name])
		}
	}
	if text, _ := scrapeAs(t, m, "text/plain"); strings.Contains(text, traceA) {
		t.Error("an exemplar in the classic text format")
	}
}

// A scraper that asks for protobuf gets native histograms, whose buckets are
// bounded; every other one gets the classic buckets as before.
func TestNativeHistograms(t *testing.T) {
	m := NewMetrics("v", "c")
	target := m.Target("p", "m")
	for d := time.Microsecond; d < time.Hour; d += d / 20 {
		target.Ended(Call{Took: d})
		d += time.Nanosecond
	}
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "llm_request_duration_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		native := len(h.GetPositiveDelta()) + len(h.GetNegativeDelta())
		if native == 0 || native > nativeBuckets {
			t.Errorf("%d native buckets", native)
		}
		if len(h.GetBucket()) != len(latencyBuckets) {
			t.Errorf("%d classic buckets", len(h.GetBucket()))
		}
	}
	if _, kind := scrapeAs(t, m, protobuf); !strings.HasPrefix(kind, "application/vnd.google.protobuf") {
		t.Errorf("protobuf was asked for: %s", kind)
	}
	if body, _ := scrapeAs(t, m, "text/plain"); !strings.Contains(body, `llm_request_duration_seconds_bucket{model="m",provider="p",le="0.5"}`) {
		t.Error("the classic buckets are gone")
	}
}

func TestObserveWithoutTraceDoesNotAllocate(t *testing.T) {
	h := newTimed(NewMetrics("v", "c").duration.WithLabelValues("p", "m"))
	if n := testing.AllocsPerRun(1000, func() { h.observe(time.Second, "") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestExemplarsAreRationed: a doubling of the duration takes one a second, so a
// slow request gets its own beside many fast ones; every duration counts.
func TestExemplarsAreRationed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics("v", "c")
		h := newTimed(m.duration.WithLabelValues("p", "m"))
		have := func(id string) bool {
			body, _ := scrapeAs(t, m, openMetrics)
			return strings.Contains(body, `trace_id="`+id+`"`)
		}
		h.observe(40*time.Millisecond, "first")
		for range 1000 {
			h.observe(40*time.Millisecond, "more")
		}
		h.observe(20*time.Second, "slow")
		h.observe(-time.Second, "odd")
		h.observe(1000*time.Hour, "endless")
		if !have("first") || have("more") || !have("slow") || !have("endless") {
			t.Error("not the first of each duration")
		}
		time.Sleep(exemplarEvery) // the bubble's clock
		h.observe(40*time.Millisecond, "later")
		if have("first") || !have("later") {
			t.Error("a second later the old one stands")
		}
		if body, _ := scrapeAs(t, m, "text/plain"); !strings.Contains(body, `llm_request_duration_seconds_count{model="m",provider="p"} 1005`) {
			t.Errorf("not every duration counts: %s", body)
		}
	})
}

// TestRationedExemplarsDoNotAllocate: nearly all requests of a busy gateway.
func TestRationedExemplarsDoNotAllocate(t *testing.T) {
	h := newTimed(NewMetrics("v", "c").duration.WithLabelValues("p", "m"))
	h.next[20].Store(math.MaxInt64)
	if n := testing.AllocsPerRun(1000, func() { h.observe(time.Second, traceA) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSpansDropped(t *testing.T) {
	m := NewMetrics("v", "c")
	drop := m.SpansDropped([]string{"queue_full", "export_failed"})
	drop(3, "queue_full")
	drop(1, "no such reason")
	want := `
# HELP gateway_trace_spans_dropped_total Spans that never reached the collector, by reason (queue_full, export_failed, rejected, shutdown).
# TYPE gateway_trace_spans_dropped_total counter
gateway_trace_spans_dropped_total{reason="export_failed"} 0
gateway_trace_spans_dropped_total{reason="queue_full"} 3
`
	if err := testutil.GatherAndCompare(m.Registry(), strings.NewReader(want), "gateway_trace_spans_dropped_total"); err != nil {
		t.Error(err)
	}
}

// What clients choose makes no series: names are bounded before they come here,
// methods and reasons by the handles themselves.
func TestMethodsMakeNoSeries(t *testing.T) {
	m := NewMetrics("v", "c")
	e := m.Endpoint("/v1/generate")
	e.Ended(Answer{Method: "BREW", Status: 405, TraceID: traceA})
	before := testutil.CollectAndCount(m.httpRequests) + testutil.CollectAndCount(m.httpDuration)
	for i := range 10_000 {
		e.Ended(Answer{Method: "M" + time.Duration(i).String(), Status: 405, Overhead: -1, TraceID: traceA})
	}
	if after := testutil.CollectAndCount(m.httpRequests) + testutil.CollectAndCount(m.httpDuration); after != before {
		t.Errorf("%d series before, %d after", before, after)
	}
}

func BenchmarkObserve(b *testing.B) {
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "classic", Buckets: latencyBuckets})
	ours := newTimed(NewMetrics("v", "c").duration.WithLabelValues("p", "m"))
	for name, run := range map[string]func(time.Duration){
		"classic":  func(d time.Duration) { classic.Observe(d.Seconds()) },
		"ours":     func(d time.Duration) { ours.observe(d, "") },
		"exemplar": func(d time.Duration) { ours.observe(d, traceA) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			d := time.Millisecond
			for b.Loop() {
				run(d)
				if d += d / 16; d > time.Minute {
					d = time.Millisecond
				}
			}
		})
	}
}
