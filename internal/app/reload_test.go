package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/config"
)

const answerBody = `{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`

func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:6])
}

// TestSecretIsSwappedLive rotates a key in a file while a request is under way.
func TestSecretIsSwappedLive(t *testing.T) {
	const oldKey, newKey = "sk-test-old-0000", "sk-test-new-0000"
	arrived, release := make(chan string), make(chan struct{})
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		arrived <- r.Header.Get("Authorization")
		<-release
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answerBody)
	}))
	defer up.Close()
	file := filepath.Join(t.TempDir(), "key")
	read := func(key string) *config.Config {
		if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return load(t, fmt.Sprintf("providers: {up: {type: openai, base_url: %q, keys: [\"${file:%s}\"]}}\n", up.URL+"/v1", file), nil)
	}
	cfg := read(oldKey)
	if !strings.Contains(strings.Join(cfg.Files, " "), file) {
		t.Fatalf("the secret's file is not watched: %v", cfg.Files)
	}
	r := startWith(t, cfg)
	ask := func() chan int {
		status := make(chan int, 1)
		go func() {
			resp, err := http.Post(r.base+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"up/m","messages":[]}`))
			if err != nil {
				status <- 0
				return
			}
			_ = resp.Body.Close()
			status <- resp.StatusCode
		}()
		return status
	}
	first := ask()
	if got := <-arrived; got != "Bearer "+oldKey {
		t.Errorf("the first request came with %q", got)
	}
	if err := r.app.Reload(t.Context(), read(newKey)); err != nil {
		t.Fatal(err)
	}
	second := ask()
	if got := <-arrived; got != "Bearer "+newKey {
		t.Errorf("the second request came with %q", got)
	}
	close(release)
	if a, b := <-first, <-second; a != 200 || b != 200 {
		t.Errorf("status %d of the request under way, %d of the other", a, b)
	}
	_, _, metrics := r.do(t, "GET", "/metrics", "")
	for _, key := range []string{oldKey, newKey} {
		line := regexp.MustCompile(`provider_credential_last_used_timestamp_seconds\{credential="` + fingerprint(key) + `",provider="up"\} 1\.\d+e\+09`)
		if !line.MatchString(metrics) {
			t.Errorf("no last use of %s", fingerprint(key))
		}
	}
	log := r.log.String()
	if !strings.Contains(log, "providers.up.keys[0]: secret ") {
		t.Errorf("the log does not tell the change: %s", log)
	}
	if all := log + metrics; strings.Contains(all, oldKey) || strings.Contains(all, newKey) {
		t.Error("a secret is shown")
	}
}

// TestRevokedKeyStopsOnOpenConnections uses one connection before and after a
// key was taken out of the configuration.
func TestRevokedKeyStopsOnOpenConnections(t *testing.T) {
	with := func(names ...string) *config.Config {
		text := "providers: {m: {type: mock}}\nauth:\n  keys:\n"
		for _, n := range names {
			text += fmt.Sprintf("    - {name: %s, key: gw_test_%s_0000000000000000000000000}\n", n, n)
		}
		return load(t, text, nil)
	}
	r := startWith(t, with("staying", "leaving"))
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	ask := func(name string) (status int, reused bool) {
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
		}), "POST", r.base+"/v1/generate", strings.NewReader(`{"model":"m/echo","prompt":"ping"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer gw_test_"+name+"_0000000000000000000000000")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, reused
	}
	if status, _ := ask("leaving"); status != 200 {
		t.Fatalf("before: %d", status)
	}
	if err := r.app.Reload(t.Context(), with("staying")); err != nil {
		t.Fatal(err)
	}
	if status, reused := ask("leaving"); status != 401 || !reused {
		t.Errorf("revoked: status %d, on the same connection: %v", status, reused)
	}
	if status, reused := ask("staying"); status != 200 || !reused {
		t.Errorf("the other key: status %d, on the same connection: %v", status, reused)
	}
}

// TestRoutesFromConfiguration runs the strategies, the capability filter and the
// cool-down through the whole gateway.
func TestRoutesFromConfiguration(t *testing.T) {
	limited := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":{"message":"slow down","type":"rate_limit_error"}}`)
	}))
	defer limited.Close()
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answerBody)
	}))
	defer answers.Close()
	text := fmt.Sprintf(`
providers:
  one: {type: openai, base_url: "%s/v1", keys: [sk-test-0000]}
  two: {type: openai, base_url: "%s/v1", keys: [sk-test-0000]}
models:
  cool: {targets: [{provider: one, model: gpt-4o}, {provider: two, model: gpt-4o}]}
  able: {targets: [{provider: two, model: gpt-3.5-turbo}, {provider: two, model: gpt-4o}]}
  blind: {targets: [{provider: two, model: gpt-3.5-turbo}]}
  spread: {strategy: weighted, sticky: true, targets: [{provider: two, model: gpt-4o}, {provider: two, model: gpt-4.1, weight: 1}]}
  cheap: {strategy: lowest_cost, targets: [{provider: two, model: gpt-4o}, {provider: two, model: gpt-4o-mini}]}
  quick: {strategy: least_latency, targets: [{provider: two, model: gpt-4o}, {provider: two, model: gpt-4.1}]}
auth: {keys: [{name: app, key: %q}]}
`, limited.URL, answers.URL, clientKey)
	r := start(t, text, nil)
	const image = `[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.example/i.png"}}]}]`
	ask := func(model, messages, more string) (status int, gotModel, body, path string) {
		before := len(r.log.String())
		status, head, body := r.do(t, "POST", "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":%s%s}`, model, messages, more))
		for line := range strings.Lines(r.log.String()[before:]) {
			var l struct{ Path string }
			if json.Unmarshal([]byte(line), &l) == nil && l.Path != "" {
				path = l.Path
			}
		}
		return status, head.Get("X-Gateway-Model"), body, path
	}
	for _, tc := range []struct {
		name, model, messages string
		status                int
		want, path            string
	}{
		{"limited", "cool", "[]", 200, "gpt-4o", "one/gpt-4o:upstream_rate_limited>two/gpt-4o"},
		{"at rest", "cool", "[]", 200, "gpt-4o", "one/gpt-4o:cooling_down>two/gpt-4o"},
		{"able", "able", "[]", 200, "gpt-3.5-turbo", ""},
		{"images", "able", image, 200, "gpt-4o", "two/gpt-3.5-turbo:lacks_images>two/gpt-4o"},
		{"cheap", "cheap", "[]", 200, "gpt-4o-mini", ""},
		{"quick", "quick", "[]", 200, "", ""},
	} {
		status, model, body, path := ask(tc.model, tc.messages, "")
		if status != tc.status || tc.want != "" && model != tc.want || path != tc.path {
			t.Errorf("%s: %d by %s over %q: %s", tc.name, status, model, path, body)
		}
	}
	if status, _, body, _ := ask("blind", image, ""); status != 400 || !strings.Contains(body, `"unsupported_parameter"`) || !strings.Contains(body, `"messages"`) {
		t.Errorf("blind: %d %s", status, body)
	}
	seen := map[string]int{}
	for i := range 40 {
		user := fmt.Sprintf(`,"user":"u%d"`, i)
		_, a, _, _ := ask("spread", "[]", user)
		if _, b, _, _ := ask("spread", "[]", user); a != b {
			t.Fatalf("user %d was moved from %s to %s", i, a, b)
		}
		seen[a]++
	}
	if len(seen) != 2 || seen["gpt-4o"] < 8 || seen["gpt-4.1"] < 8 {
		t.Errorf("users went to %v", seen)
	}
	// A reload is no way out of a cool-down.
	if err := r.app.Reload(t.Context(), load(t, text, nil)); err != nil {
		t.Fatal(err)
	}
	if _, _, _, path := ask("cool", "[]", ""); path != "one/gpt-4o:cooling_down>two/gpt-4o" {
		t.Errorf("after a reload: %s", path)
	}
}

func TestCheckOpensNothing(t *testing.T) {
	cfg := load(t, "providers: {m: {type: mock}}\n", nil)
	cfg.Usage.Database = config.NewSecret(filepath.Join(t.TempDir(), "ledger.db"))
	if err := Check(Options{Config: cfg}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cfg.Usage.Database.Reveal()); err == nil {
		t.Error("the ledger was opened")
	}
	cfg.Usage.Prices = "/nonexistent/prices.json"
	if err := Check(Options{Config: cfg}); err == nil || !strings.Contains(err.Error(), "usage.prices") {
		t.Errorf("got %v", err)
	}
}
