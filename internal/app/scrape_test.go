package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// sample returns the value of a series in a scrape; NaN-free and zero when it is
// not there.
func sample(t *testing.T, r *running, series string) float64 {
	t.Helper()
	_, _, text := r.do(t, "GET", "/metrics", "")
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// ask sends a request without a test's key and reads the answer away.
func ask(ctx context.Context, method, url, key, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// TestRandomNamesMakeNoSeries: ten thousand models, paths, methods and keys that
// clients make up leave the metrics as many as they were.
func TestRandomNamesMakeNoSeries(t *testing.T) {
	const times, workers = 10_000, 8
	r := start(t, `
providers:
  up: {type: mock}
models:
  chat: {targets: [{provider: up, model: echo}]}
default_provider: up
auth: {keys: [{name: app, key: "`+clientKey+`"}]}
limits: {rps: 0}
`, nil)
	word := func() string { return fmt.Sprintf("%x", rand.Uint64()) }
	probe := func(ctx context.Context, i int) error {
		models := []string{word(), "up/" + word(), word() + "/" + word(), "up/" + word() + "/" + word(), "gpt-" + word()}
		paths := []string{"/", "/v1/", "/v1/models/", "/v1/models/up/", "/admin/v1/", "/dashboard/", "/v1/chat/completions/"}
		call := `{"model":"` + models[i%len(models)] + `","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`
		return errors.Join(
			ask(ctx, "POST", r.base+[]string{"/v1/chat/completions", "/v1/messages", "/v1/embeddings"}[i%3], clientKey, call),
			ask(ctx, []string{"GET", "POST", "M" + word()}[i%3], r.base+paths[i%len(paths)]+word()+"?"+word(), clientKey, "{}"),
			ask(ctx, "POST", r.base+"/v1/chat/completions", "gw_"+word(), call),
		)
	}
	for i := range 105 { // each combination once, so that each bounded series is there
		if err := probe(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	count := func() int {
		_, _, text := r.do(t, "GET", "/metrics", "")
		return strings.Count(text, "\n")
	}
	count() // a scrape counts itself only in the next one
	before := count()
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				if err := probe(t.Context(), i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range times {
		next <- i
	}
	close(next)
	wg.Wait()
	if after := count(); after != before {
		t.Errorf("%d lines of metrics became %d", before, after)
	}
}

// slowUpstream answers after d, a stream also with d between its pieces; the
// model broken gets a 503 that asks to wait.
func slowUpstream(d time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		<-time.After(d)
		switch {
		case strings.Contains(string(body), `"broken"`):
			w.Header().Set("Retry-After-Ms", strconv.Itoa(int(d.Milliseconds())))
			http.Error(w, `{"error":{"message":"busy"}}`, http.StatusServiceUnavailable)
		case strings.Contains(string(body), `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			for range 3 {
				_, _ = io.WriteString(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n")
				_ = http.NewResponseController(w).Flush()
				<-time.After(d)
			}
			_, _ = io.WriteString(w, "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = http.NewResponseController(w).Flush() // the head at once, the answer later
			<-time.After(d)
			_, _ = io.WriteString(w, `{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
		}
	})
}

// TestSlowUpstreamIsNotOurTime: what upstreams take, and what is waited between
// tries, is in the duration of a request and not in its overhead.
func TestSlowUpstreamIsNotOurTime(t *testing.T) {
	const d = 200 * time.Millisecond
	upstream := httptest.NewServer(slowUpstream(d))
	defer upstream.Close()
	r := start(t, `
providers:
  up: {type: openai, base_url: "`+upstream.URL+`/v1", keys: ["`+provKey+`"], retry: {max: 1}}
models:
  chat: {targets: [{provider: up, model: good}]}
  both: {targets: [{provider: up, model: broken}, {provider: up, model: good}]}
`, nil)
	for _, tc := range []struct {
		name, path, body string
		least            time.Duration // of the upstream
	}{
		{"whole", "/v1/chat/completions", `{"model":"chat","messages":[{"role":"user","content":"x"}]}`, 2 * d},
		{"translated", "/v1/messages", `{"model":"chat","max_tokens":9,"messages":[{"role":"user","content":"x"}]}`, 2 * d},
		{"stream", "/v1/chat/completions", `{"model":"chat","stream":true,"messages":[{"role":"user","content":"x"}]}`, 4 * d},
		{"retry and fallback", "/v1/chat/completions", `{"model":"both","messages":[{"role":"user","content":"x"}]}`, 4 * d},
	} {
		t.Run(tc.name, func(t *testing.T) {
			read := func() (overhead, duration, calls float64) {
				route := `{route="` + tc.path + `"}`
				return sample(t, r, "gateway_overhead_seconds_sum"+route), sample(t, r, "http_request_duration_seconds_sum"+route), sample(t, r, "gateway_overhead_seconds_count"+route)
			}
			overhead, duration, calls := read()
			if status, _, body := r.do(t, "POST", tc.path, tc.body); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			o, l, n := read()
			if n != calls+1 || l-duration < tc.least.Seconds() {
				t.Fatalf("%v calls, %.3f s", n-calls, l-duration)
			}
			if own := o - overhead; own <= 0 || own > d.Seconds()/2 {
				t.Errorf("the gateway's own time is %.4f s of %.4f s", own, l-duration)
			}
		})
	}
}

// TestDeadScrapers: scrapers that ask again and again and read nothing hold up
// no request, and hold no more than a bounded number of scrapes.
func TestDeadScrapers(t *testing.T) {
	r := start(t, "server: {write_timeout: 2s}\n", nil)
	gone := make([]net.Conn, 0, 100)
	defer func() {
		for _, c := range gone {
			_ = c.Close()
		}
	}()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	before := heap()
	ask := strings.Repeat("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 500)
	for range cap(gone) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		gone = append(gone, c)
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		if _, err := io.WriteString(c, ask); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		began := time.Now()
		if status, _, body := r.do(t, "POST", "/v1/generate", `{"prompt":"hi"}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("a request took %v", took)
		}
	}
	if now := heap(); now > before+64<<20 {
		t.Errorf("the heap grew from %d to %d MB", before>>20, now>>20)
	}
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(100 * time.Millisecond) {
		if status, _, _ := r.do(t, "GET", "/metrics", ""); status == 200 {
			return // a living scraper is served once the dead ones are cut off
		}
		if time.Now().After(deadline) {
			t.Fatal("the dead scrapers keep the living one out")
		}
	}
}
