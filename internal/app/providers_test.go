package app

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider"
)

// serviceAccount writes a credentials file with a key that guards nothing.
func serviceAccount(t testing.TB, tokenURI string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "robot@example.iam.gserviceaccount.com", "token_uri": tokenURI,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sa.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func testApp() *App {
	return &App{o: Options{Config: &config.Config{}}, client: provider.NewClient(http.DefaultTransport)}
}

// TestEveryKindHasAProvider: the table of kinds and the configuration's agree,
// and what is made shows no secret.
func TestEveryKindHasAProvider(t *testing.T) {
	a, p := testApp(), builtIn(t)
	file := serviceAccount(t, "https://oauth2.googleapis.com/token")
	made := map[string]llm.Provider{}
	for _, info := range config.Kinds() {
		c := &config.Provider{Type: info.Kind, BaseURL: info.BaseURL, Keys: []config.Secret{config.NewSecret("sk-test-0000")},
			Headers: map[string]config.Secret{"X-Team": config.NewSecret("sk-test-1111")}}
		switch info.Kind {
		case config.KindAzure:
			c.BaseURL = "https://res.openai.azure.com"
		case config.KindVertex:
			c.Keys, c.Project, c.Location, c.Credentials = nil, "p", "global", file
		}
		got, err := a.newProvider(string(info.Kind), c, p)
		if err != nil {
			t.Errorf("%s: %v", info.Kind, err)
			continue
		}
		made[string(info.Kind)] = got
		for _, said := range []string{fmt.Sprintf("%v", got), fmt.Sprintf("%+v", got), fmt.Sprintf("%#v", got)} {
			if strings.Contains(said, "sk-test") {
				t.Errorf("%s shows a secret: %s", info.Kind, said)
			}
		}
	}
	closeProviders(made)
	if len(makers) != 7 {
		t.Errorf("%d protocols", len(makers))
	}
}

func TestNewProviderNamesTheEntry(t *testing.T) {
	a, p := testApp(), builtIn(t)
	for _, c := range []*config.Provider{
		{Type: "unheard-of"},
		{Type: config.KindAzure},
		{Type: config.KindAnthropic, BaseURL: "hunter2"},
		{Type: config.KindVertex, Project: "p", Location: "l", Credentials: "/nowhere"},
		{Type: "groq", BaseURL: "https://h", Keys: []config.Secret{config.NewSecret("a\nhunter2")}},
	} {
		if _, err := a.newProvider("mine", c, p); err == nil || !strings.Contains(err.Error(), "providers.mine") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", c.Type, err)
		}
	}
}

// TestPresets: every preset of the configuration has its row, no row is for
// another, and each can be asked for something.
func TestPresets(t *testing.T) {
	rows := maps.Clone(presets)
	for _, info := range config.Kinds() {
		row, ok := rows[info.Kind]
		if preset := info.Wire == config.KindOpenAI && info.Kind != config.KindOpenAI; preset != ok {
			t.Errorf("%s: preset %v, row %v", info.Kind, preset, ok)
		}
		if !ok {
			continue
		}
		s := row.supporter(info.Kind)("some-model")
		r := &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "hi"}}}}}
		if _, _, err := dialect.Fit(r, s, false); err != nil || s.Target != string(info.Kind) || row.codec.MaxTokensName == "" {
			t.Errorf("%s: %v, %+v", info.Kind, err, row.codec)
		}
		delete(rows, info.Kind)
	}
	if len(rows) > 0 {
		t.Errorf("rows for no preset: %v", rows)
	}
}

// TestProvidersPage: docs/providers.md has every kind with its variables and
// its address.
func TestProvidersPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for line := range strings.Lines(string(b)) {
		if kind, rest, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && strings.HasPrefix(line, "| `") {
			rows[kind] = rest
		}
	}
	for _, info := range config.Kinds() {
		row, ok := rows[string(info.Kind)]
		if !ok {
			t.Errorf("%s is missing", info.Kind)
		}
		for _, fact := range []string{info.KeyEnv, info.BaseURLEnv, info.BaseURL} {
			if fact != "" && !strings.Contains(row, "`"+fact+"`") {
				t.Errorf("%s: %s is missing in %s", info.Kind, fact, row)
			}
		}
	}
}

