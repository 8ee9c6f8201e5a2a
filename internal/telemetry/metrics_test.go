package telemetry

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

type flatPrice llm.Money

func (p flatPrice) Cost(u llm.Usage) (llm.Money, bool) {
	return llm.Money(int64(p) * u.Total()), p > 0
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l+"\n") {
			t.Errorf("scrape lacks %q", l)
		}
	}
}

func TestTargetCountsOneCall(t *testing.T) {
	m := NewMetrics("v1", "abc")
	tg := m.Target("openai", "gpt-4o")
	tg.StreamOpened()
	tg.Ended(Call{
		Route: "chat", Took: 3 * time.Second, FirstToken: time.Second, Price: flatPrice(llm.Dollar),
		Done: llm.Done{Usage: llm.Usage{Input: 10, CachedInput: 4, Output: 11, Reasoning: 3, Source: llm.UsageReported}},
	})
	tg.StreamClosed()
	tg.Retried(llm.KindTimeout)
	tg.CircuitState(2)
	m.FellBack("chat", "a/b", "c/d")
	m.Reloaded(nil)
	wantLines(t, scrape(t, m),
		`llm_requests_total{model="gpt-4o",outcome="complete",provider="openai",route="chat"} 1`,
		`llm_tokens_total{kind="input",model="gpt-4o",provider="openai"} 10`,
		`llm_tokens_total{kind="cached_input",model="gpt-4o",provider="openai"} 4`,
		`llm_tokens_total{kind="output",model="gpt-4o",provider="openai"} 11`,
		`llm_tokens_total{kind="reasoning",model="gpt-4o",provider="openai"} 3`,
		`llm_cost_usd_total{model="gpt-4o",provider="openai"} 21`,
		`llm_request_duration_seconds_sum{model="gpt-4o",provider="openai"} 3`,
		`llm_time_to_first_token_seconds_sum{model="gpt-4o",provider="openai"} 1`,
		`llm_time_per_output_token_seconds_sum{model="gpt-4o",provider="openai"} 0.2`,
		`llm_retries_total{provider="openai",reason="timeout"} 1`,
		`llm_circuit_state{model="gpt-4o",provider="openai"} 2`,
		`llm_fallbacks_total{from="a/b",route="chat",to="c/d"} 1`,
		`llm_streams_in_flight 0`,
		`config_reloads_total{result="success"} 1`,
	)
}

func TestUnknownUsageAndPriceAreNotZero(t *testing.T) {
	m := NewMetrics("v1", "abc")
	tg := m.Target("x", "y")
	tg.Ended(Call{Done: llm.Done{Gone: true}})
	if s := scrape(t, m); !strings.Contains(s, `llm_unpriced_requests_total{model="y",provider="x"} 0`) {
		t.Errorf("a call without usage was counted as unpriced")
	}
	tg.Ended(Call{Done: llm.Done{Usage: llm.Usage{Input: 1, Source: llm.UsageEstimated}}})
	tg.Ended(Call{Price: flatPrice(0), Done: llm.Done{Usage: llm.Usage{Input: 1, Source: llm.UsageReported}}})
	wantLines(t, scrape(t, m), `llm_unpriced_requests_total{model="y",provider="x"} 2`, `llm_cost_usd_total{model="y",provider="x"} 0`,
		`llm_requests_total{model="y",outcome="client_gone",provider="x",route=""} 1`)
}

func TestEndpointAndAllFourTypes(t *testing.T) {
	m := NewMetrics("v1", "abc")
	e := m.Endpoint("/v1/generate")
	e.Started()
	e.Ended(Answer{Method: "POST", Status: 200, Took: time.Second, Size: 512, Overhead: 2 * time.Millisecond})
	e.Started()
	e.Ended(Answer{Method: "BREW", Status: 405, Took: time.Second, Size: 8, Overhead: -1})
	m.Rejected("rate_limited")
	s := scrape(t, m)
	wantLines(t, s,
		"# TYPE http_requests_total counter", "# TYPE http_requests_in_flight gauge",
		"# TYPE http_request_duration_seconds histogram", "# TYPE http_response_size_bytes summary",
		`http_requests_total{method="POST",route="/v1/generate",status="200"} 1`,
		`http_requests_total{method="other",route="/v1/generate",status="405"} 1`,
		`http_response_size_bytes_sum{route="/v1/generate"} 520`,
		`gateway_overhead_seconds_count{route="/v1/generate"} 1`,
		`gateway_rejected_total{reason="rate_limited"} 1`, `http_requests_in_flight 0`)
	if !strings.Contains(s, `gateway_build_info{commit="abc",goversion="go`) {
		t.Error("gateway_build_info is missing")
	}
}

func TestHandlesResolveOnce(t *testing.T) {
	m := NewMetrics("v1", "abc")
	tg := m.Target("p", "m")
	if tg != m.Target("p", "m") {
		t.Fatal("two handles for one target")
	}
	c := Call{Route: "r", Took: time.Second, Done: llm.Done{Usage: llm.Usage{Input: 1, Source: llm.UsageReported}}}
	tg.Ended(c)
	if n := testing.AllocsPerRun(100, func() { tg.Ended(c) }); n != 0 {
		t.Errorf("a call allocates %v times", n)
	}
	e := m.Endpoint("x")
	e.Ended(Answer{Method: "POST", Status: 200})
	if n := testing.AllocsPerRun(100, func() { e.Ended(Answer{Method: "POST", Status: 200}) }); n != 0 {
		t.Errorf("a request allocates %v times", n)
	}
}

func TestHandlesConcurrently(t *testing.T) {
	h := newHandles(func(k string) *string { return &k })
	done := make(chan map[string]*string)
	for range 4 {
		go func() {
			got := map[string]*string{}
			for i := range 100 {
				k := fmt.Sprint(i % 20)
				got[k] = h.get(k)
			}
			done <- got
		}()
	}
	first := <-done
	for range 3 {
		for k, v := range <-done {
			if first[k] != v {
				t.Fatalf("two values for %s", k)
			}
		}
	}
}

func BenchmarkTargetEnded(b *testing.B) {
	tg := NewMetrics("v", "c").Target("p", "m")
	c := Call{Route: "r", Took: time.Second, Price: flatPrice(1), Done: llm.Done{Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageReported}}}
	b.ReportAllocs()
	for b.Loop() {
		tg.Ended(c)
	}
}
