package app

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/chain"
)

// TestTracesOffAreAbsent: without an endpoint nothing of the traces stands on
// the way of a request: no span, no decorator, no id on the line, no header to
// the provider, no metric. The ceilings of allocations that other tests hold
// are those of this case.
func TestTracesOffAreAbsent(t *testing.T) {
	r := start(t, "", nil)
	o := chain.Options{Provider: "mock"}
	r.app.trace(&o, &config.Provider{})
	if r.app.tracer != nil || r.app.traceServer() != nil || o.Tracer != nil || o.Events != nil {
		t.Errorf("tracer %v, server %v, chain %v %v", r.app.tracer, r.app.traceServer(), o.Tracer, o.Events)
	}
	if status, _, body := r.do(t, "POST", "/v1/generate", `{"prompt":"hi"}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	if _, _, m := r.do(t, "GET", "/metrics", ""); strings.Contains(m, "gateway_trace_spans") {
		t.Error("metrics of traces without traces")
	}
	if strings.Contains(r.log.String(), "trace_id") {
		t.Errorf("a trace on the line: %s", r.log.String())
	}
}
