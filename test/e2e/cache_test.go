package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countingUpstream counts the calls that reach it and begins to answer each
// after a while.
func countingUpstream(t *testing.T, wait time.Duration) (*httptest.Server, *atomic.Int32) {
	t.Helper()
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, mock.base+r.URL.Path, r.Body)
		if err != nil {
			return
		}
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(s.Close)
	return s, &calls
}

const cacheYAML = `
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"]}
  slow: {type: openai, base_url: "%[2]s/v1", keys: ["` + upstreamKey + `"]}
models:
  chat: {targets: [{provider: up, model: mock/lorem-30}], cache: {ttl: 1m, share: true}}
  hedged: {targets: [{provider: slow, model: mock/echo}, {provider: up, model: mock/echo}], hedge: {after: 20ms, max_extra: 100%%}}
auth: {keys: [{name: app, key: "` + clientKey + `"}]}
limits: {rps: 0}
cache: {store: %[3]s}
%[4]s
`

func cacheGateway(t *testing.T, up, slow, store, more string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, cacheYAML, up, slow, store, more), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, []string{"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_CONFIG=" + file}, "serve")
}

// answerOf returns X-Gateway-Cache and the body of a good answer.
func answerOf(t *testing.T, gw *process, body string) (string, string) {
	t.Helper()
	resp := post(t, gw.base+"/v1/chat/completions", body)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%d %s %v", resp.StatusCode, b, err)
	}
	return resp.Header.Get("X-Gateway-Cache"), string(b)
}

// TestFiftyShareOneCall: identical requests at once are one upstream call, the
// next one is a hit, streams and whole answers alike.
func TestFiftyShareOneCall(t *testing.T) {
	for _, stream := range []string{"false", "true"} {
		up, calls := countingUpstream(t, 500*time.Millisecond)
		gw := cacheGateway(t, up.URL, up.URL, "memory", "")
		body := `{"model":"chat","stream":` + stream + `,"messages":[{"role":"user","content":"hi"}]}`
		var mu sync.Mutex
		var all sync.WaitGroup
		words, texts := map[string]int{}, map[string]int{}
		for range 50 {
			all.Go(func() {
				word, text := answerOf(t, gw, body)
				mu.Lock()
				defer mu.Unlock()
				words[word]++
				texts[text]++
			})
		}
		all.Wait()
		if calls.Load() != 1 || words["miss"] != 1 || words["shared"]+words["hit"] != 49 || words["shared"] < 40 || len(texts) != 1 {
			t.Errorf("stream %s: %d calls, %v, %d answers", stream, calls.Load(), words, len(texts))
		}
		if word, text := answerOf(t, gw, body); word != "hit" || texts[text] != 50 || calls.Load() != 1 {
			t.Errorf("stream %s: then %s", stream, word)
		}
		if _, metrics := get(t, gw.base+"/metrics"); !strings.Contains(metrics, `llm_cache_total{result="miss"} 1`) {
			t.Error("the metrics say otherwise")
		}
	}
}

// TestReplicasShareAnswers: what one replica was asked, the other answers out of
// Redis; when Redis goes, both go on.
func TestReplicasShareAnswers(t *testing.T) {
	r := startRedis(t)
	up, calls := countingUpstream(t, 0)
	more := `redis: {url: "redis://127.0.0.1:` + r.port + `"}`
	one, two := cacheGateway(t, up.URL, up.URL, "redis", more), cacheGateway(t, up.URL, up.URL, "redis", more)
	for i, body := range []string{
		`{"model":"chat","messages":[{"role":"user","content":"a"}]}`,
		`{"model":"chat","stream":true,"messages":[{"role":"user","content":"b"}]}`,
	} {
		word, text := answerOf(t, one, body)
		if word != "miss" {
			t.Errorf("the first is a %s", word)
		}
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if out, _ := r.cli("DBSIZE"); strings.TrimSpace(out) >= fmt.Sprint(i+1) || time.Now().After(deadline) {
				break
			}
		}
		if word, again := answerOf(t, two, body); word != "hit" || again != text || int(calls.Load()) != i+1 {
			t.Errorf("the second is a %s after %d calls", word, calls.Load())
		}
	}
	r.kill(t)
	for range 5 {
		if word, _ := answerOf(t, two, `{"model":"chat","messages":[{"role":"user","content":"a"}]}`); word != "miss" {
			t.Errorf("without Redis: %s", word)
		}
	}
}

// TestHedgeGoesRoundASlowTarget: the answer comes from the second, the first is
// cancelled, and the ledger's metrics tell.
func TestHedgeGoesRoundASlowTarget(t *testing.T) {
	up, _ := countingUpstream(t, 0)
	gone := make(chan struct{}, 8)
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	defer slow.Close()
	gw := cacheGateway(t, up.URL, slow.URL, "memory", "")
	for _, stream := range []string{"false", "true"} {
		begun := time.Now()
		resp := post(t, gw.base+"/v1/chat/completions", `{"model":"hedged","stream":`+stream+`,"messages":[{"role":"user","content":"hi"}]}`)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("X-Gateway-Provider") != "up" || resp.Header.Get("X-Gateway-Attempts") != "2" || time.Since(begun) > 5*time.Second {
			t.Errorf("%d by %s after %v", resp.StatusCode, resp.Header.Get("X-Gateway-Provider"), time.Since(begun))
		}
		select {
		case <-gone:
		case <-time.After(5 * time.Second):
			t.Error("the slow call is still under way")
		}
	}
	if _, metrics := get(t, gw.base+"/metrics"); !strings.Contains(metrics, `llm_hedges_total{result="won",route="hedged"} 2`) || !strings.Contains(metrics, `outcome="hedge_lost",provider="slow"`) {
		t.Error("the metrics say otherwise")
	}
	gw.awaitLog(t, `hedge_lost>up/mock/echo`)
}
