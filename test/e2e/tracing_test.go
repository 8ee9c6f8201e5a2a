package e2e

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
)

// receiver is a collector that decodes with the official types.
type receiver struct {
	any bool // takes what comes without the header of these tests

	mu    sync.Mutex
	spans []ptrace.Span
	names map[string]string // of the resource
}

func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		from = z
	}
	body, err := io.ReadAll(from)
	req := ptraceotlp.NewExportRequest()
	if err == nil {
		err = req.UnmarshalProto(body)
	}
	if err != nil || r.URL.Path != "/v1/traces" || !c.any && r.Header.Get("X-Tenant") != "e2e" {
		http.Error(w, "bad export", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.Traces().ResourceSpans().All() {
		c.names = map[string]string{}
		for k, v := range rs.Resource().Attributes().All() {
			c.names[k] = v.AsString()
		}
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				c.spans = append(c.spans, s)
			}
		}
	}
}

// await returns the spans of a trace once there are so many.
func (c *receiver) await(t *testing.T, trace string, want int) []ptrace.Span {
	t.Helper()
	var got []ptrace.Span
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		got = nil
		c.mu.Lock()
		for _, s := range c.spans {
			if s.TraceID().String() == trace {
				got = append(got, s)
			}
		}
		c.mu.Unlock()
		if len(got) >= want {
			return got
		}
	}
	t.Fatalf("%d spans of trace %s, want %d", len(got), trace, want)
	return nil
}

func attribute(s ptrace.Span, name string) string {
	v, _ := s.Attributes().Get(name)
	return v.AsString()
}

// upstreamWithTrace fails for the model bad, answers for others, and keeps what
// traceparents came.
type upstreamWithTrace struct {
	mu   sync.Mutex
	seen []string
}

