package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// watched has a route whose first target is down, so that the page has a
// fallback and an open circuit to show.
const watched = `
providers:
  steady: {type: mock}
  down: {type: openai, base_url: "http://127.0.0.1:9/v1", keys: ["` + upstreamKey + `"], retry: {max: 0}, breaker: {min_requests: 5, cooldown: 600s}}
models:
  chat: {targets: [{provider: down, model: gpt-4o}, {provider: steady, model: chat+delay-30ms}]}
  code: {targets: [{provider: steady, model: lorem-60+delay-80ms}], shadow: {target: {provider: steady, model: lorem-20}, percent: 100}}
  tools: {targets: [{provider: steady, model: chat}]}
  slow: {targets: [{provider: steady, model: lorem-400+pace-30ms}]}
  trial: {targets: [{provider: steady, model: chat}], canary: {candidate: {provider: steady, model: lorem-20}, steps: [5, 25, 100]}}
  risky: {retries: 0, targets: [{provider: steady, model: chat}], canary: {candidate: {provider: steady, model: status-503}, steps: [50, 100], min_requests: 20}}
usage: {unknown_price: 5}
limits: {rps: 0, budget: {day: 5, month: 100}}
`

const operatorToken = "adm-test-0000-0000-0000"

// TestOperatorsPage drives the page in a real browser. SHOTS=folder keeps pictures
// of it.
func TestOperatorsPage(t *testing.T) { atThePage(t, "dashboard.mjs") }

// TestOperator does there what operators do.
func TestOperator(t *testing.T) { atThePage(t, "operator.mjs") }

func atThePage(t *testing.T, script string) {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: chromium is not installed; test/e2e/setup.sh installs it")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(watched), 0o600); err != nil {
		t.Fatal(err)
	}
	gw := startIn(t, dir, []string{
		"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=app=" + clientKey, "GATEWAY_CONFIG=" + file, "GATEWAY_ADMIN_TOKEN=" + operatorToken,
	}, "serve")
	node(t, script, "GATEWAY="+conformed(t, gw.base), "TOKEN="+operatorToken, "KEY="+clientKey, "CHROMIUM="+browser)
}
