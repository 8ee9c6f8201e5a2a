package app

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const shadowYAML = `
limits: {rps: 0}
providers:
  m: {type: mock}
models:
  chat:
    targets: [{provider: m, model: mock/echo}]
    shadow: {target: {provider: m, model: %s}, percent: 100, budget_per_day: 5}
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team, models: [chat]}]
  tenants: {team: {models: [chat]}}
server: {admin: {token: ` + adminToken + `}}
`

// TestShadow: copies are made, compared, shown to operators alone, and are in
// the ledger as what they are, not as requests of the client.
func TestShadow(t *testing.T) {
	for model, want := range map[string]string{
		"mock/lorem-20":        `"compared":{"count":2,"both_ok":2,"target_failed":0,`,
		"mock/echo+status-503": `"compared":{"count":2,"both_ok":0,"target_failed":2,`,
	} {
		r := start(t, fmt.Sprintf(shadowYAML, model), nil)
		for _, stream := range []string{"false", "true"} {
			status, h, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"chat","stream":`+stream+`,"messages":[{"role":"user","content":"hi"}]}`)
			if status != 200 || h.Get("X-Gateway-Model") != "mock/echo" || strings.Contains(body, "lorem") {
				t.Fatalf("the client sees %d %v %s", status, h, body)
			}
		}
		var seen string
		for deadline := time.Now().Add(5 * time.Second); !strings.Contains(seen, want); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: operators see %s", model, seen)
			}
			_, seen = r.operator(t, "/admin/v1/shadows", adminToken)
		}
		if err := r.app.ledger.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, usage := r.operator(t, "/admin/v1/usage?group_by=key,route", adminToken)
		for _, want := range []string{`"key":"app","route":"chat","requests":2,"attempts":2`, `"key":"","route":"shadow:chat","requests":0,"attempts":2`} {
			if !strings.Contains(usage, want) {
				t.Errorf("%s: the ledger lacks %s: %s", model, want, usage)
			}
		}
		_, _, metrics := r.do(t, "GET", "/metrics", "")
		if !strings.Contains(metrics, `llm_shadow_requests_total{outcome=`) || !strings.Contains(metrics, `llm_shadow_pairs_total{`) {
			t.Error("no metrics of copies")
		}
	}
}

// TestShadowUsesItsAccount: a copy stands under the limits of the account that
// it goes to, and one that is refused there is the client's loss in nothing.
func TestShadowUsesItsAccount(t *testing.T) {
	r := start(t, `
limits: {rps: 0}
providers:
  m: {type: mock}
  other: {type: mock, limits: {rps: 0.001, burst: 1, max_wait: 0s, tpm: 100000, budget: {day: 1}}}
models:
  chat:
    targets: [{provider: m, model: mock/echo}]
    shadow: {target: {provider: other, model: mock/echo}, percent: 100}
auth: {keys: [{name: app, key: "`+clientKey+`"}]}
usage: {unknown_price: 5}
server: {admin: {token: `+adminToken+`}}
`, nil)
	for range 2 {
		if status, provider, body := r.chat(t, "chat", ""); status != 200 {
			t.Fatalf("the client sees %d %s %s", status, provider, body)
		}
	}
	const compared = `"count":2,"both_ok":1,"target_failed":1,`
	var seen string
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(seen, compared); {
		if time.Now().After(deadline) {
			t.Fatalf("operators see %s", seen)
		}
		_, seen = r.operator(t, "/admin/v1/shadows", adminToken)
	}
	_, rows := r.operator(t, "/admin/v1/limits", adminToken)
	for _, want := range []string{`{"rps":0.001,"burst":1,"remaining":0,`, `"tokens":{"tpm":100000,"used":`, `"day":{"budget":1,"spent":0.0000`} {
		if i := strings.Index(rows, `"name":"other"`); i < 0 || !strings.Contains(rows[i:], want) {
			t.Errorf("the account's limits lack %s: %s", want, rows)
		}
	}
}