func (u *upstreamWithTrace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, r.Header.Get("Traceparent"))
	u.mu.Unlock()
	switch {
	case strings.Contains(string(body), `"bad"`):
		http.Error(w, `{"error":{"message":"no"}}`, http.StatusInternalServerError)
	case strings.Contains(string(body), `"stream":true`):
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"id\":\"c-2\",\"model\":\"good-v2\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"secret answer\"}}]}\n\n"+
			"data: {\"id\":\"c-2\",\"model\":\"good-v2\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"+
			"data: {\"id\":\"c-2\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5,\"total_tokens\":8}}\n\ndata: [DONE]\n\n")
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"c-1","object":"chat.completion","created":1,"model":"good-v2","choices":[{"index":0,"message":{"role":"assistant","content":"secret answer"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}`)
	}
}

func (u *upstreamWithTrace) traced(id string) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, h := range u.seen {
		if strings.HasPrefix(h, "00-"+id+"-") && strings.HasSuffix(h, "-01") {
			n++
		}
	}
	return n
}

// traceGateway starts a gateway in front of up that sends traces to a URL.
func traceGateway(t *testing.T, up, collector string) *process {
	t.Helper()
	dir := t.TempDir()
	conf := `
providers:
  up: {type: openai, base_url: "` + up + `", keys: [` + upstreamKey + `], retry: {max: 1, base: 1ms, cap: 1s}}
  fragile: {type: openai, base_url: "` + up + `", keys: [` + upstreamKey + `], retry: {max: 0}, breaker: {min_requests: 1}}
models:
  chat: {targets: [{provider: up, model: good}]}
  shaky: {targets: [{provider: fragile, model: bad}, {provider: up, model: good}]}
  both: {targets: [{provider: up, model: bad}, {provider: up, model: good}]}
  told: {targets: [{provider: up, model: good}], log_bodies: true}
`
	if err := os.WriteFile(filepath.Join(dir, "gw.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return startIn(t, dir, []string{
		"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_CONFIG=gw.yaml", "GATEWAY_RPS=0", "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
		"OTEL_EXPORTER_OTLP_HEADERS=x-tenant=e2e", "OTEL_BSP_SCHEDULE_DELAY=50", "OTEL_SERVICE_NAME=gw-e2e", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=test",
	}, "serve")
}

// tracedPost sends one request below a span of the client's.
func tracedPost(t *testing.T, base, trace, body string) {
	t.Helper()
	tracedTo(t, base+"/v1/chat/completions", trace, body)
}

func tracedTo(t *testing.T, url, trace, body string) {
	t.Helper()
	tracedAs(t, "", url, trace, body)
}

func tracedAs(t *testing.T, key, url, trace, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	if trace != "" {
		req.Header.Set("Traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Fatalf("status %d, %v: %s", resp.StatusCode, err, text)
	}
}

// TestTraces: what a collector receives of a whole answer, a stream, and a
// retry with a fallback.
func TestTraces(t *testing.T) {
	up, rec := &upstreamWithTrace{}, &receiver{}
	upstream, collector := httptest.NewServer(up), httptest.NewServer(rec)
	defer upstream.Close()
	defer collector.Close()
	gw := traceGateway(t, upstream.URL, collector.URL)
	for _, tc := range []struct {
		name, trace, body string
		spans             int
		output, events    string
	}{
		{"unary", "0af7651916cd43dd8448eb211c800001", `{"model":"chat","messages":[{"role":"user","content":"secret question"}]}`, 2, "4", ""},
		{"stream", "0af7651916cd43dd8448eb211c800002", `{"model":"chat","stream":true,"messages":[{"role":"user","content":"secret question"}]}`, 2, "5", "gateway.first_token"},
		{"circuit opens", "0af7651916cd43dd8448eb211c800004", `{"model":"shaky","messages":[{"role":"user","content":"secret question"}]}`, 3, "4", "gateway.circuit:closed>open gateway.fallback:fragile/bad>up/good"},
		{"circuit is open", "0af7651916cd43dd8448eb211c800005", `{"model":"shaky","messages":[{"role":"user","content":"secret question"}]}`, 2, "4", "gateway.circuit:open>open gateway.fallback:fragile/bad>up/good"},
		{"fallback", "0af7651916cd43dd8448eb211c800003", `{"model":"both","messages":[{"role":"user","content":"secret question"}]}`, 4, "4", "gateway.retry gateway.fallback:up/bad>up/good"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tracedPost(t, gw.base, tc.trace, tc.body)
			var server, last ptrace.Span
			var events []string
			failed := 0
			for _, s := range rec.await(t, tc.trace, tc.spans) {
				for _, e := range s.Events().All() {
					name := e.Name()
					if from, ok := e.Attributes().Get("gateway.from"); ok {
						to, _ := e.Attributes().Get("gateway.to")
						name += ":" + from.AsString() + ">" + to.AsString()
					}
					events = append(events, name)
				}
				for k, v := range s.Attributes().All() {
					if strings.Contains(v.AsString(), "secret") || strings.Contains(v.AsString(), upstreamKey) {
						t.Errorf("content in %s", k)
					}
				}
				switch {
				case s.Kind() == ptrace.SpanKindServer:
					server = s
				case s.Status().Code() == ptrace.StatusCodeError:
					failed++
				default:
					last = s
				}
			}
			if server.Name() != "POST /v1/chat/completions" || server.ParentSpanID().String() != "b7ad6b7169203331" || attribute(server, "http.response.status_code") != "200" {
				t.Errorf("server span %s below %s", server.Name(), server.ParentSpanID())
			}
			if last.ParentSpanID() != server.SpanID() || last.Name() != "chat good" || failed != tc.spans-2 {
				t.Errorf("attempt %s, %d failed", last.Name(), failed)
			}
			for name, want := range map[string]string{
				"gen_ai.provider.name": "openai", "gen_ai.request.model": "good", "gen_ai.response.model": "good-v2", "gen_ai.usage.input_tokens": "3",
				"gen_ai.usage.output_tokens": tc.output, "gen_ai.response.finish_reasons": `["stop"]`, "server.address": "127.0.0.1",
			} {
				if got := attribute(last, name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if got := strings.Join(events, " "); got != tc.events {
				t.Errorf("events %q, want %q", got, tc.events)
			}
			if n := up.traced(tc.trace); n != tc.spans-1 {
				t.Errorf("%d of %d attempts carried the trace", n, tc.spans-1)
			}
			gw.awaitLog(t, tc.trace)
		})
	}
	if rec.names["service.name"] != "gw-e2e" || rec.names["deployment.environment"] != "test" {
		t.Errorf("resource %v", rec.names)
	}
	if text := openMetrics(t, gw.base); !strings.Contains(text, `# {trace_id="0af7651916cd43dd8448eb211c80000`) {
		t.Error("no exemplar in an OpenMetrics scrape")
	}
}

