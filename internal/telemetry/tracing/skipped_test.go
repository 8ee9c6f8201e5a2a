package tracing

import (
	"context"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func forwarded(c *llm.Call, name string) (values []string) {
	for _, h := range c.Forward {
		if strings.EqualFold(h.Name, name) {
			values = append(values, h.Value)
		}
	}
	return values
}

// TestSkipped: a request that is not recorded passes its trace on all the same,
// and nothing of it is kept.
func TestSkipped(t *testing.T) {
	const unsampled = "00-" + traceID + "-" + spanID + "-00"
	for _, tc := range []struct {
		name, sampler string
		headers       []string
		id, state     string // "" = a new trace, none
	}{
		{"no client trace", "always_off", nil, "", ""},
		{"the client does not sample", "parentbased_always_on", []string{"Traceparent", unsampled, "Tracestate", "a=b,c=d"}, traceID, "a=b,c=d"},
		{"the client samples, the ratio does not", "traceidratio", []string{"Traceparent", parentH, "Tracestate", "a=b"}, traceID, "a=b"},
		{"a trace that is none", "always_off", []string{"Traceparent", "00-zz-1-01", "Tracestate", "a=b"}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &sink{}
			tr := start(t, Options{Sampler: tc.sampler}, s)
			target := tr.Target(TargetOptions{Provider: "p", Kind: "openai"})
			ctx, id, sampled := tr.Begin(request(t, tc.headers...), "POST /x", "/x", time.Now())
			if sampled || len(id) != 32 || tc.id != "" && id != tc.id || tr.ContentLimit(ctx) != 0 {
				t.Errorf("trace %s, sampled %v", id, sampled)
			}
			inner, cancel := context.WithCancel(ctx)
			actx, call, recorded := target.Begin(inner, &llm.Call{Op: llm.OpChat, Model: "m", Forward: []llm.Header{
				{Name: "X-A", Value: "1"}, {Name: "traceparent", Value: "stale"}, {Name: "TraceState", Value: "stale"}, {Name: "X-B", Value: "2"}, {Name: "X-C", Value: "3"},
			}})
			parent := forwarded(call, "traceparent")
			if recorded || len(parent) != 1 || len(parent[0]) != 55 || parent[0][:36] != "00-"+id+"-" || parent[0][52:] != "-00" || strings.Contains(parent[0], spanID) {
				t.Errorf("recorded %v, the provider gets %q", recorded, parent)
			}
			if got := strings.Join(forwarded(call, "tracestate"), "|"); got != tc.state {
				t.Errorf("tracestate %q, want %q", got, tc.state)
			}
			if len(call.Forward) < 4 || call.Forward[0].Name != "X-A" || call.Forward[2].Name != "X-C" {
				t.Errorf("headers %v", call.Forward)
			}
			tr.FellBack(actx, "a", "b")
			target.Retrying(actx, llm.KindTimeout, time.Second)
			target.CircuitChanged(actx, "closed", "open")
			tr.End(ctx, Request{Status: 500, Failed: true})
			if cancel(); actx.Err() == nil {
				t.Error("the context cannot be canceled")
			}
			closeNow(t, tr)
			if s.count() != 0 {
				t.Errorf("%d spans", s.count())
			}
		})
	}
}

// TestRatioGoesByTheTraceID: which traces are recorded follows from their ids,
// so that another service with the same ratio records the same; and about as
// many are as the ratio says.
func TestRatioGoesByTheTraceID(t *testing.T) {
	s := &sink{}
	tr := start(t, Options{Sampler: "traceidratio", Ratio: 0.1, Queue: 1 << 14}, s)
	other := sdktrace.TraceIDRatioBased(0.1)
	seen, recorded := map[string]bool{}, 0
	for range 10_000 {
		ctx, id, sampled := tr.Begin(request(t), "x", "/x", time.Now())
		tr.End(ctx, Request{Status: 200})
		tid, err := trace.TraceIDFromHex(id)
		if err != nil || seen[id] {
			t.Fatalf("id %s: %v, seen %v", id, err, seen[id])
		}
		seen[id] = true
		if want := other.ShouldSample(sdktrace.SamplingParameters{ParentContext: t.Context(), TraceID: tid}).Decision == sdktrace.RecordAndSample; sampled != want {
			t.Fatalf("%s: sampled %v, elsewhere %v", id, sampled, want)
		}
		if sampled {
			recorded++
		}
	}
	closeNow(t, tr)
	if recorded < 800 || recorded > 1200 || s.count() != recorded {
		t.Errorf("%d of 10000 were sampled, %d spans", recorded, s.count())
	}
	for _, span := range s.spans {
		if !seen[span.SpanContext().TraceID().String()] || span.Parent().IsValid() {
			t.Fatalf("a span of a trace that was not told: %s", span.SpanContext().TraceID())
		}
	}
}

// TestSkippedAllocations: one for the context, one for the header, one for the
// call that carries it.
func TestSkippedAllocations(t *testing.T) {
	tr := start(t, Options{Sampler: "parentbased_traceidratio"}, &sink{})
	defer closeNow(t, tr)
	target := tr.Target(TargetOptions{Provider: "p", Kind: "openai", BaseURL: "https://x.example"})
	r, call, now := request(t), &llm.Call{Op: llm.OpChat, Model: "m"}, time.Now()
	n := testing.AllocsPerRun(1000, func() {
		ctx, _, _ := tr.Begin(r, "POST /v1/chat/completions", "/v1/chat/completions", now)
		if _, _, recorded := target.Begin(ctx, call); recorded {
			t.Error("recorded")
		}
		tr.End(ctx, Request{Status: 200, RequestID: "r", Key: "k", Attempts: 1})
	})
	if n > 3 {
		t.Errorf("%v allocations", n)
	}
}
