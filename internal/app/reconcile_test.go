package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/ledger"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// reconcileVariable says how many calls TestReconciliation makes.
const reconcileVariable = "RECONCILE_CALLS"

const reconcileYAML = `
providers:
  up: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, breaker: {min_requests: 0}}
  alt: {type: openai, base_url: "%[2]s/v1", keys: ["` + provKey + `"], retry: {base: 1ms, cap: 2ms}, breaker: {min_requests: 0}}
models:
  plain: {targets: [{provider: up, model: mock/lorem-12}]}
  thinking: {targets: [{provider: up, model: mock/think-8+cached-5}]}
  flaky: {retries: 2, targets: [{provider: up, model: mock/lorem-8+flaky-30}, {provider: alt, model: mock/lorem-9}]}
  down: {retries: 1, targets: [{provider: up, model: mock/status-503}, {provider: alt, model: mock/echo}]}
  reset: {retries: 1, targets: [{provider: up, model: mock/reset}, {provider: alt, model: mock/json}]}
  vectors: {targets: [{provider: alt, model: mock/embed+dim-4}]}
  cut: {retries: 0, targets: [{provider: up, model: mock/lorem-40+cut-after-5}]}
  broken: {retries: 0, targets: [{provider: alt, model: mock/lorem-40+error-after-3}]}
  silent: {targets: [{provider: alt, model: mock/lorem-11+no-usage}]}
  long: {targets: [{provider: up, model: mock/lorem-2000+pace-1ms}]}
  secret: {targets: [{provider: up, model: mock/echo}]}
auth:
  keys: [{name: app, key: "` + clientKey + `", tenant: team, models: [plain, thinking, flaky, down, reset, vectors, cut, broken, silent, long]}]
usage: {database: "%[3]s"}
limits: {rps: 0}
server: {admin: {token: ` + adminToken + `}}
`

