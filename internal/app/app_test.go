package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clientKey = "gw_test_client_000000000000000000"
	provKey   = "sk-test-provider-0000000000"
)

// lockedLog gathers log lines of several goroutines.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// running is a gateway under test, on a port of its own.
type running struct {
	app  *App
	base string
	log  *lockedLog
	stop func() error
}

// start runs a gateway from a configuration file's text and variables.
func start(t *testing.T, yaml string, env map[string]string) *running {
	t.Helper()
	return startWith(t, load(t, yaml, env))
}

func startWith(t *testing.T, cfg *config.Config) *running {
	t.Helper()
	r := &running{log: &lockedLog{}}
	logger := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := New(Options{Config: cfg, Logger: logger, Version: "test", Commit: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	r.app, r.base = a, a.URL()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return r
}

func load(t *testing.T, yaml string, env map[string]string) *config.Config {
	t.Helper()
	all := map[string]string{"GATEWAY_ADDR": "127.0.0.1:0"}
	for k, v := range env {
		all[k] = v
	}
	src := config.Source{LookupEnv: func(k string) (string, bool) { v, ok := all[k]; return v, ok }}
	if yaml != "" {
		src.File = filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(src.File, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(src)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Usage.Database.IsZero() {
		cfg.Usage.Database = config.NewSecret("memory") // not a file in this folder
	}
	cfg.Server.ShutdownGrace = 0
	cfg.Server.DrainTimeout = config.Duration(5 * time.Second)
	return cfg
}

// mockUpstream is the stand-alone mock on loopback.
func mockUpstream(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(mockserver.New(mockserver.Options{Key: provKey}))
	t.Cleanup(s.Close)
	return s.URL
}

// do sends one request and returns status, head and body.
func (r *running) do(t *testing.T, method, path, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
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

func TestMockAnswersWithoutConfiguration(t *testing.T) {
	r := start(t, "", nil)
	status, _, body := r.do(t, "POST", "/v1/generate", `{"prompt":"hello"}`)
	var env struct {
		Code int
		Data struct {
			Provider string
			Text     string
			Cost     struct{ Amount json.Number }
		}
	}
	if err := json.Unmarshal([]byte(body), &env); err != nil || status != 200 || env.Code != 200 || env.Data.Provider != "mock" || env.Data.Text == "" || env.Data.Cost.Amount == "" {
		t.Fatalf("%d %s", status, body)
	}
	text, err := r.app.Service().CallLLM(t.Context(), "hello")
	if err != nil || text != env.Data.Text {
		t.Errorf("CallLLM: %q, %v; over HTTP %q", text, err, env.Data.Text)
	}
	if status, _, body := r.do(t, "GET", "/v1/models", ""); status != 200 || !strings.Contains(body, `"mock/echo"`) {
		t.Errorf("models: %d %s", status, body)
	}
}

func TestClassicThreeVariables(t *testing.T) {
	up := mockUpstream(t)
	for _, base := range []string{up + "/v1", up + "/v1/", up + "/v1/chat/completions"} {
		r := start(t, "", map[string]string{"OPENAI_API_KEY": provKey, "MODEL_NAME": "mock/echo", "BASE_URL": base})
		if status, _, body := r.do(t, "POST", "/v1/generate", `{"prompt":"ping"}`); status != 200 || !strings.Contains(body, `"provider":"openai","text":"ping"`) {
			t.Errorf("%s: %d %s", base, status, body)
		}
	}
}

const fallbackYAML = `
providers:
  first: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, breaker: {min_requests: 4, cooldown: 1h}}
  second: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"]}
models:
  chat:
    aliases: [talk]
    retries: 1
    targets:
      - {provider: first, model: mock/status-503}
      - {provider: second, model: mock/echo}
  limited:
    targets: [{provider: first, model: mock/status-401}]
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team, models: [chat, talk]}]
  tenants: {team: {models: [chat, talk]}}
`

func TestFallbackCircuitAndPermissions(t *testing.T) {
	r := start(t, fmt.Sprintf(fallbackYAML, mockUpstream(t)), nil)
	ask := func(model string) (int, http.Header, string) {
		return r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
	}
	for i, want := range []string{"3", "3", "1", "1"} { // two tries at first and one at second; then the circuit is open
		status, h, body := ask("chat")
		if status != 200 || h.Get("X-Gateway-Provider") != "second" || h.Get("X-Gateway-Attempts") != want {
			t.Fatalf("call %d: %d, %s by %s: %s", i, status, h.Get("X-Gateway-Attempts"), h.Get("X-Gateway-Provider"), body)
		}
	}
	if status, _, _ := ask("talk"); status != 200 {
		t.Errorf("alias: %d", status)
	}
	if status, _, body := ask("limited"); status != 403 || !strings.Contains(body, `"permission_error"`) {
		t.Errorf("forbidden model: %d %s", status, body)
	}
	_, _, m := r.do(t, "GET", "/metrics", "")
	for _, line := range []string{
		`llm_fallbacks_total{from="first/mock/status-503",route="chat",to="second/mock/echo"} 5`,
		`llm_retries_total{provider="first",reason="upstream_error"} 2`,
		`llm_circuit_state{model="mock/status-503",provider="first"} 2`,
		`llm_requests_total{model="mock/echo",outcome="complete",provider="second",route="chat"} 5`,
		`gateway_rejected_total{reason="permission_denied"} 1`,
	} {
		if !strings.Contains(m, line+"\n") {
			t.Errorf("metrics lack %s", line)
		}
	}
	if !strings.Contains(r.log.String(), `"circuit open: too many`) {
		t.Error("the log does not tell of the open circuit")
	}
}

func TestReloadKeepsWhatMustLast(t *testing.T) {
	up := mockUpstream(t)
	yaml := fmt.Sprintf(fallbackYAML, up)
	r := start(t, yaml, nil)
	body := `{"model":"chat","messages":[{"role":"user","content":"hi"}]}`
	for range 2 {
		r.do(t, "POST", "/v1/chat/completions", body)
	}
	if err := r.app.Reload(t.Context(), load(t, strings.Replace(yaml, "aliases: [talk]", "aliases: [speak, talk]", 1), nil)); err != nil {
		t.Fatal(err)
	}
	if _, h, _ := r.do(t, "POST", "/v1/chat/completions", body); h.Get("X-Gateway-Attempts") != "1" {
		t.Errorf("the open circuit was forgotten: %s attempts", h.Get("X-Gateway-Attempts"))
	}
	// A key that the new configuration lacks stops working at once.
	if err := r.app.Reload(t.Context(), load(t, strings.Replace(yaml, clientKey, clientKey+"x", 1), nil)); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := r.do(t, "POST", "/v1/chat/completions", body); status != 401 {
		t.Errorf("a revoked key gets %d", status)
	}
}

func TestRefusedCredentialGivesWayToTheNext(t *testing.T) {
	r := start(t, fmt.Sprintf(`
providers:
  up: {type: openai, base_url: "%s/v1", keys: ["sk-revoked-00000000", "%s"]}
`, mockUpstream(t), provKey), nil)
	for i, attempts := range []string{"2", "1", "1"} { // the refused key rests from the first call on
		status, h, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"up/mock/echo","messages":[{"role":"user","content":"hi"}]}`)
		if status != 200 || h.Get("X-Gateway-Attempts") != attempts {
			t.Errorf("call %d: %d after %s attempts: %s", i, status, h.Get("X-Gateway-Attempts"), body)
		}
	}
}

func TestEmbeddingsInTheFormThatWasAsked(t *testing.T) {
	r := start(t, "", nil) // the mock in process answers with numbers
	for format, want := range map[string]string{`,"encoding_format":"base64"`: `"embedding":"`, "": `"embedding":[`} {
		status, _, body := r.do(t, "POST", "/v1/embeddings", `{"model":"mock/embed","input":"hi","dimensions":8`+format+`}`)
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", format, status, body)
		}
	}
}