func openMetrics(t *testing.T, base string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDeadCollector: requests keep their pace when nobody takes the spans, and
// what is lost is counted.
func TestDeadCollector(t *testing.T) {
	hung := make(chan struct{})
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hung:
		case <-r.Context().Done():
		}
	}))
	defer collector.Close()
	defer close(hung)
	upstream := httptest.NewServer(&upstreamWithTrace{})
	defer upstream.Close()
	gw := traceGateway(t, upstream.URL, collector.URL)
	began := time.Now()
	ask := func(times int) {
		for range times {
			tracedPost(t, gw.base, "", `{"model":"chat","messages":[{"role":"user","content":"x"}]}`)
		}
	}
	ask(1500) // two spans each: more than queue and batch hold
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("1500 requests took %v", took)
	}
	text := openMetrics(t, gw.base)
	if i := strings.Index(text, `gateway_trace_spans_dropped_total{reason="queue_full"} `); i < 0 || strings.HasPrefix(text[i:], `gateway_trace_spans_dropped_total{reason="queue_full"} 0`) {
		t.Error("no dropped span was counted")
	}
	held := gw.memory(t, "VmRSS")
	ask(3000)
	if now := gw.memory(t, "VmRSS"); now > held+24<<20 {
		t.Errorf("with the queue full the gateway grew on, from %d to %d MB", held>>20, now>>20)
	}
}

// TestContentEvent: of a route that asks for it, a collector receives what was
// said as one event on the request's span, whole, streamed and in a batch, with
// keys hidden; of other routes nothing (TestTraces).
func TestContentEvent(t *testing.T) {
	rec := &receiver{}
	upstream, collector := httptest.NewServer(&upstreamWithTrace{}), httptest.NewServer(rec)
	defer upstream.Close()
	defer collector.Close()
	gw := traceGateway(t, upstream.URL, collector.URL)
	const asks = `{"model":"told","messages":[{"role":"user","content":"secret question, sk-test-0000000000000000"}]`
	for _, tc := range []struct {
		name, trace, path, body string
		spans, events           int
	}{
		{"unary", "0af7651916cd43dd8448eb211c800011", "/v1/chat/completions", asks + "}", 2, 1},
		{"stream", "0af7651916cd43dd8448eb211c800012", "/v1/chat/completions", asks + `,"stream":true}`, 2, 1},
		{"messages", "0af7651916cd43dd8448eb211c800013", "/v1/messages", asks + `,"max_tokens":9}`, 2, 1},
		{"batch", "0af7651916cd43dd8448eb211c800014", "/v1/generate/batch", `{"requests":[` + asks + "}," + asks + `}]}`, 3, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tracedTo(t, gw.base+tc.path, tc.trace, tc.body)
			events := 0
			for _, s := range rec.await(t, tc.trace, tc.spans) {
				for _, e := range s.Events().All() {
					if e.Name() != "gen_ai.client.inference.operation.details" {
						continue
					}
					events++
					said := func(name string) string { v, _ := e.Attributes().Get(name); return v.AsString() }
					in, out := said("gen_ai.input.messages"), said("gen_ai.output.messages")
					if s.Kind() != ptrace.SpanKindServer || said("gen_ai.operation.name") != "chat" ||
						!strings.HasPrefix(in, `[{"role":"user","parts":[{"type":"text","content":"secret question, `) ||
						out != `[{"role":"assistant","parts":[{"type":"text","content":"secret answer"}],"finish_reason":"stop"}]` {
						t.Errorf("input %s\noutput %s", in, out)
					}
					if strings.Contains(in, "sk-test-0000") {
						t.Errorf("a key in %s", in)
					}
				}
				for k, v := range s.Attributes().All() {
					if strings.Contains(v.AsString(), "secret") {
						t.Errorf("content in attribute %s", k)
					}
				}
			}
			if events != tc.events {
				t.Errorf("%d events, want %d", events, tc.events)
			}
		})
	}
}
