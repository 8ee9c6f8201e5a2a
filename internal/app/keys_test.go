package app

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const keysYAML = `
server: {admin: {token: ` + adminToken + `}}
providers: {m: {type: mock}}
models: {chat: {targets: [{provider: m, model: lorem-200}]}, other: {targets: [{provider: m, model: echo}]}}
auth:
  keys: [{name: fixed, key: "` + clientKey + `"}]
  tenants: {acme: {models: [chat], limits: {concurrency: 50}}}
limits: {rps: 0}
usage: {database: %q}
`

// madeKey makes a key and returns it.
func (r *running) madeKey(t *testing.T, body string) string {
	t.Helper()
	status, answer := r.as(t, adminToken, "POST", "/admin/v1/keys", body)
	var got struct{ Data struct{ Key string } }
	if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 || !strings.HasPrefix(got.Data.Key, "gw_") {
		t.Fatal(status, answer, err)
	}
	return got.Data.Key
}

func (r *running) want(t *testing.T, cred string, want int) {
	t.Helper()
	if status, body := r.call(t, cred); status != want {
		t.Helper()
		t.Errorf("%d, want %d: %s", status, want, body)
	}
}

// TestKeyMadeAtRunTime: it is as good as one of the configuration, survives
// reload and restart, and ends at once when it is revoked.
func TestKeyMadeAtRunTime(t *testing.T) {
	db := filepath.Join(t.TempDir(), "ledger.db")
	cfg := load(t, fmt.Sprintf(keysYAML, db), nil)
	r := startWith(t, cfg)
	key := r.madeKey(t, `{"name":"app","tenant":"acme","labels":{"team":"x"},"limits":{"rps":0.001,"burst":2}}`)
	r.want(t, key, 200)
	if status, body := r.as(t, key, "POST", "/v1/generate", `{"model":"other","prompt":"hi"}`); status != 403 {
		t.Error("the tenant's models do not bind:", status, body)
	}
	r.want(t, key, 200)
	r.want(t, key, 429)
	if err := r.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	r.want(t, key, 429) // the same key, and nothing is refilled
	if _, body := r.as(t, key, "GET", "/v1/usage", ""); !strings.Contains(body, `"key":{"name":"app","requests":{"limit":2,"rps":0.001,"used":2,"remaining":0,`) {
		t.Error(body)
	}
	if _, body := r.as(t, adminToken, "GET", "/admin/v1/limits", ""); !strings.Contains(body, `"app"`) {
		t.Error("operators do not see its limits:", body)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{db, db + "-wal"} {
		if raw, err := os.ReadFile(file); err == nil && strings.Contains(string(raw), key) { //nolint:gosec // a file of the test
			t.Errorf("the key stands in %s", file)
		}
	}
	if strings.Contains(r.log.String(), key) || !strings.Contains(r.log.String(), `"action":"create key","subject":"app"`) {
		t.Error("the log holds the key, or no audit:", r.log)
	}

	r = startWith(t, cfg)
	r.want(t, key, 200)
	if status, body := r.as(t, adminToken, "DELETE", "/admin/v1/keys/app", ""); status != 200 {
		t.Fatal(status, body)
	}
	r.want(t, key, 401)
	r.want(t, clientKey, 200)
	if status, _ := r.as(t, adminToken, "DELETE", "/admin/v1/keys/app", ""); status != 404 {
		t.Error("revoked twice:", status)
	}
	r.madeKey(t, `{"name":"app"}`) // the name is free again
}

func TestListsOfKeysAndTenants(t *testing.T) {
	r := start(t, fmt.Sprintf(keysYAML, "memory"), nil)
	r.madeKey(t, `{"name":"app","tenant":"acme","models":["chat"],"expires_at":"2199-01-01T00:00:00Z"}`)
	_, body := r.as(t, adminToken, "GET", "/admin/v1/keys", "")
	for _, part := range []string{
		`{"name":"app","tenant":"acme","models":["chat"],"labels":{},"limits":{"rps":0,"burst":0,"tpm":0,"concurrency":0,"budget":{"day":0,"month":0}},"source":"runtime","fingerprint":"`,
		`"expires_at":"2199-01-01T00:00:00Z"}`, `{"name":"fixed","tenant":"","models":[],`, `"source":"config"`, `"created_at":null,"expires_at":null`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("lacks %s: %s", part, body)
		}
	}
	_, body = r.as(t, adminToken, "GET", "/admin/v1/tenants", "")
	if !strings.Contains(body, `{"tenants":[{"name":"acme","models":["chat"],"limits":{"rps":0,"burst":0,"tpm":0,"concurrency":50,"budget":{"day":0,"month":0}},"keys":["app"]}]}`) {
		t.Error(body)
	}
	for body, want := range map[string]struct {
		status int
		says   string
	}{
		`{"name":"fixed"}`:                {409, "stands in the configuration"},
		`{"name":"app"}`:                  {409, "already"},
		`{"name":"b","tenant":"nowhere"}`: {400, `tenant \"nowhere\" is not among`},
	} {
		if status, got := r.as(t, adminToken, "POST", "/admin/v1/keys", body); status != want.status || !strings.Contains(got, want.says) {
			t.Error(body, status, got)
		}
	}
	if status, got := r.as(t, adminToken, "DELETE", "/admin/v1/keys/fixed", ""); status != 409 || !strings.Contains(got, "stands in the configuration") {
		t.Error(status, got)
	}
	for _, cred := range []string{clientKey, ""} {
		for _, method := range []string{"GET", "POST"} {
			if status, got := r.as(t, cred, method, "/admin/v1/keys", ""); status != 401 {
				t.Error(method, status, got)
			}
		}
	}
	if !strings.Contains(r.log.String(), "are not kept: they end with the process") {
		t.Error("nobody is told that keys end with the process")
	}
}

