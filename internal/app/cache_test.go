package app

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
)

const cacheYAML = `
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"]}
  ant: {type: anthropic, base_url: "%[1]s", keys: ["` + provKey + `"]}
models:
  chat: {targets: [{provider: up, model: mock/echo}], cache: {ttl: 1m, share: %[2]v}}
  far: {targets: [{provider: ant, model: mock/echo}], cache: {ttl: 1m, share: %[2]v}}
  slow: {targets: [{provider: up, model: mock/echo+delay-300ms}], cache: {}}
  plain: {targets: [{provider: up, model: mock/echo}]}
auth:
  keys:
    - {name: a, key: "gw_test_a_0000000000000000000000", tenant: one, limits: {tpm: 500}}
    - {name: b, key: "gw_test_b_0000000000000000000000", tenant: one}
    - {name: c, key: "gw_test_c_0000000000000000000000"}
usage: {unknown_price: 5}
%[3]s
`

// asKey sends a request as one of the keys and returns status, X-Gateway-Cache and
// body.
func (r *running) asKey(t *testing.T, key, path, body string, headers ...string) (int, string, string) {
	t.Helper()
	status, h, text := r.doWith(t, path, body, append([]string{"Authorization", "Bearer gw_test_" + key + "_0000000000000000000000"}, headers...)...)
	return status, h.Get("X-Gateway-Cache"), text
}

