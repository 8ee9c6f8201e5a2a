package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestRunCountSendsExactly: neither one more nor one less.
func TestRunCountSendsExactly(t *testing.T) {
	up := httptest.NewServer(newUpstream())
	defer up.Close()
	c := testCase{model: "bench-stream-4-gap-1", prompt: 10, conns: 7, stream: 4}
	r, err := runCount(t.Context(), target{base: up.URL}, c, 50)
	if err != nil || r.good != 50 || r.bad != 0 {
		t.Errorf("%d good, %d bad: %v, %v", r.good, r.bad, r.firstBad, err)
	}
	c.stream = 5 // one chunk less than asked for: every stream is truncated
	r, err = runCount(t.Context(), target{base: up.URL}, c, 20)
	if err != nil || r.good != 0 || r.bad != 20 {
		t.Errorf("%d good, %d bad: %v", r.good, r.bad, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runCount(ctx, target{base: up.URL}, c, 20); err == nil {
		t.Error("no error after the end")
	}
}

// TestTransport: every pool answers over TLS, every answer is checked and every
// connection counted. Which pool dials less is what the case measures; on a
// busy machine a short run cannot hold it.
func TestTransport(t *testing.T) {
	c, _ := caseByName("transport")
	c.conns = 4
	k := &kit{o: compareOptions{rounds: 1, d: 50 * time.Millisecond}}
	res, err := runTransport(t.Context(), k, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res.Rows {
		if r.Good < c.conns || r.Bad != 0 {
			t.Errorf("%s: %d good, %d bad: %s", r.Name, r.Good, r.Bad, r.FirstBad)
		}
		if d := r.Dials[0]; d <= 0 || d > 1000 { // at least one for all, at most one for each
			t.Errorf("%s: %v dials for a thousand answers", r.Name, d)
		}
	}
	if text := res.markdown(); !strings.Contains(text, "dials") {
		t.Error(text)
	}
	c.stream = 3 // the upstream answers whole: nothing of this is what was asked for
	res, err = runTransport(t.Context(), k, c)
	if err != nil || res.Rows[0].Good != 0 || res.Rows[0].Bad == 0 {
		t.Errorf("wrong answers pass: %+v, %v", res.Rows[0], err)
	}
}

// TestPools: the pools are what their names say.
func TestPools(t *testing.T) {
	want := [][3]int{{0, 0, 0}, {100, 100, 50}, {1024, 512, 0}} // idle, idle per host, per host
	for i, p := range pools() {
		var tr http.Transport
		p.set(&tr)
		if got := [3]int{tr.MaxIdleConns, tr.MaxIdleConnsPerHost, tr.MaxConnsPerHost}; got != want[i] {
			t.Errorf("%s: %v, want %v", p.name, got, want[i])
		}
	}
}

func TestSelected(t *testing.T) {
	for _, c := range selected("") {
		if c.explicit {
			t.Errorf("%s runs unasked", c.name)
		}
	}
	if got := selected("million"); len(got) != 1 || !got[0].explicit {
		t.Errorf("%+v", got)
	}
	if got := selected("c16"); len(got) < 3 {
		t.Errorf("%d cases", len(got))
	}
}

// TestSettings: each ablation changes the file that the gateway reads, and in
// the way it says.
func TestSettings(t *testing.T) {
	full := settings{}.render("http://127.0.0.1:1", "127.0.0.1:2")
	for _, want := range []string{"key: " + gatewayKey, "rps: 1000000", "log_level: info", "addr: 127.0.0.1:2"} {
		if !strings.Contains(full, want) {
			t.Errorf("no %q in\n%s", want, full)
		}
	}
	seen := map[string]string{full: "everything on"}
	for _, a := range ablations() {
		text := a.render("http://127.0.0.1:1", "127.0.0.1:2")
		if other := seen[text]; other != "" {
			t.Errorf("%s is the same as %s", a.name, other)
		}
		seen[text] = a.name
	}
}
