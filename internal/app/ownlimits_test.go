package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const jwtSecret = "0123456789abcdef0123456789abcdef"

// token signs claims as HS256; more is JSON members with a comma before them.
func token(sub, more string) string {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	body := part(`{"alg":"HS256"}`) + "." + part(fmt.Sprintf(`{"sub":%q,"exp":%d%s}`, sub, time.Now().Add(time.Hour).Unix(), more))
	mac := hmac.New(sha256.New, []byte(jwtSecret))
	_, _ = mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// as performs a request with a credential.
func (r *running) as(t *testing.T, cred, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if cred != "" {
		req.Header.Set("Authorization", "Bearer "+cred)
	}
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
	return resp.StatusCode, string(b)
}

func (r *running) call(t *testing.T, cred string) (int, string) {
	t.Helper()
	return r.as(t, cred, "POST", "/v1/generate", `{"model":"chat","prompt":"hi"}`)
}

const jwtYAML = `
providers: {m: {type: mock}}
models: {chat: {targets: [{provider: m, model: lorem-200}]}, other: {targets: [{provider: m, model: echo}]}}
auth:
  jwt: {secret: "` + jwtSecret + `", claims: {tenant: org, limits: plan}}
  tenants: {acme: {models: [chat], limits: {rps: 0.001, burst: 3}}}
limits: {rps: 0}
usage: {database: %q}
`

// TestTokensBringLimits: each subject has its own, its tenant's hold too, a
// malformed claim is refused, budgets outlive a restart.
func TestTokensBringLimits(t *testing.T) {
	yaml := fmt.Sprintf(jwtYAML, filepath.Join(t.TempDir(), "ledger.db"))
	r := start(t, yaml, nil)
	one := `,"org":"x","plan":{"rps":0.001,"burst":1}`
	for _, sub := range []string{"ada", "bob"} {
		if status, body := r.call(t, token(sub, one)); status != 200 {
			t.Fatal(sub, status, body)
		}
		if status, body := r.call(t, token(sub, one)); status != 429 || !strings.Contains(body, "the key jwt:"+sub) {
			t.Error(sub, status, body)
		}
	}
	for i, want := range []int{200, 200, 200, 429} {
		if status, body := r.call(t, token(fmt.Sprint("s", i), `,"org":"acme","plan":{}`)); status != want {
			t.Error(i, status, body)
		}
	}
	if status, body := r.as(t, token("s9", `,"org":"acme","plan":{}`), "POST", "/v1/generate", `{"model":"other","prompt":"hi"}`); status != 403 {
		t.Error("a tenant's token calls a model that the tenant may not:", status, body)
	}
	for _, plan := range []string{``, `,"plan":"big"`, `,"plan":{"rps":-1}`, `,"plan":{"speed":1}`} {
		if status, body := r.call(t, token("eve", `,"org":"x"`+plan)); status != 401 || !strings.Contains(body, "limits") {
			t.Error(plan, status, body)
		}
	}
	poor := token("poor", `,"org":"x","plan":{"budget":{"day":0.0005}}`)
	calls := 0
	for status := 0; calls < 10; calls++ {
		if status, _ = r.call(t, poor); status == 402 {
			break
		}
	}
	if calls == 0 || calls == 10 {
		t.Fatalf("%d calls before the budget was reached", calls)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, yaml, nil)
	if status, body := r.call(t, poor); status != 402 {
		t.Error("after a restart:", status, body)
	}
}

// TestCallersSeeTheirLimits in GET /v1/usage.
func TestCallersSeeTheirLimits(t *testing.T) {
	r := start(t, `
providers: {m: {type: mock}}
models: {chat: {targets: [{provider: m, model: lorem-200}]}}
auth:
  keys: [{name: app, key: "`+clientKey+`", tenant: acme, limits: {rps: 0.001, burst: 3, concurrency: 2, budget: {day: 5}}}]
  jwt: {secret: "`+jwtSecret+`", claims: {limits: plan}}
  tenants: {acme: {limits: {tpm: 100000, budget: {month: 7}}}}
`, nil)
	if status, body := r.call(t, clientKey); status != 200 {
		t.Fatal(status, body)
	}
	type use struct {
		Limit, RPS, Used, Remaining float64
		ResetAt                     time.Time `json:"reset_at"`
	}
	type subject struct {
		Name                          string
		Requests, Tokens, Concurrency *use
		Budget                        *struct{ Day, Month *use }
	}
	ask := func(cred string) (l struct{ Key, Tenant *subject }) {
		t.Helper()
		status, body := r.as(t, cred, "GET", "/v1/usage", "")
		var got struct {
			Data struct{ Limits json.RawMessage }
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
			t.Fatal(status, body, err)
		}
		if err := json.Unmarshal(got.Data.Limits, &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := ask(clientKey)
	k, team := l.Key, l.Tenant
	if k == nil || team == nil || k.Name != "app" || team.Name != "acme" {
		t.Fatalf("%+v", l)
	}
	if q := k.Requests; q.Limit != 3 || q.RPS != 0.001 || q.Used != 1 || q.Remaining != 2 || time.Until(q.ResetAt) < 15*time.Minute {
		t.Errorf("requests %+v", q)
	}
	if q := k.Concurrency; *q != (use{Limit: 2, Remaining: 2}) {
		t.Errorf("concurrency %+v", q)
	}
	if q := k.Budget.Day; q.Limit != 5 || q.Used <= 0 || q.Remaining >= 5 || q.ResetAt.IsZero() || k.Budget.Month != nil || k.Tokens != nil {
		t.Errorf("budget %+v", q)
	}
	if q := team.Tokens; q.Limit != 100000 || q.Used < 200 || q.Remaining+q.Used != q.Limit || q.ResetAt.IsZero() {
		t.Errorf("tokens %+v", q)
	}
	if q := team.Budget.Month; q.Limit != 7 || q.Used != k.Budget.Day.Used || team.Requests != nil {
		t.Errorf("budget of the tenant %+v", q)
	}
	if l := ask(token("ada", `,"plan":{"tpm":5}`)); l.Key == nil || l.Key.Name != "jwt:ada" || l.Key.Tokens.Limit != 5 || l.Tenant != nil {
		t.Errorf("a token's: %+v", l)
	}
	if l := ask(token("bob", `,"plan":{}`)); l.Key != nil || l.Tenant != nil {
		t.Errorf("of one without limits: %+v", l)
	}
}
