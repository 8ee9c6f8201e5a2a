package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const canaryYAML = `
limits: {rps: 0}
server: {admin: {token: adm-test-0000}}
auth: {keys: [{name: app, key: "` + clientKey + `"}]}
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], retry: {max: 0}}
models:
  chat:
    targets: [{provider: up, model: mock/echo}]
    canary: {candidate: {provider: up, model: mock/echo+flaky-20+status-500}, steps: [20, 50, 100], step_interval: 1h, min_requests: 50}
`

// TestCanaryRollsBack: a candidate that the mock makes fail every fifth time is
// taken back by itself, no client noticing; metric, log and operators' API show
// it, and it stays away until an operator resumes.
func TestCanaryRollsBack(t *testing.T) {
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, canaryYAML, mock.base), 0o600); err != nil {
		t.Fatal(err)
	}
	gw := start(t, []string{"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_CONFIG=" + file}, "serve")
	deadline := time.Now().Add(30 * time.Second)
	for i := 0; ; i++ {
		if time.Now().After(deadline) {
			t.Fatalf("not rolled back after %d calls: %s", i, canaryState(t, gw.base))
		}
		resp := post(t, gw.base+"/v1/chat/completions", fmt.Sprintf(`{"model":"chat","user":"u%d","messages":[{"role":"user","content":"x"}]}`, i%1000))
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("a client noticed: %d %s", resp.StatusCode, b)
		}
		if i%100 == 99 && strings.Contains(canaryState(t, gw.base), `"state":"rolled_back"`) {
			break
		}
	}
	if s := canaryState(t, gw.base); !strings.Contains(s, `"percent":0`) || !strings.Contains(s, `"reason":"errors: `) || !strings.Contains(s, `"by":"gateway"`) {
		t.Errorf("operators see %s", s)
	}
	gw.awaitLog(t, "canary rolled_back")
	_, metrics := get(t, gw.base+"/metrics")
	for _, want := range []string{`llm_canary_weight{route="chat"} 0`, `llm_canary_judgements_total{result="rolled_back",route="chat"} 1`, `gateway_alerts_total{kind="canary_rolled_back"} 1`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if s := operate(t, "POST", gw.base+"/admin/v1/canaries/chat", `{"action":"resume"}`); !strings.Contains(s, `"state":"running","step":1`) {
		t.Errorf("resumed: %s", s)
	}
}

func canaryState(t *testing.T, base string) string {
	t.Helper()
	return operate(t, "GET", base+"/admin/v1/canaries", "")
}

// operate asks as an operator and returns the body, which must be an envelope.
func operate(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer adm-test-0000")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !json.Valid(b) {
		t.Fatalf("%s %s: %d %s", method, url, resp.StatusCode, b)
	}
	return string(b)
}
