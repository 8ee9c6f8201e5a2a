package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const accountsYAML = `
providers:
  rate: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {rps: 0.001, burst: 150, max_wait: 0s}}
  tokens: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {tpm: 12000, max_wait: 0s}}
  slots: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], breaker: {min_requests: 0}, limits: {concurrency: 15, max_wait: 300ms}}
  paid: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {budget: {day: 0.001}}}
models:
  rate: {targets: [{provider: rate, model: mock/echo}]}
  tokens: {targets: [{provider: tokens, model: mock/lorem-8+slow-50ms}]}
  slots: {targets: [{provider: slots, model: mock/lorem-10+pace-10ms}]}
  cut: {retries: 0, targets: [{provider: slots, model: mock/lorem-10+pace-5ms+cut-after-3}]}
  flaky: {retries: 2, targets: [{provider: slots, model: mock/lorem-4+flaky-30}]}
  late: {retries: 0, timeout: 60ms, stream_timeout: 60ms, targets: [{provider: slots, model: mock/lorem-500+pace-10ms}]}
  paid: {targets: [{provider: paid, model: mock/echo}]}
auth:
  keys: [{name: app, key: "` + clientKey + `"}]
limits: {rps: 0}
usage: {unknown_price: 5}
redis: {url: "%[2]s", timeout: 2s}
`

// accountReplicas starts two gateways whose provider accounts have limits, with
// one Redis.
func accountReplicas(t *testing.T, url string, env ...string) [2]*process {
	t.Helper()
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, accountsYAML, mock.base, url), 0o600); err != nil {
		t.Fatal(err)
	}
	env = append(env, "GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_CONFIG="+file)
	return [2]*process{start(t, env, "serve"), start(t, env, "serve")}
}

// number reads one of a hash's numbers; 0 when it is not there.
func (r *redisServer) number(t *testing.T, key, field string) int {
	t.Helper()
	out, err := r.cli("--raw", "HGET", key, field)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(out))
	return n
}

// watchSlots reads over and over how many slots are taken; the function it
// returns ends that and tells the most.
func (r *redisServer) watchSlots(t *testing.T, key string) func() int {
	t.Helper()
	stop, most := make(chan struct{}), make(chan int)
	go func() {
		top := 0
		for {
			select {
			case <-stop:
				most <- top
				return
			default:
			}
			out, _ := r.cli("--raw", "ZCARD", key)
			n, _ := strconv.Atoi(strings.TrimSpace(out))
			top = max(top, n)
		}
	}()
	return func() int { close(stop); return <-most }
}

// TestReplicasShareAccounts: 200 callers on two replicas get out of a provider
// account what its limits allow, and nothing above; of its money, at most the
// attempts in flight.
func TestReplicasShareAccounts(t *testing.T) {
	r := startRedis(t)
	gws := accountReplicas(t, "redis://127.0.0.1:"+r.port)
	if got := crowd(t, gws, 200, 3, "rate", ""); got[200] != 150 || got[429] != 450 {
		t.Errorf("rate: %v, 150 allowed", got)
	}
	// A body of 80 bytes and 980 tokens of output: 1,000 reserved, 12 in a minute.
	big := `,"max_tokens":980` + strings.Repeat(" ", 80-len(`{"model":"tokens","messages":[{"role":"user","content":"hi"}],"max_tokens":980}`))
	tokens := r.watch(t, "gw:{limits}:provider:tokens", "ts")
	got := crowd(t, gws, 200, 3, "tokens", big)
	if n := tokens(); n > 12_000 || n < 6_000 || got[200] < 12 || got[429] == 0 || got[200]+got[429] != 600 {
		t.Errorf("tokens: %v, up to %d were reserved, 12,000 allowed", got, n)
	}
	slots := r.watchSlots(t, "gw:{limits}:provider:slots:slots")
	got = crowd(t, gws, 200, 2, "slots", `,"stream":true`)
	if n := slots(); n > 15 || n < 8 || got[200] < 15 || got[429] == 0 || got[200]+got[429] != 400 {
		t.Errorf("slots: %v, up to %d were taken, 15 allowed", got, n)
	}
	// 0.001 dollars buy 200 tokens; a call takes 8, whoever makes it.
	const callers, budget = 20, 1_000_000_000
	got = crowd(t, gws, callers, 30, "paid", "")
	spent := r.number(t, "gw:{limits}:provider:paid", "ds")
	each := spent / max(got[200], 1)
	if spent < budget || got[402] == 0 || got[200]+got[402] != callers*30 || got[200] > (budget+each-1)/each+callers-1 {
		t.Errorf("money: %v, %d spent of %d at %d each", got, spent, budget, each)
	}
	awaitNoSlots(t, r)
}

