package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const adminToken = "adm-test-000000000000000000000000"

// flushed waits until the ledger is written.
func (r *running) flushed(t *testing.T) {
	t.Helper()
	if err := r.app.ledger.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// sums asks the ledger.
func (r *running) sums(t *testing.T, groups ...ledger.Group) []ledger.Row {
	t.Helper()
	r.flushed(t)
	rows, err := r.app.ledger.Usage(t.Context(), ledger.Query{GroupBy: groups})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// operator asks the operators' API.
func (r *running) operator(t *testing.T, path, token string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.String()
}

// TestEveryAttemptIsRecorded: retries and fallbacks make a record each, their
// request counts once; refusals count too; what strangers try does not.
func TestEveryAttemptIsRecorded(t *testing.T) {
	yaml := fmt.Sprintf(fallbackYAML, mockUpstream(t)) + "server: {admin: {token: " + adminToken + "}}\n"
	r := start(t, yaml, nil)
	ask := func(model string) int {
		status, _, _ := r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
		return status
	}
	if ask("chat") != 200 || ask("limited") != 403 {
		t.Fatal("answers")
	}
	if status, _, _ := r.do(t, "POST", "/v1/chat/completions", `{"model":`); status != 400 {
		t.Fatal(status)
	}
	if status, _ := r.operator(t, "/v1/models", "a stranger"); status != 401 {
		t.Fatal(status)
	}
	r.do(t, "GET", "/v1/models", "")
	rows := r.sums(t, ledger.ByProvider, ledger.ByModel)
	if len(rows) != 3 {
		t.Fatalf("%+v", rows)
	}
	none, first, second := rows[0], rows[1], rows[2]
	if none.Provider != "" || none.Requests != 2 || none.Rejected != 2 || none.Attempts != 0 {
		t.Errorf("refused: %+v", none)
	}
	if first.Provider != "first" || first.Requests != 1 || first.Attempts != 2 || first.Unknown != 2 || first.Completed != 0 {
		t.Errorf("first target: %+v", first)
	}
	if second.Provider != "second" || second.Requests != 0 || second.Attempts != 1 || second.Completed != 1 || second.Output == 0 {
		t.Errorf("second target: %+v", second)
	}
	status, body := r.operator(t, "/admin/v1/usage?group_by=key,tenant", adminToken)
	if status != 200 || !strings.Contains(body, `"key":"app","tenant":"team","requests":3,"attempts":3`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := r.operator(t, "/admin/v1/usage", clientKey); status != 401 || strings.Contains(body, "requests") {
		t.Errorf("a client as operator: %d %s", status, body)
	}
	if status, _, body := r.do(t, "GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"name":"ledger","state":"ok"`) {
		t.Errorf("%d %s", status, body)
	}
	_, _, m := r.do(t, "GET", "/metrics", "")
	for _, line := range []string{"gateway_ledger_records_total 5\n", "gateway_ledger_lost_total 0\n", "gateway_ledger_waiting 0\n"} {
		if !strings.Contains(m, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
}

func TestNoOperatorsWithoutToken(t *testing.T) {
	r := start(t, "", nil)
	if status, _ := r.operator(t, "/admin/v1/usage", ""); status != 404 {
		t.Error(status)
	}
}

// TestOwnUsage: a caller sees its own and nobody else's, with the cost of the
// catalogue.
func TestOwnUsage(t *testing.T) {
	const other = "gw_test_other_0000000000000000000"
	r := start(t, "providers: {m: {type: mock}}\nauth: {keys: [{name: app, key: "+clientKey+", tenant: team}, {name: other, key: "+other+"}]}\n", nil)
	for range 3 {
		r.do(t, "POST", "/v1/generate", `{"prompt":"hello","model":"m/echo"}`)
	}
	r.flushed(t)
	var got struct {
		Data struct {
			Key, Tenant  string
			Today, Month struct {
				Requests int64
				Output   int64 `json:"output_tokens"`
				Cost     struct{ Amount json.Number }
			}
		}
	}
	_, _, body := r.do(t, "GET", "/v1/usage", "")
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Data.Key != "app" || got.Data.Tenant != "team" || got.Data.Today.Requests != 3 ||
		got.Data.Month != got.Data.Today || got.Data.Today.Output == 0 {
		t.Errorf("%v: %s", err, body)
	}
	if _, body := r.operator(t, "/v1/usage", other); !strings.Contains(body, `"requests":0`) {
		t.Errorf("another's: %s", body)
	}
	month := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-time.Now().UTC().Day())
	for scope, name := range map[limits.Scope]string{limits.ScopeKey: "app", limits.ScopeTenant: "team", limits.ScopeRoute: "m/echo", limits.ScopeGateway: ""} {
		spent, err := r.app.spentSince(t.Context(), scope, name, month)
		if err != nil || scope != limits.ScopeRoute && spent.String() != got.Data.Month.Cost.Amount.String() {
			t.Errorf("%v: %v, %v; shown %s", scope, spent, err, got.Data.Month.Cost.Amount)
		}
	}
}

// TestRecordsOutliveTheProcess: a second start continues the same file.
func TestRecordsOutliveTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ledger.db")
	for want := int64(1); want <= 2; want++ {
		r := start(t, "", map[string]string{"DATABASE_URL": file})
		r.do(t, "POST", "/v1/generate", `{"prompt":"hello"}`)
		if err := r.stop(); err != nil { // without a flush of ours
			t.Fatal(err)
		}
		store, err := ledger.OpenSQLite(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := store.Usage(t.Context(), ledger.Query{})
		if err != nil || len(rows) != 1 || rows[0].Requests != want {
			t.Errorf("%+v, %v", rows, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestNothingWritable: without a place for the file the gateway starts, and
// says so once; a place that was asked for must work.
func TestNothingWritable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ledgerFile), 0o700); err != nil { // also root cannot write this
		t.Fatal(err)
	}
	t.Chdir(dir)
	cfg := load(t, "", nil)
	cfg.Usage.Database = config.Secret{}
	r := startWith(t, cfg)
	if status, _, _ := r.do(t, "POST", "/v1/generate", `{"prompt":"hello"}`); status != 200 {
		t.Error(status)
	}
	if n := strings.Count(r.log.String(), "usage records are not kept"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if rows := r.sums(t); len(rows) != 1 || rows[0].Requests != 1 {
		t.Errorf("%+v", rows)
	}
	if _, _, body := r.do(t, "GET", "/readyz", ""); !strings.Contains(body, "in memory only") {
		t.Error(body)
	}
	cfg.Usage.Database = config.NewSecret(filepath.Join(dir, "no", "such", "folder.db"))
	if a, err := New(Options{Config: cfg}); err == nil || !strings.Contains(err.Error(), "usage.database") {
		t.Errorf("%v, %v", a, err)
	}
}

// TestNothingWritableStillLimits: limits and budgets hold in memory, and in Redis,
// where no record is kept.
func TestNothingWritableStillLimits(t *testing.T) {
	for _, engine := range []string{"memory", "redis"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, ledgerFile), 0o700); err != nil { // also root cannot write this
				t.Fatal(err)
			}
			t.Chdir(dir)
			yaml := fmt.Sprintf(`
providers: {up: {type: openai, base_url: "%s/v1", keys: [%s], limits: {rps: 0.0001, burst: 6, max_wait: 0s}}}
models:
  rate: {targets: [{provider: up, model: mock/echo}], limits: {rps: 0.0001, burst: 2}}
  paid: {targets: [{provider: up, model: mock/echo}], limits: {budget: {day: 0.00007}}}
  free: {targets: [{provider: up, model: mock/echo}]}
usage: {unknown_price: 5}
`, mockUpstream(t), provKey)
			if engine == "redis" {
				yaml += "redis: {url: \"redis://" + miniredis.RunT(t).Addr() + "\", timeout: 2s}\n"
			}
			cfg := load(t, yaml, nil)
			cfg.Usage.Database = config.Secret{}
			r := startWith(t, cfg)
			for _, want := range []string{"rate 200", "rate 200", "rate 429", "paid 200", "paid 200", "paid 402", "free 200", "free 200", "free 429"} {
				model, _, _ := strings.Cut(want, " ")
				status, _, body := r.do(t, "POST", "/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`)
				if got := fmt.Sprint(model, " ", status); got != want {
					t.Errorf("%s, want %s: %s", got, want, body)
				}
			}
			if n := strings.Count(r.log.String(), "usage records are not kept"); n != 1 {
				t.Errorf("said %d times", n)
			}
		})
	}
}

// TestPromptBytes: small bodies count whole, large ones without their images.
func TestPromptBytes(t *testing.T) {
	req := &llm.Request{Messages: []llm.Message{{Parts: []llm.Part{
		{Type: llm.PartText, Text: "0123456789"}, {Type: llm.PartImage, Media: &llm.Media{Data: strings.Repeat("A", 1<<20)}},
	}}}}
	call := &llm.Call{Raw: make([]byte, 1<<20), Request: func() (*llm.Request, error) { return req, nil }}
	if n := promptBytes(call); n != 10+mediaBytes {
		t.Error(n)
	}
	call.Raw = call.Raw[:100]
	if n := promptBytes(call); n != 100 {
		t.Error(n)
	}
}