// TestPresetsOnTheWire asks presets for what they differ in.
func TestPresetsOnTheWire(t *testing.T) {
	var mu sync.Mutex
	var body string
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		body = string(b)
		mu.Unlock()
		w.Write([]byte(`{"id":"c","choices":[{"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}`)) //nolint:errcheck // a test's answer
	}))
	defer up.Close()
	n, seed := int64(9), int64(1)
	history := []llm.Message{
		{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "hi"}}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hm"}}, {Type: llm.PartText, Text: "ho"}}},
		{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "so"}}},
	}
	for _, tc := range []struct {
		kind  config.Kind
		req   llm.Request
		sent  string // in the body
		param string // refused
	}{
		{"deepseek", llm.Request{MaxTokens: &n}, `"reasoning_content":"hm","content":"ho"`, ""},
		{"deepseek", llm.Request{MaxTokens: &n}, `"max_tokens":9`, ""},
		{"deepseek", llm.Request{Seed: &seed}, "", "seed"},
		{"groq", llm.Request{MaxTokens: &n}, `"max_completion_tokens":9`, ""},
		{"groq", llm.Request{}, `"reasoning":"hm"`, ""},
		{"mistral", llm.Request{Seed: &seed}, "", "seed"},
		{"openrouter", llm.Request{}, `"reasoning_details":[{"type":"reasoning.text","text":"hm"`, ""},
		{"zhipu", llm.Request{Stop: []string{"a", "b"}}, "", "stop[1]"},
		{"ollama", llm.Request{MaxTokens: &n, Seed: &seed}, `"max_tokens":9`, ""},
		{"lmstudio", llm.Request{ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject}}, "", "response_format"},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			a := testApp()
			p, err := a.newProvider("p", &config.Provider{Type: tc.kind, BaseURL: up.URL}, builtIn(t))
			if err != nil {
				t.Fatal(err)
			}
			tc.req.Messages = history
			c := &llm.Call{Op: llm.OpChat, Model: "m", Dialect: llm.DialectAnthropic, Meta: &llm.Meta{}, Request: func() (*llm.Request, error) { return &tc.req, nil }}
			_, err = p.Do(t.Context(), c)
			if tc.param != "" {
				if e := llm.AsError(err); e == nil || e.Kind != llm.KindUnsupported || e.Param != tc.param {
					t.Errorf("%v", err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil || !strings.Contains(body, tc.sent) {
				t.Errorf("%v: %s", err, body)
			}
		})
	}
}

// TestVertexThroughTheGateway: the token is fetched once for all requests, and
// again after a reload; nothing is left running.
func TestVertexThroughTheGateway(t *testing.T) {
	var mu sync.Mutex
	exchanges := 0
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/token" {
			mu.Lock()
			exchanges++
			mu.Unlock()
			w.Write([]byte(`{"access_token":"ya29.test-token","expires_in":3600}`)) //nolint:errcheck // a test's answer
			return
		}
		if r.Header.Get("Authorization") != "Bearer ya29.test-token" || r.URL.Path != "/v1/projects/p/locations/global/publishers/google/models/gemini-2.5-flash:generateContent" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		w.Write([]byte(`{"candidates":[{"content":{"parts":[{"text":"hello"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1}}`)) //nolint:errcheck // a test's answer
	}))
	defer up.Close()
	yaml := fmt.Sprintf("providers:\n  google: {type: vertex, project: p, location: global, base_url: %q, credentials_file: %q}\nlimits: {rps: 0}\n", up.URL, serviceAccount(t, up.URL+"/token"))
	r := start(t, yaml, nil)
	for range 3 {
		status, _, answer := r.do(t, "POST", "/v1/generate", `{"model":"google/gemini-2.5-flash","prompt":"hi"}`)
		if status != 200 || !strings.Contains(answer, "hello") {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if err := r.app.Reload(t.Context(), load(t, yaml, nil)); err != nil {
		t.Fatal(err)
	}
	if status, _, answer := r.do(t, "POST", "/v1/generate", `{"model":"google/gemini-2.5-flash","prompt":"hi"}`); status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	mu.Lock()
	defer mu.Unlock()
	if exchanges != 2 {
		t.Errorf("%d exchanges", exchanges)
	}
	if strings.Contains(r.log.String(), "ya29") || strings.Contains(r.log.String(), "robot@") {
		t.Error("a secret is in the log")
	}
}