// kindsOfCalls are what the mixture is made of: a path, a body, how many
// requests it is, and how many bytes of the answer are read (0 = all).
var kindsOfCalls = []struct {
	path, body string
	requests   int64
	leave      int64
}{
	{"/v1/generate", `{"model":"plain","prompt":"call %d"}`, 1, 0},
	{"/v1/generate", `{"model":"flaky","stream":true,"prompt":"call %d"}`, 1, 0},
	{"/v1/chat/completions", `{"model":"plain","stream":true,"messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/chat/completions", `{"model":"thinking","messages":[{"role":"user","content":"a longer call, number %d"}]}`, 1, 0},
	{"/v1/chat/completions", `{"model":"flaky","messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/chat/completions", `{"model":"down","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/messages", `{"model":"reset","max_tokens":900,"messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/messages", `{"model":"plain","max_tokens":900,"stream":true,"messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/responses", `{"model":"down","input":"call %d"}`, 1, 0},
	{"/v1/embeddings", `{"model":"vectors","input":"call %d"}`, 1, 0},
	{"/v1/generate/batch", `{"requests":[{"model":"plain","prompt":"item %d"},{"model":"secret","prompt":"x"},{"modell":1}]}`, 3, 0},
	{"/v1/chat/completions", `{"model":"cut","stream":true,"messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/chat/completions", `{"model":"cut","messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/generate", `{"model":"broken","stream":true,"prompt":"call %d"}`, 1, 0},
	{"/v1/generate", `{"model":"silent","stream":true,"prompt":"call %d"}`, 1, 0},
	{"/v1/chat/completions", `{"model":"long","stream":true,"messages":[{"role":"user","content":"call %d"}]}`, 1, 700},
	{"/v1/chat/completions", `{"model":"secret","messages":[{"role":"user","content":"call %d"}]}`, 1, 0},
	{"/v1/chat/completions", `{"model":"plain","messages":[{"role":"user","content":"call %d`, 1, 0},
}

// TestReconciliation: after many mixed calls under injected faults the ledger
// agrees with what the upstreams say they did: exchanges one by one, reported
// tokens to the token, and each client request once.
func TestReconciliation(t *testing.T) {
	calls := 2000
	if s := os.Getenv(reconcileVariable); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		calls = n
	} else if testing.Short() {
		calls = 300
	}
	upstreams := map[string]*mockserver.Server{}
	urls := map[string]string{}
	for _, name := range []string{"up", "alt"} {
		upstreams[name] = mockserver.New(mockserver.Options{Key: provKey})
		s := httptest.NewServer(upstreams[name])
		t.Cleanup(s.Close)
		urls[name] = s.URL
	}
	file := t.TempDir() + "/ledger.db"
	r := start(t, fmt.Sprintf(reconcileYAML, urls["up"], urls["alt"], file), nil)
	requests := mixture(t, r, calls)
	// The end of the process writes what waits; the file must hold it all.
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	store, err := ledger.OpenSQLite(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sums := func(groups ...ledger.Group) []ledger.Row {
		rows, err := store.Usage(t.Context(), ledger.Query{GroupBy: groups})
		if err != nil || len(rows) == 0 {
			t.Fatal(rows, err)
		}
		return rows
	}

	total := sums()[0]
	if total.Requests != requests {
		t.Errorf("%d requests were made, the ledger has %d", requests, total.Requests)
	}
	var attempts int64
	for _, row := range sums(ledger.ByProvider, ledger.ByModel) {
		if row.Provider == "" {
			continue
		}
		said := upstreams[row.Provider].Stats().Models[row.Model]
		attempts += said.Requests
		if row.Attempts != said.Requests {
			t.Errorf("%s %s: %d exchanges, the ledger has %d", row.Provider, row.Model, said.Requests, row.Attempts)
		}
		honest := !strings.Contains(row.Model, "after") && !strings.Contains(row.Model, "no-usage") && !strings.Contains(row.Model, "2000")
		if honest && (row.Input != said.InputTokens || row.Output != said.OutputTokens || row.EstimatedInput+row.EstimatedOutput != 0) {
			t.Errorf("%s %s: %d + %d tokens, the ledger has %d + %d, of them %d + %d estimated", row.Provider, row.Model,
				said.InputTokens, said.OutputTokens, row.Input, row.Output, row.EstimatedInput, row.EstimatedOutput)
		}
		if !honest && (row.EstimatedInput != row.Input || row.EstimatedOutput != row.Output || row.Output == 0) {
			t.Errorf("%s %s: usage that nobody reported: %+v", row.Provider, row.Model, row.Sums)
		}
	}
	if s := r.app.ledger.Stats(); total.Attempts != attempts || s.Lost != 0 || s.Waiting != 0 {
		t.Errorf("%d attempts, want %d; %+v", total.Attempts, attempts, s)
	}
	t.Logf("%d requests, %d attempts, %d refused, %d + %d tokens reported, %d + %d estimated", total.Requests, total.Attempts, total.Rejected,
		total.Input-total.EstimatedInput, total.Output-total.EstimatedOutput, total.EstimatedInput, total.EstimatedOutput)
}

// mixture makes calls and returns how many requests they were.
func mixture(t *testing.T, r *running, calls int) int64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}}
	defer client.CloseIdleConnections()
	var next, requests atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= calls {
					return
				}
				k := kindsOfCalls[n%len(kindsOfCalls)]
				body := k.body
				if strings.Contains(body, "%d") {
					body = fmt.Sprintf(body, n)
				}
				if err := callOnce(t.Context(), client, r.base+k.path, body, k.leave); err != nil {
					t.Errorf("%s %s: %v", k.path, body, err)
				}
				requests.Add(k.requests)
			}
		})
	}
	wg.Wait()
	return requests.Load()
}

// callOnce makes one call and reads the answer, or leaves after some bytes.
func callOnce(ctx context.Context, client *http.Client, url, body string, leave int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+clientKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if leave > 0 {
		_, err = io.CopyN(io.Discard, resp.Body, leave)
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
