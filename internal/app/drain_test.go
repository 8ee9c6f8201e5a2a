package app

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// leaveStream asks for a stream, reads its beginning and goes away.
func leaveStream(t *testing.T, r *running, model string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", r.base+"/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 64)); err != nil || resp.StatusCode != 200 {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
}

// TestOnClientGone: with drain a stream that was left is read to its end, holds
// its slot until then and is recorded with what it really used; with cancel the
// upstream is stopped at once and the usage estimated.
func TestOnClientGone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	r := start(t, fmt.Sprintf(`
providers:
  drains: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s], on_client_gone: drain}
  cancels: {type: openai, base_url: "%[1]s/v1", keys: [%[2]s]}
models:
  kept: {targets: [{provider: drains, model: mock/lorem-60+pace-20ms}], limits: {concurrency: 1, tpm: 100000}}
  stopped: {targets: [{provider: cancels, model: mock/lorem-60+pace-20ms}], limits: {concurrency: 1, tpm: 100000}}
usage: {database: '%[3]s', unknown_price: 5}
`, mockUpstream(t), provKey, file), nil)
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	record := func(provider string) (got string, took float64) {
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
			r.flushed(t)
			const ask = "SELECT outcome || ' ' || usage_source || ' ' || (output >= 60) || ' ' || (cost > 0), took_ms FROM ledger_records WHERE provider = ?"
			if db.QueryRowContext(t.Context(), ask, provider).Scan(&got, &took) == nil {
				return got, took
			}
		}
		t.Fatalf("no record of %s", provider)
		return "", 0
	}
	leaveStream(t, r, "stopped")
	if got, took := record("cancels"); got != "client_gone estimated 0 1" || took > 1000 {
		t.Errorf("cancel: %s after %v ms", got, took)
	}
	leaveStream(t, r, "kept")
	if status, _, body := r.chat(t, "kept", ""); status != 429 || !strings.Contains(body, "in flight") {
		t.Errorf("the slot was not held: %d %s", status, body)
	}
	if got, took := record("drains"); got != "client_gone reported 1 1" || took < 1000 {
		t.Errorf("drain: %s after %v ms", got, took)
	}
	if status, _, body := r.chat(t, "kept", ""); status != 200 {
		t.Errorf("the slot was not given back: %d %s", status, body)
	}
	_, _, metrics := r.do(t, "GET", "/metrics", "")
	for _, line := range []string{`llm_drains_total{result="complete"} 1`, "llm_drains_in_flight 0\n"} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
}

// TestStopWaitsForDrains: a record of a drain under way is not lost with the
// program.
func TestStopWaitsForDrains(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	r := start(t, fmt.Sprintf(`
providers: {up: {type: openai, base_url: "%s/v1", keys: [%s], on_client_gone: drain}}
usage: {database: '%s'}
server: {shutdown_grace: 0s}
`, mockUpstream(t), provKey, file), nil)
	leaveStream(t, r, "up/mock/lorem-60+pace-20ms")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var got string
	if err := db.QueryRowContext(t.Context(), "SELECT outcome || ' ' || usage_source FROM ledger_records").Scan(&got); err != nil || got != "client_gone reported" {
		t.Errorf("%q, %v", got, err)
	}
}
