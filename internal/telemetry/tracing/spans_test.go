package tracing

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
	parentH = "00-" + traceID + "-" + spanID + "-01"
)

// show writes a span's attributes as name=value.
func show(s sdktrace.ReadOnlySpan) string {
	var list []string
	for _, a := range s.Attributes() {
		list = append(list, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
	}
	return strings.Join(list, " ")
}

func events(s sdktrace.ReadOnlySpan) (names []string) {
	for _, e := range s.Events() {
		names = append(names, e.Name)
	}
	return names
}

func wantAttrs(t *testing.T, s sdktrace.ReadOnlySpan, attrs ...string) {
	t.Helper()
	got := " " + show(s) + " "
	for _, a := range attrs {
		if !strings.Contains(got, " "+a+" ") {
			t.Errorf("%s lacks %s:%s", s.Name(), a, got)
		}
	}
}

func TestRequestAndAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		tr := start(t, Options{}, s)
		ctx, id, sampled := tr.Begin(request(t, "Traceparent", parentH, "Tracestate", "a=b", "Baggage", "user=alice"), "POST /v1/chat/completions", "/v1/chat/completions", time.Now())
		if id != traceID || !sampled {
			t.Errorf("trace %s, sampled %v", id, sampled)
		}
		target := tr.Target(TargetOptions{Provider: "east", Kind: "azure-openai", BaseURL: "https://res.example/x"})
		call := &llm.Call{Op: llm.OpChat, Model: "m-1", Stream: true, Peek: llm.Peek{MaxTokens: 7}, Forward: []llm.Header{{Name: "X-A", Value: "1"}, {Name: "traceparent", Value: "stale"}}}

		first, c, recorded := target.Begin(ctx, call)
		if !recorded || len(c.Forward) != 3 || !strings.HasPrefix(c.Forward[1].Value, "00-"+traceID+"-") || c.Forward[2] != (llm.Header{Name: "Tracestate", Value: "a=b"}) {
			t.Errorf("forward %v", c.Forward)
		}
		if len(call.Forward) != 2 {
			t.Error("the call itself was changed")
		}
		target.End(first, nil, llm.Done{Err: &llm.Error{Kind: llm.KindUpstreamError, Status: 500}})
		target.Retrying(ctx, llm.KindUpstreamError, time.Second)
		target.CircuitChanged(ctx, "closed", "open")
		tr.FellBack(ctx, "a/b", "c/d")

		second, _, _ := target.Begin(ctx, call)
		time.Sleep(time.Second) // the bubble's clock
		target.First(second, &llm.Event{Kind: llm.EventStart, ID: "resp-1", Model: "m-1-2026"})
		target.First(second, &llm.Event{Kind: llm.EventText, Text: "secret answer"})
		time.Sleep(time.Second)
		target.End(second, &llm.Reply{ID: "up-1"}, llm.Done{Finish: llm.FinishStop, Usage: llm.Usage{Input: 3, Output: 4, CachedInput: 1, Reasoning: 2, Source: llm.UsageReported}})
		cost := llm.Money(5)
		tr.End(ctx, Request{Route: "/v1/chat/completions", Status: 200, RequestID: "r", Key: "app", Tenant: "t", Model: "chat", Provider: "east", Upstream: "m-1", Attempts: 2, Cost: &cost, Tags: map[string]string{"team": "red"}})
		closeNow(t, tr)

		if len(s.spans) != 3 {
			t.Fatalf("%d spans", len(s.spans))
		}
		failed, good, server := s.spans[0], s.spans[1], s.spans[2]
		if server.Parent().SpanID().String() != spanID || !server.Parent().IsRemote() || failed.Parent().SpanID() != server.SpanContext().SpanID() {
			t.Error("the spans are not in one line")
		}
		if strings.Join(events(server), " ") != "gateway.retry gateway.circuit gateway.fallback" || strings.Join(events(good), " ") != "gateway.first_token" {
			t.Errorf("events %v, %v", events(server), events(good))
		}
		if good.EndTime().Sub(good.StartTime()) != 2*time.Second || good.Events()[0].Time.Sub(good.StartTime()) != time.Second {
			t.Error("the span does not last as long as the stream")
		}
		wantAttrs(t, server, "http.request.method=POST", "http.route=/v1/chat/completions", "http.response.status_code=200", "gateway.key=app", "gateway.attempts=2", "gateway.metadata.team=red")
		wantAttrs(t, failed, "gen_ai.operation.name=chat", "gen_ai.provider.name=azure.ai.openai", "gen_ai.request.model=m-1", "server.address=res.example", "server.port=443", "error.type=upstream_error", "http.response.status_code=500")
		wantAttrs(t, good, "gen_ai.response.id=resp-1", "gen_ai.response.model=m-1-2026", `gen_ai.response.finish_reasons=["stop"]`, "gen_ai.usage.input_tokens=3", "gen_ai.usage.output_tokens=4",
			"gen_ai.usage.cache_read.input_tokens=1", "gen_ai.usage.reasoning.output_tokens=2", "gen_ai.request.max_tokens=7", "gateway.upstream.request_id=up-1")
		if failed.Status().Code != codes.Error || good.Status().Code != codes.Unset || server.Status().Code != codes.Unset {
			t.Error("status")
		}
		for _, sp := range s.spans {
			if all := show(sp); strings.Contains(all, "secret") || strings.Contains(all, "alice") {
				t.Errorf("content on a span: %s", all)
			}
		}
	})
}

func TestServerFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		tr := start(t, Options{}, s)
		for _, r := range []Request{{Status: 502, Failed: true, Kind: "upstream_error"}, {Status: 200, Failed: true, Kind: "timeout"}, {Status: 400, Kind: "invalid_request"}} {
			ctx, _, _ := tr.Begin(request(t), "POST /x", "/x", time.Now())
			tr.End(ctx, r)
		}
		closeNow(t, tr)
		for i, want := range []codes.Code{codes.Error, codes.Error, codes.Unset} {
			if s.spans[i].Status().Code != want {
				t.Errorf("%d: %v", i, s.spans[i].Status())
			}
			wantAttrs(t, s.spans[i], "error.type="+[]string{"upstream_error", "timeout", "invalid_request"}[i])
		}
	})
}

// The parent decides: an unsampled one costs no span, but the trace goes on.
func TestParentDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		tr := start(t, Options{}, s)
		ctx, id, sampled := tr.Begin(request(t, "Traceparent", strings.TrimSuffix(parentH, "1")+"0"), "x", "x", time.Now())
		_, c, recorded := tr.Target(TargetOptions{}).Begin(ctx, &llm.Call{Op: llm.OpChat})
		if id != traceID || sampled || recorded || !strings.HasSuffix(c.Forward[0].Value, "-00") {
			t.Errorf("trace %s, sampled %v, recorded %v, %v", id, sampled, recorded, c.Forward)
		}
		tr.End(ctx, Request{})
		closeNow(t, tr)
		if s.count() != 0 {
			t.Error("unsampled spans were sent")
		}
	})
}

func TestIdentity(t *testing.T) {
	for raw, want := range map[string][2]string{
		`{"id":"a","model":"m"}`:                                        {"a", "m"},
		`{"type":"message_start","message":{"id":"a","model":"m"}}`:     {"a", "m"},
		`{"type":"response.created","response":{"id":"a","model":"m"}}`: {"a", "m"},
		`{"responseId":"a","modelVersion":"m","candidates":[]}`:         {"a", "m"},
		`{"id":1,"model":null}`:                                         {},
		`{"message":"text"}`:                                            {},
		`not json`:                                                      {},
		``:                                                              {},
	} {
		if id, model := identity([]byte(raw)); id != want[0] || model != want[1] {
			t.Errorf("%s: %q %q", raw, id, model)
		}
	}
	if id, _ := identity(firstData([]byte("event: x\ndata: {\"id\":\"a\"}\n\ndata: {\"id\":\"b\"}\n\n"))); id != "a" {
		t.Errorf("first data: %q", id)
	}
	if id, _ := identity([]byte(`{"id":"a","x":"` + strings.Repeat("x", maxIdentity) + `"}`)); id != "" {
		t.Error("a huge answer was looked through")
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte(`data: {"id":"a","message":{"id":"b"}}`))
	f.Add([]byte(`data: {"responseId":"\u0000","modelVersion":{}}`))
	f.Fuzz(func(_ *testing.T, b []byte) { identity(b); identity(firstData(b)) })
}

// BenchmarkTrace is what one request with one attempt costs.
func BenchmarkTrace(b *testing.B) {
	for name, o := range map[string]Options{"100%": {Sampler: "always_on"}, "10%": {Sampler: "traceidratio", Ratio: 0.1}, "0%": {Sampler: "always_off"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			sampler, err := newSampler(o.Sampler, o.Ratio)
			if err != nil {
				b.Fatal(err)
			}
			tr := newTracer(context.Background(), o.withDefaults(), sampler, &discard{})
			defer func() { _ = tr.Close(context.Background()) }()
			target := tr.Target(TargetOptions{Provider: "p", Kind: "openai", BaseURL: "https://x.example"})
			r := httptest.NewRequestWithContext(b.Context(), "POST", "/v1/chat/completions", nil)
			call := &llm.Call{Op: llm.OpChat, Model: "m"}
			reply := &llm.Reply{ID: "x", Raw: []byte(`{"id":"a","model":"m","choices":[]}`)}
			for b.Loop() {
				ctx, _, _ := tr.Begin(r, "POST /v1/chat/completions", "/v1/chat/completions", time.Now())
				actx, _, recorded := target.Begin(ctx, call)
				if recorded {
					target.End(actx, reply, llm.Done{Finish: llm.FinishStop, Usage: llm.Usage{Input: 1, Output: 1, Source: llm.UsageReported}})
				}
				tr.End(ctx, Request{Status: 200, RequestID: "r", Key: "k", Model: "m", Provider: "p", Upstream: "m", Attempts: 1})
			}
		})
	}
}

// discard takes everything, encoded into a buffer that is used again, as the
// exporter does.
type discard struct{ w wire }

func (d *discard) ExportSpans(_ context.Context, s []sdktrace.ReadOnlySpan) error {
	d.w = appendRequest(d.w[:0], s)
	return nil
}
func (*discard) Shutdown(context.Context) error { return nil }
