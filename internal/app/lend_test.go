package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

const lendYAML = `
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, breaker: {min_requests: 0}}
  drained: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, on_client_gone: drain, breaker: {min_requests: 0}}
  foreign: {type: anthropic, base_url: "%[1]s", keys: ["` + provKey + `"], breaker: {min_requests: 0}}
models:
  plain: {retries: 2, targets: [{provider: up, model: plain}, {provider: drained, model: m}]}
  renamed: {retries: 2, targets: [{provider: up, model: m}, {provider: foreign, model: m}]}
  drained: {retries: 2, targets: [{provider: drained, model: m}]}
  hedged: {hedge: {after: 1ms, max_extra: 100%%}, targets: [{provider: up, model: m}, {provider: drained, model: m}]}
  shadowed: {targets: [{provider: up, model: m}], shadow: {target: {provider: drained, model: m}, percent: 100, budget_per_day: 5}}
  cached: {targets: [{provider: up, model: m}], cache: {ttl: 1m}}
auth:
  keys: [{name: app, key: "` + clientKey + `"}]
limits: {rps: 0}
`

// reader is an upstream that checks that each prompt is one letter all over,
// and answers in various ways.
type reader struct {
	seen, wrong atomic.Int64
	first       atomic.Pointer[string]
}

func (u *reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := u.seen.Add(1)
	if n%7 == 0 { // before the body is read
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"error":{"message":"no"}}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err == nil && !sound(body) {
		u.wrong.Add(1)
		text := string(body[:min(len(body), 200)])
		u.first.CompareAndSwap(nil, &text)
	}
	if bytes.Contains(body, []byte(`"stream":true`)) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 3 {
			_, _ = io.WriteString(w, `data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}`+"\n\n")
			_ = http.NewResponseController(w).Flush()
		}
		if n%5 != 0 { // else it is cut
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
}

// sound reports whether a body is JSON whose prompt is one letter all over.
func sound(body []byte) bool {
	var b struct {
		Messages []struct{ Content json.RawMessage }
	}
	if json.Unmarshal(body, &b) != nil || len(b.Messages) != 1 {
		return false
	}
	text := bytes.Trim(b.Messages[0].Content, `[]{}"`)
	_, text, _ = bytes.Cut(text, []byte("~"))
	text, _, _ = bytes.Cut(text, []byte("~"))
	return len(text) > 1000 && bytes.Count(text, text[:1]) == len(text)
}

// TestNoBodyIsMixedUpWithAnother: while the memory of bodies is used again,
// every request reaches every upstream as its client sent it, whoever else
// reads it: retries, other targets, hedges, shadows, drains and caches. With
// the race detector a buffer is overwritten when it comes back.
func TestNoBodyIsMixedUpWithAnother(t *testing.T) {
	up := &reader{}
	s := httptest.NewServer(up)
	t.Cleanup(s.Close)
	g := start(t, fmt.Sprintf(lendYAML, s.URL), nil)
	models := []string{"plain", "renamed", "drained", "hedged", "shadowed", "cached"}
	sizes := []int{1100, 1900, 6000, 60_000, 140_000}
	var clients sync.WaitGroup
	for c := range 8 {
		clients.Go(func() {
			for i := range 60 {
				n := c*60 + i
				letter := string(rune('a' + n%26))
				body := fmt.Sprintf(`{"model":%q,"stream":%v,"messages":[{"role":"user","content":"~%s~"}],"max_tokens":9}`,
					models[n%len(models)], n%2 == 0, strings.Repeat(letter, sizes[n%len(sizes)]+n))
				g.postAndRead(t, body, n%11 == 0)
			}
		})
	}
	clients.Wait()
	if up.wrong.Load() > 0 {
		t.Errorf("%d of %d bodies were mixed up: %s", up.wrong.Load(), up.seen.Load(), *up.first.Load())
	}
	if up.seen.Load() < 480 {
		t.Errorf("only %d requests have arrived", up.seen.Load())
	}
}

// postAndRead makes a call and reads the answer, or leaves at its beginning.
func (r *running) postAndRead(t *testing.T, body string, leave bool) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	defer resp.Body.Close()
	if leave {
		return
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
}
