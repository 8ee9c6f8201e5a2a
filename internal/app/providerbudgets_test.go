package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/notify"
)

const providerBudgetYAML = `
providers:
  small: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s], limits: {budget: {day: 0.0001, month: 1}}}
  large: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s]}
models:
  both: {targets: [{provider: small, model: mock/echo}, {provider: large, model: mock/echo}]}
  one: {targets: [{provider: small, model: mock/echo}]}
usage: {unknown_price: 5, database: %[3]q}
`

// TestProviderBudget: a call takes 8 tokens, 40 millionths of a dollar. The
// account is spent after three; then the next target answers, or nobody with
// 402. A restart forgives nothing.
func TestProviderBudget(t *testing.T) {
	h := newTold(t)
	yaml := fmt.Sprintf(providerBudgetYAML, mockUpstream(t), provKey, filepath.Join(t.TempDir(), "ledger.db")) + h.yaml()
	env := map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken}
	r := start(t, yaml, env)
	by := func(r *running, model string) string {
		t.Helper()
		status, header, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
		if status == 402 && (!strings.Contains(body, "the provider small has spent its budget of 0.0001 dollars for this day (UTC)") || header.Get("Retry-After") == "") {
			t.Errorf("%s", body)
		}
		return fmt.Sprint(status, " ", header.Get("X-Gateway-Provider"))
	}
	for i, want := range []string{"200 small", "200 small", "200 small", "200 large", "200 large"} {
		if got := by(r, "both"); got != want {
			t.Errorf("call %d: %s, want %s", i, got, want)
		}
	}
	if got := by(r, "one"); got != "402 small" {
		t.Errorf("without another target: %s", got)
	}
	h.expect(t, notify.BudgetAlert, notify.BudgetAlert, notify.BudgetExceeded)
	if _, _, text := r.do(t, "GET", "/metrics", ""); !strings.Contains(text, `gateway_budget_spent_ratio{name="small",period="day",scope="provider"} 1.2`) {
		t.Error("the metric does not tell what is spent")
	}
	const spent = `"day":{"budget":0.0001,"spent":0.00012,"remaining":0`
	for _, path := range []string{"/admin/v1/limits", "/admin/v1/providers"} {
		if _, body := r.as(t, adminToken, "GET", path, ""); !strings.Contains(body, spent) {
			t.Errorf("%s: %s", path, body)
		}
	}
	if err := r.app.Reload(t.Context(), load(t, yaml+"limits: {rps: 50}\n", env)); err != nil {
		t.Fatal(err)
	}
	if got := by(r, "both"); got != "200 large" {
		t.Errorf("after a reload: %s", got)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if got := by(start(t, yaml, env), "both"); got != "200 large" {
		t.Errorf("after a restart: %s", got)
	}
}
