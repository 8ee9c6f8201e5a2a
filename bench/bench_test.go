package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

func TestCasesRunThroughTheYardstick(t *testing.T) {
	up := httptest.NewServer(newUpstream())
	defer up.Close()
	h, err := newYardstick(up.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(h)
	defer proxy.Close()
	for _, c := range allCases() {
		if c.run != nil {
			continue
		}
		c.conns, c.rate = min(c.conns, 4), min(c.rate, 100)
		for _, base := range []string{up.URL, proxy.URL} {
			r, err := runCase(t.Context(), target{base: base}, c, 20*time.Millisecond)
			// The yardstick truncates a stream now and then (golang/go#40747).
			truncates := base == proxy.URL && c.stream > 0
			if err != nil || r.good == 0 || r.bad != 0 && !truncates {
				t.Errorf("%s: %d good, %d bad, %v, %v", c.name, r.good, r.bad, r.firstBad, err)
			}
		}
	}
}

func TestBadAnswersAreCounted(t *testing.T) {
	full, _ := caseByName("stream-100-c200")
	for name, h := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"short": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "data: {\"content\":\" token\"}\n\n")
		},
		"no end": func(w http.ResponseWriter, _ *http.Request) {
			all := renderChat("bench", 100).all
			_, _ = w.Write(all[:len(all)-len("data: [DONE]\n\n")])
		},
		"a chunk twice": func(w http.ResponseWriter, _ *http.Request) {
			r := renderChat("bench", 100)
			_, _ = w.Write(append(bytes.Clone(r.chunk), r.all...))
		},
		"something after the end": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(renderChat("bench", 100).all, ": late\n\n"...))
		},
		"wrong usage": func(w http.ResponseWriter, _ *http.Request) {
			r := renderChat("bench", 99)
			_, _ = w.Write(append(bytes.Clone(r.chunk), r.all...))
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "data: x")
		},
	} {
		s := httptest.NewServer(h)
		c := full
		c.conns = 1
		r, err := runCase(t.Context(), target{base: s.URL}, c, 5*time.Millisecond)
		if err != nil || r.good != 0 || r.bad == 0 || r.firstBad == nil {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		s.Close()
	}
}

func TestOpenLoopCountsFromWhenARequestWasDue(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(5 * time.Millisecond) // the server is slow for real: this measures the generator
		_, _ = w.Write(renderChat("bench", 0).unary)
	}))
	defer s.Close()
	// One caller at 5 ms an answer cannot keep 1,000 a second: the queue must show in the latency.
	r, err := runCase(t.Context(), target{base: s.URL}, testCase{conns: 1, rate: 1000, prompt: 10}, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if r.quantile(.99) < 100*time.Millisecond {
		t.Errorf("p99 %v hides the queue", r.quantile(.99))
	}
}

func TestPlans(t *testing.T) {
	for _, bad := range []string{"", "gpt-4o", "bench-x", "bench-stream", "bench-stream-x", "bench-gap--1", "bench-warp-9", "bench-stream-9999999"} {
		if _, err := newPlan(asked{"/v1/chat/completions", bad}); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	p, err := newPlan(asked{"gemini", "bench-stream-3-gap-20-delay-50"})
	if err != nil || p.stream != 3 || p.gap != 20*time.Millisecond || p.delay != 50*time.Millisecond {
		t.Errorf("%+v, %v", p, err)
	}
	if got := modelOf([]byte(`{ "model": "bench" }`)); got != "bench" {
		t.Errorf("model %q", got)
	}
}

func TestProcReaders(t *testing.T) {
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	cpu, err := cpuTime(os.Getpid())
	if err != nil || cpu <= 0 {
		t.Skip("skipped: no /proc here:", err)
	}
	if peakMemory(os.Getpid()) < 1000 {
		t.Error("peak memory is not believable")
	}
	if _, err := cpuTime(-1); err == nil {
		t.Error("no error for no process")
	}
}

func TestCommands(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct{ args, want string }{
		{"", "say compare"}, {"profile -case slow-5000", "no case of load"}, {"profile -d 1ms", "at least a second"}, {"fly", "unknown command"}, {"load -case x", "unknown case"}, {"proxy", "no URL"},
		{"load -url nope", "no base URL"}, {"compare -other x", "name=URL=PID"}, {"compare -cases nope", "no case"}, {"compare -rounds 0", "above 0"},
	} {
		var args []string
		if tc.args != "" {
			args = strings.Fields(tc.args)
		}
		if err := run(ctx, args, io.Discard); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v", tc.args, err)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tc := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{7}, 7}} {
		if m := median(tc.v); m != tc.want {
			t.Errorf("%v: %v", tc.v, m)
		}
	}
	if s := spread(nil, 4) + spread([]float64{2, 1}, 1); s != "-1.0–2.0" {
		t.Error(s)
	}
}

func BenchmarkUpstreamUnary(b *testing.B) {
	u := newUpstream()
	req, _ := testCase{model: "bench", prompt: 80}.request(target{base: "http://x"})
	body := req[len(req)-180:]
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequestWithContext(b.Context(), "POST", "/v1/chat/completions", strings.NewReader(string(body)))
		u.ServeHTTP(httptest.NewRecorder(), r)
	}
}
