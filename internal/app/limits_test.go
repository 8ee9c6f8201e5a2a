package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const limitsYAML = `
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"]}
models:
  chat: {targets: [{provider: up, model: mock/echo}]}
  slow: {targets: [{provider: up, model: mock/echo}], limits: {rps: 0.001, burst: 1}}
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team, limits: {rps: 0.01, burst: 5, tpm: 500}}]
  tenants: {team: {limits: {concurrency: 10, budget: {day: %[2]s}}}}
usage: {unknown_price: %[3]s}
`

func (r *running) chat(t *testing.T, model, more string) (int, string, string) {
	t.Helper()
	status, h, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]`+more+`}`)
	head := strings.Join([]string{
		h.Get("X-Ratelimit-Limit-Requests"), h.Get("X-Ratelimit-Remaining-Requests"),
		h.Get("X-Ratelimit-Limit-Tokens"), h.Get("X-Ratelimit-Remaining-Tokens"), h.Get("Retry-After"),
	}, " ")
	return status, head, body
}

// TestLimitsOverHTTP: each limit refuses in its own words, and the headers tell
// what is left of the key's own limits.
func TestLimitsOverHTTP(t *testing.T) {
	yaml := fmt.Sprintf(limitsYAML, mockUpstream(t), "0", "flag")
	r := start(t, yaml, nil)
	for i, tc := range []struct {
		model, more string
		status      int
		head, says  string
	}{
		{"slow", `,"max_tokens":300`, 200, "5 4 500 180 ", ""}, // 20 tokens of prompt, by its bytes
		{"slow", `,"max_tokens":300`, 429, "", "the route slow has used its 0.001 requests per second"},
		{"chat", `,"max_tokens":900`, 429, "", "more than the 500 tokens per minute of the key app"},
		{"chat", `,"max_tokens":50`, 200, "", ""},
		{"chat", ``, 429, "", "the key app has used its 500 tokens per minute"},
	} {
		status, head, body := r.chat(t, tc.model, tc.more)
		if status != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("step %d: %d %s", i, status, body)
		}
		if tc.head != "" && head != tc.head {
			t.Errorf("step %d: headers %q", i, head)
		}
		if strings.Contains(tc.says, "more than") && !strings.HasSuffix(head, " ") {
			t.Errorf("step %d: a wait is promised where none helps: %q", i, head)
		}
	}
	if err := r.app.Reload(t.Context(), load(t, strings.Replace(yaml, "burst: 5", "burst: 6", 1), nil)); err != nil {
		t.Fatal(err)
	}
	if status, head, _ := r.chat(t, "slow", ""); status != 429 || !strings.HasPrefix(head, "6 3 500 ") {
		t.Errorf("a reload has refilled something: %d %q", status, head)
	}
}

func TestBudgetOverHTTP(t *testing.T) {
	up := mockUpstream(t)
	r := start(t, fmt.Sprintf(limitsYAML, up, "0.000001", "5"), nil) // priced at 5 dollars a million tokens
	if status, _, body := r.chat(t, "chat", `,"max_tokens":5`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	status, _, body := r.chat(t, "chat", `,"max_tokens":5`)
	if status != 402 || !strings.Contains(body, "the tenant team has spent its budget of 0.000001 dollars for this day") || !strings.Contains(body, "budget_exceeded") {
		t.Errorf("%d %s", status, body)
	}
	deny := start(t, strings.Replace(fmt.Sprintf(limitsYAML, up, "1", "deny"), "mock/echo", "no-such-model", 1), nil)
	if status, _, body := deny.chat(t, "chat", `,"max_tokens":5`); status != 402 || !strings.Contains(body, "price of the model") {
		t.Errorf("an unpriced model under deny: %d %s", status, body)
	}
}

// TestBatchWaitsForTheLimitsOfItsKey: the items of a batch count one by one, and
// wait as they do for the gateway's limit.
func TestBatchWaitsForTheLimitsOfItsKey(t *testing.T) {
	yaml := strings.Replace(fmt.Sprintf(limitsYAML, mockUpstream(t), "0", "flag"), "rps: 0.01, burst: 5, tpm: 500", "rps: 20, burst: 2", 1)
	r := start(t, yaml, nil)
	began := time.Now()
	status, _, body := r.do(t, "POST", "/v1/generate/batch", `{"requests":[`+strings.Repeat(`{"model":"chat","prompt":"hi"},`, 9)+`{"model":"slow","prompt":"hi"}]}`)
	if took := time.Since(began); status != 200 || !strings.Contains(body, `"succeeded":10`) || took < 8*50*time.Millisecond {
		t.Errorf("after %v: %d %s", took, status, body)
	}
}

const redisYAML = `
models:
  chat: {targets: [{provider: up, model: mock/echo}]}
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"]}
auth:
  keys: [{name: app, key: "` + clientKey + `", limits: {rps: 0.001, burst: 20}}]
redis: {url: "redis://:%[2]s@%[3]s", timeout: 2s, on_failure: %[4]s}
`

// TestReplicasShareLimits: two gateways with one Redis allow what one would;
// without it they go on by themselves, say so, and come back.
func TestReplicasShareLimits(t *testing.T) {
	const secret = "redis-secret-0000"
	mr := miniredis.RunT(t)
	mr.RequireAuth(secret)
	yaml := fmt.Sprintf(redisYAML, mockUpstream(t), secret, mr.Addr(), "local")
	replicas := []*running{start(t, yaml, nil), start(t, yaml, nil)}
	ok := 0
	for i := range 30 {
		if status, _, _ := replicas[i%2].chat(t, "chat", ""); status == 200 {
			ok++
		}
	}
	if ok != 20 {
		t.Errorf("%d calls on two replicas, 20 allowed", ok)
	}
	r := replicas[0]
	expect := func(path, part string) {
		t.Helper()
		body := ""
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
			if _, _, body = r.do(t, "GET", path, ""); strings.Contains(body, part) {
				return
			}
		}
		t.Fatalf("%s never says %s: %s", path, part, body)
	}
	expect("/readyz", `{"name":"redis","state":"ok"}`)
	expect("/metrics", "gateway_redis_up 1\n")
	mr.Close()
	for range 5 {
		if status, _, body := r.chat(t, "chat", ""); status != 200 {
			t.Errorf("without Redis: %d %s", status, body)
		}
	}
	expect("/readyz", `"status":"ready","checks":[{"name":"redis","state":"degraded","detail":"redis does not answer`)
	expect("/metrics", "gateway_redis_up 0\n")
	expect("/metrics", "gateway_limits_fallback_total 5\n")
	if err := mr.Restart(); err != nil {
		t.Fatal(err)
	}
	expect("/readyz", `{"name":"redis","state":"ok"}`)
	if status, _, _ := r.chat(t, "chat", ""); status != 429 {
		t.Errorf("Redis is back and its limits are not: %d", status)
	}
	if text := r.log.String(); !strings.Contains(text, "redis does not answer") || !strings.Contains(text, "redis answers") || strings.Contains(text, secret) {
		t.Errorf("the log does not tell it, or tells too much: %s", text)
	}
}

func TestRefusesWithoutRedis(t *testing.T) {
	r := start(t, fmt.Sprintf(redisYAML, mockUpstream(t), "x", "127.0.0.1:1", "refuse"), nil)
	status, _, body := r.chat(t, "chat", "")
	if status != 503 || !strings.Contains(body, "the limits cannot be checked") {
		t.Errorf("%d %s", status, body)
	}
	if _, _, body := r.do(t, "GET", "/readyz", ""); !strings.Contains(body, `"state":"failed"`) {
		t.Errorf("readyz: %s", body)
	}
}