// TestRedisDiesUnderAccounts: attempts at accounts with limits go on when Redis
// is killed, with the limits of each replica; when it is back, empty, the limits
// are shared again, the money that was spent is known, and whatever way attempts
// ended, no slot stays taken.
func TestRedisDiesUnderAccounts(t *testing.T) {
	r := startRedis(t)
	gws := accountReplicas(t, "redis://127.0.0.1:"+r.port)
	crowd(t, gws, 4, 30, "paid", "") // spends the budget
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var calls, passed atomic.Int64
	kinds := []struct{ model, more string }{
		{"slots", ""}, {"slots", `,"stream":true`}, {"flaky", ""}, {"cut", `,"stream":true`}, {"late", `,"stream":true`}, {"paid", ""}, {"left", ""},
	}
	for i := range 4 * len(kinds) {
		k, gw := kinds[i/2%len(kinds)], gws[i%2]
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				calls.Add(1)
				if k.model == "left" {
					leaves(t, gw)
					continue
				}
				status := ask(t, gw, k.model, k.more)
				if status == http.StatusOK {
					passed.Add(1)
				}
				if want := map[string]string{"slots": "200 429", "flaky": "200 429 500 502 503", "cut": "200 429", "late": "200 429 504", "paid": "402"}[k.model]; !strings.Contains(want, fmt.Sprint(status)) {
					t.Errorf("%s: %d", k.model, status)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	for round := range 2 {
		time.Sleep(400 * time.Millisecond)
		r.kill(t)
		for _, gw := range gws {
			awaitGet(t, gw, "/readyz", `"state":"degraded"`)
			awaitGet(t, gw, "/metrics", "gateway_redis_up 0\n")
		}
		time.Sleep(400 * time.Millisecond)
		r.start(t)
		for _, gw := range gws {
			awaitGet(t, gw, "/readyz", `{"name":"redis","state":"ok"}`)
			awaitGet(t, gw, "/metrics", "gateway_redis_up 1\n")
		}
		t.Logf("round %d: %d calls so far, %d with an answer", round, calls.Load(), passed.Load())
	}
	close(stop)
	wg.Wait()
	awaitNoSlots(t, r)
	if n := r.number(t, "gw:{limits}:provider:paid", "ds"); n < 1_000_000_000 {
		t.Errorf("Redis came back without its data and knows of %d spent", n)
	}
	for _, gw := range gws {
		if status := ask(t, gw, "paid", ""); status != http.StatusPaymentRequired {
			t.Errorf("a spent budget: %d", status)
		}
	}
	// The slots are shared again.
	most := r.watchSlots(t, "gw:{limits}:provider:slots:slots")
	got := crowd(t, gws, 100, 2, "slots", `,"stream":true`)
	if n := most(); n > 15 || n < 8 || got[200] < 15 || got[200]+got[429] != 200 {
		t.Errorf("after that: %v, up to %d slots were taken, 15 allowed", got, n)
	}
	awaitNoSlots(t, r)
}

// leaves makes a call for a client that goes before its answer is whole.
func leaves(t *testing.T, gw *process) {
	resp := post(t, gw.base+"/v1/chat/completions", `{"model":"slots","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	_, _ = resp.Body.Read(make([]byte, 16))
	_ = resp.Body.Close()
	time.Sleep(5 * time.Millisecond)
}
