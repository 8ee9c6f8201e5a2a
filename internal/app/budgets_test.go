package app

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestBudgetOutlivesARestart: what was spent before counts after.
func TestBudgetOutlivesARestart(t *testing.T) {
	yaml := fmt.Sprintf(`
providers: {m: {type: mock}}
models: {chat: {targets: [{provider: m, model: lorem-200}]}}
auth:
  keys: [{name: app, key: %q, limits: {budget: {day: 0.0005}}}]
usage: {database: %q}
`, clientKey, filepath.Join(t.TempDir(), "ledger.db"))
	ask := func(r *running) int {
		status, _, _ := r.do(t, "POST", "/v1/generate", `{"model":"chat","prompt":"hi"}`)
		return status
	}
	r := start(t, yaml, nil)
	spent := 0
	for ; spent < 10 && ask(r) == 200; spent++ {
	}
	if spent == 0 || spent == 10 {
		t.Fatalf("%d calls before the budget was reached", spent)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, yaml, nil)
	if status := ask(r); status != 402 {
		t.Errorf("after a restart a call gets %d", status)
	}
	if log := r.log.String(); strings.Contains(log, "starts empty") {
		t.Error(log)
	}
}