// TestAnonymousWithRunTimeKeys: the first key locks nobody out, and is honoured.
func TestAnonymousWithRunTimeKeys(t *testing.T) {
	r := start(t, `
server: {admin: {token: `+adminToken+`}}
providers: {m: {type: mock}}
models: {chat: {targets: [{provider: m, model: echo}]}}
limits: {rps: 0}
`, nil)
	key := r.madeKey(t, `{"name":"app","limits":{"rps":0.001,"burst":1}}`)
	r.want(t, key, 200)
	r.want(t, key, 429)
	for range 3 {
		r.want(t, "", 200)
		r.want(t, "sk-test-0000", 200)
	}
	if _, body := r.as(t, key, "GET", "/v1/usage", ""); !strings.Contains(body, `"key":"app"`) {
		t.Error(body)
	}
}

// TestConfiguredNameWins: a reload that brings the name of a run-time key takes
// its place; one that takes it out again gives it back.
func TestConfiguredNameWins(t *testing.T) {
	base := fmt.Sprintf(keysYAML, "memory")
	r := start(t, base, nil)
	key := r.madeKey(t, `{"name":"late"}`)
	r.want(t, key, 200)
	both := load(t, strings.Replace(base, `keys: [`, `keys: [{name: late, key: "gw_configured_000000000000"}, `, 1), nil)
	if err := r.app.Reload(t.Context(), both); err != nil {
		t.Fatal(err)
	}
	r.want(t, key, 401)
	r.want(t, "gw_configured_000000000000", 200)
	if !strings.Contains(r.log.String(), "keys made at run time do not count") {
		t.Error("nobody is told")
	}
	if err := r.app.Reload(t.Context(), load(t, base, nil)); err != nil {
		t.Fatal(err)
	}
	r.want(t, key, 200)
}

// TestKeysAndReloadsAtOnce: whatever reloads do meanwhile, a key counts when it
// has been made and does not when it has been revoked.
func TestKeysAndReloadsAtOnce(t *testing.T) {
	cfg := load(t, fmt.Sprintf(keysYAML, "memory"), nil)
	r := startWith(t, cfg)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := r.app.Reload(t.Context(), cfg); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 20 {
		key := r.madeKey(t, fmt.Sprintf(`{"name":"k%d"}`, i))
		r.want(t, key, 200)
		if status, body := r.as(t, adminToken, "DELETE", fmt.Sprintf("/admin/v1/keys/k%d", i), ""); status != 200 {
			t.Error(status, body)
		}
		r.want(t, key, 401)
	}
	close(done)
	wg.Wait()
}

// TestBudgetOfARunTimeKeyOutlivesARestart as that of a configured one does.
func TestBudgetOfARunTimeKeyOutlivesARestart(t *testing.T) {
	cfg := load(t, fmt.Sprintf(keysYAML, filepath.Join(t.TempDir(), "ledger.db")), nil)
	r := startWith(t, cfg)
	key := r.madeKey(t, `{"name":"poor","limits":{"budget":{"day":0.0005}}}`)
	calls := 0
	for ; calls < 10; calls++ {
		if status, _ := r.call(t, key); status == 402 {
			break
		}
	}
	if calls == 0 || calls == 10 {
		t.Fatalf("%d calls before the budget was reached", calls)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r = startWith(t, cfg)
	r.want(t, key, 402)
}