func (r *running) doWith(t *testing.T, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// TestCacheOverHTTP: who gets a kept answer, in which form, and who does not.
func TestCacheOverHTTP(t *testing.T) {
	for _, share := range []bool{false, true} {
		t.Run(fmt.Sprint("share ", share), func(t *testing.T) {
			r := start(t, fmt.Sprintf(cacheYAML, mockUpstream(t), share, ""), nil)
			const oai, ant, nat = "/v1/chat/completions", "/v1/messages", "/v1/generate"
			hi := func(model, more string) string {
				return `{"model":"` + model + `","max_tokens":50,"messages":[{"role":"user","content":"hi"}]` + more + `}`
			}
			answers := map[string]string{}
			for i, tc := range []struct{ key, path, body, header, want, same string }{
				{"a", oai, hi("chat", ""), "", "miss", "u"},
				{"a", oai, hi("chat", `, "user": "somebody"`), "", "hit", "u"},
				{"b", oai, hi("chat", `,"stream":false,"metadata":{"x":"y"}`), "", "hit", "u"},
				{"c", oai, hi("chat", ""), "", "miss", ""},
				{"a", oai, hi("chat", `,"temperature":1`), "", "miss", ""},
				{"a", oai, hi("chat", `,"seed":1`), "", "miss", ""},
				{"a", oai, hi("chat", `,"stream":true`), "", "miss", "s"},
				{"a", oai, hi("chat", `,"stream":true`), "", "hit", "s"},
				{"a", oai, hi("chat", `,"stream":true,"stream_options":{"include_usage":true}`), "", "miss", ""},
				{"a", oai, hi("chat", ""), "no-store", "bypass", ""},
				{"a", oai, hi("chat", ""), "no-cache", "bypass", "u2"},
				{"a", oai, hi("chat", ""), "", "hit", "u2"},
				{"a", oai, hi("far", ""), "", "miss", ""},
				{"a", oai, hi("far", `,"stream":true`), "", "hit", ""}, // canonical: one answer, both forms
				{"a", ant, hi("far", ""), "", "miss", "n"},
				{"a", ant, hi("far", ""), "", "hit", "n"},
				{"a", nat, hi("chat", ""), "", "miss", ""},
				{"a", nat, hi("chat", `,"timeout_ms":5000,"stream":true`), "", "hit", ""},
				{"a", "/v1/embeddings", `{"model":"chat","input":"x"}`, "", "miss", "e"},
				{"a", "/v1/embeddings", `{"input":"x", "model":"chat"}`, "", "hit", "e"},
				{"a", oai, hi("plain", ""), "", "", ""},
				{"a", "/v1/messages/count_tokens", `{"model":"far","messages":[{"role":"user","content":"hi"}]}`, "", "", ""},
			} {
				status, cached, body := r.asKey(t, tc.key, tc.path, tc.body, "Cache-Control", tc.header)
				if status != 200 || cached != tc.want {
					t.Errorf("step %d: %d %q, want %q: %s", i, status, cached, tc.want, body)
				}
				if was, ok := answers[tc.same]; ok && tc.same != "" && was != body {
					t.Errorf("step %d: not the answer that was given before:\n%s\n%s", i, body, was)
				}
				answers[tc.same] = body
			}
			if !strings.Contains(r.log.String(), `"cache":"hit"`) {
				t.Error("the log does not tell of hits")
			}
		})
	}
}

// TestHitsCostNothing: in the envelope, the ledger, the metrics and the limits.
func TestHitsCostNothing(t *testing.T) {
	r := start(t, fmt.Sprintf(cacheYAML, mockUpstream(t), true, ""), nil)
	body := `{"model":"chat","prompt":"hi","max_tokens":200}`
	for i := range 10 { // each reserves more than 200 of 500 tokens
		status, cached, text := r.asKey(t, "a", "/v1/generate", body)
		if status != 200 || i > 0 && (cached != "hit" || !strings.Contains(text, `"cost":{"amount":0,`) || !strings.Contains(text, `"cache":"hit"`)) {
			t.Fatalf("%d: %d %s %s", i, status, cached, text)
		}
	}
	r.flushed(t)
	rows := r.sums(t, ledger.ByRoute)
	if s := rows[0].Sums; len(rows) != 1 || s.Requests != 10 || s.Attempts != 1 || s.Completed != 10 || s.Rejected != 0 || s.Output > 100 || s.Cost == 0 || s.Unpriced != 0 {
		t.Errorf("%+v", rows)
	}
	_, _, metrics := r.do(t, "GET", "/metrics", "")
	for _, want := range []string{`llm_cache_total{result="hit"} 9`, `llm_cache_total{result="miss"} 1`, "llm_cache_entries 1", `outcome="complete",provider="up",route="chat"} 1`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestReplicasShareTheCache: what one has asked for, the other has in Redis; and
// a Redis that is gone is a miss, counted.
func TestReplicasShareTheCache(t *testing.T) {
	mr := miniredis.RunT(t)
	yaml := fmt.Sprintf(cacheYAML, mockUpstream(t), false, "cache: {store: redis}\nredis: {url: \"redis://"+mr.Addr()+"\"}")
	one, two := start(t, yaml, nil), start(t, yaml, nil)
	body := `{"model":"chat","messages":[{"role":"user","content":"hi"}]}`
	if _, cached, _ := one.asKey(t, "c", "/v1/chat/completions", body); cached != "miss" {
		t.Fatal(cached)
	}
	for cached := ""; cached != "hit"; { // it is written behind the answer
		_, cached, _ = two.asKey(t, "c", "/v1/chat/completions", body, "Cache-Control", "max-stale")
	}
	mr.SetError("LOADING")
	status, cached, _ := two.asKey(t, "c", "/v1/chat/completions", body)
	_, _, metrics := two.do(t, "GET", "/metrics", "")
	if status != 200 || cached != "miss" || !strings.Contains(metrics, `llm_cache_errors_total{op="read"} 1`) {
		t.Errorf("%d %s without Redis", status, cached)
	}
}

// TestIdenticalRequestsShareACall: one attempt for all, and a record for each.
func TestIdenticalRequestsShareACall(t *testing.T) {
	r := start(t, fmt.Sprintf(cacheYAML, mockUpstream(t), true, ""), nil)
	body := `{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	var all sync.WaitGroup
	var shared, other atomic.Int32
	for range 20 {
		all.Go(func() {
			status, cached, text := r.asKey(t, "c", "/v1/chat/completions", body)
			if status != 200 || !strings.Contains(text, "[DONE]") {
				t.Errorf("%d %s", status, text)
			}
			if cached == "shared" || cached == "hit" {
				shared.Add(1)
			} else {
				other.Add(1)
			}
		})
	}
	all.Wait()
	r.flushed(t)
	rows := r.sums(t, ledger.ByRoute)
	if s := rows[0].Sums; other.Load() != 1 || s.Requests != 20 || s.Attempts != 1 || s.Completed != 20 {
		t.Errorf("%d shared, %d not: %+v", shared.Load(), other.Load(), rows)
	}
}
