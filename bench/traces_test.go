package main

import (
	"net/http"
	"strings"
	"testing"
)

func TestTracedGateways(t *testing.T) {
	base, stop, err := startCollector(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	list := tracedGateways("gw", base)
	seen := map[string]bool{}
	for i, c := range list {
		text := c.config("http://127.0.0.1:1", "127.0.0.1:2")
		if seen[text] || strings.Contains(text, base+"/v1/traces") != (i > 0) {
			t.Errorf("%s: %s", c.name, text)
		}
		seen[text] = true
	}
	resp, err := http.Post(base+"/v1/traces", "application/x-protobuf", strings.NewReader("x")) //nolint:noctx // a test
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	r := &caseResult{Yardstick: "gateway", Rows: []*row{{Name: "gateway", CPU: []float64{2}}, {Name: "traces 10 %", CPU: []float64{2.1}}}}
	if text := r.markdown(); !strings.Contains(text, "x gateway") || !strings.Contains(text, "**1.05**") {
		t.Error(text)
	}
}
