package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/limits"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// stormLimits are those of its accounts: they hold nobody.
const stormLimits = "limits: {rps: 100000, concurrency: 50, tpm: 1000000000, max_wait: 5s, budget: {day: 1000, month: 1000}}"

const stormYAML = `
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, breaker: {min_requests: 0}, ` + stormLimits + `}
  alt: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, breaker: {min_requests: 0}, ` + stormLimits + `}
models:
  plain: {targets: [{provider: up, model: mock/lorem-12}]}
  flaky: {retries: 2, targets: [{provider: up, model: mock/lorem-8+flaky-30}, {provider: alt, model: mock/lorem-9}]}
  cut: {retries: 0, targets: [{provider: up, model: mock/lorem-40+cut-after-5}]}
  broken: {retries: 0, targets: [{provider: alt, model: mock/lorem-40+error-after-3}]}
  late: {retries: 0, timeout: 30ms, stream_timeout: 30ms, targets: [{provider: up, model: mock/lorem-2000+pace-1ms}]}
  hangs: {retries: 0, timeout: 20ms, targets: [{provider: alt, model: mock/hang}]}
  long: {targets: [{provider: up, model: mock/lorem-2000+pace-1ms}]}
  hedged: {hedge: {after: 2ms, max_extra: 100%%}, targets: [{provider: up, model: mock/lorem-12+slow-15ms}, {provider: alt, model: mock/lorem-12+slow-15ms}]}
auth: {keys: [{name: app, key: "` + clientKey + `"}]}
usage: {unknown_price: 5, database: %[2]q}
limits: {rps: 0}
`

var stormCalls = []struct {
	model, more string
	leave       int64 // bytes that are read before the client goes; 0 = all
}{
	{"plain", "", 0},
	{"plain", `,"stream":true`, 0},
	{"flaky", "", 0},
	{"flaky", `,"stream":true`, 0},
	{"cut", "", 0},
	{"cut", `,"stream":true`, 0},
	{"broken", `,"stream":true`, 0},
	{"late", `,"stream":true`, 0},
	{"hangs", "", 0},
	{"long", `,"stream":true`, 700},
	{"hedged", "", 0},
	{"hedged", `,"stream":true`, 0},
	{"hedged", `,"stream":true`, 1},
}

// TestProviderBudgetAfterAStorm: whichever way attempts ended, an account's
// counter and the sum of its records in the ledger are the same money, and none
// of its slots is taken.
func TestProviderBudgetAfterAStorm(t *testing.T) {
	up := httptest.NewServer(mockserver.New(mockserver.Options{Key: provKey}))
	t.Cleanup(up.Close)
	file := filepath.Join(t.TempDir(), "ledger.db")
	r := start(t, fmt.Sprintf(stormYAML, up.URL, file), nil)
	storm(t, r, 20)
	if err := r.stop(); err != nil { // waits for what still settles
		t.Fatal(err)
	}
	store, err := ledger.OpenSQLite(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	counted := map[string]llm.Money{}
	for _, s := range r.app.current.limiter.Spendings(nil, 10) {
		if s.Scope == limits.ScopeProvider && s.Period == limits.Month {
			counted[s.Name] = s.Spent
		}
	}
	for _, name := range []string{"up", "alt"} {
		now, err := r.app.limits.(limitReader).Read(context.Background(), []limits.Named{{Scope: limits.ScopeProvider, Name: name, Rule: limits.Rule{Concurrency: 1}}})
		if err != nil || now[0].InFlight != 0 {
			t.Errorf("%s: %d in flight, %v", name, now[0].InFlight, err)
		}
		rows, err := store.Usage(context.Background(), ledger.Query{Only: map[ledger.Group]string{ledger.ByProvider: name}})
		if err != nil {
			t.Fatal(err)
		}
		if recorded := ledger.Spent(rows); recorded == 0 || counted[name] != recorded {
			t.Errorf("%s: the counter has %v, the ledger %v dollars", name, counted[name], recorded)
		}
	}
}

// storm makes every call the given times, many at once.
func storm(t *testing.T, r *running, times int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	for _, c := range stormCalls {
		wg.Go(func() {
			for n := range times {
				body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"call %d"}]%s}`, c.model, n, c.more)
				if err := callOnce(t.Context(), client, r.base+"/v1/chat/completions", body, c.leave); err != nil {
					t.Errorf("%s: %v", body, err)
				}
			}
		})
	}
	wg.Wait()
}
