package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// accountsYAML has an account for each limit, and a route to each.
const accountsYAML = `
providers:
  rate: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {rps: 0.001, burst: 150, max_wait: 0s}}
  tokens: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {tpm: 12000, max_wait: 0s}}
  slots: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {concurrency: 15, max_wait: 0s}}
  queue: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {concurrency: 3, max_wait: 20s}}
  money: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {budget: {day: 0.001}}}
  all: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {rps: 1000, tpm: 100000000, concurrency: 6, max_wait: 2s, budget: {day: 1000}}}
  free: {type: openai, base_url: "%[1]s/v1", keys: ["` + upstreamKey + `"], limits: {}}
models:
  rate: {targets: [{provider: rate, model: mock/echo}]}
  tokens: {targets: [{provider: tokens, model: mock/echo}]}
  slots: {targets: [{provider: slots, model: mock/lorem-10+pace-20ms}]}
  queue: {targets: [{provider: queue, model: mock/lorem-5+pace-5ms}]}
  money: {targets: [{provider: money, model: mock/echo}]}
  all: {targets: [{provider: all, model: mock/lorem-5+pace-5ms}]}
  free: {targets: [{provider: free, model: mock/lorem-5+pace-5ms}]}
auth: {keys: [{name: app, key: "` + clientKey + `"}]}
limits: {rps: 0}
usage: {unknown_price: 5}
redis: {url: "redis://127.0.0.1:%[2]s", timeout: 2s}
`

// TestReplicasShareProviderAccounts: two replicas together ask of an account what
// its limits allow, and not a request, token or slot more.
func TestReplicasShareProviderAccounts(t *testing.T) {
	r := startRedis(t)
	gws := replicasOf(t, r, accountsYAML)
	if got := crowd(t, gws, 200, 3, "rate", ""); got[200] != 150 || got[429] != 450 {
		t.Errorf("requests: %v", got)
	}
	accountTokens(t, r, gws)
	if most, ok := streamsAtOnce(t, gws, "slots", 200); most > 15 || ok < 15 {
		t.Errorf("%d streams at once and %d in all, 15 allowed at once", most, ok)
	}
	if most, ok := streamsAtOnce(t, gws, "queue", 60); most > 3 || ok != 60 {
		t.Errorf("%d streams at once, 3 allowed; %d of 60 had their turn", most, ok)
	}
	accountMoney(t, r, gws)
	awaitNoSlots(t, r)
}

// accountTokens watches the window while it is filled, and compares what is left
// in it at the end with what the answers report.
func accountTokens(t *testing.T, r *redisServer, gws [2]*process) {
	t.Helper()
	const key = "gw:{limits}:provider:tokens"
	most := r.watch(t, key, "ts")
	var used, ok atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			resp := post(t, gws[i%2].base+"/v1/chat/completions", `{"model":"tokens","max_tokens":980,"messages":[{"role":"user","content":"hi"}]}`)
			defer resp.Body.Close()
			var answer struct {
				Usage struct {
					Total int64 `json:"total_tokens"`
				}
			}
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
				t.Error(err)
			}
			if resp.StatusCode == http.StatusOK {
				ok.Add(1)
				used.Add(answer.Usage.Total)
			}
		})
	}
	wg.Wait()
	if n := most(); n > 12_000 || n < 6_000 || ok.Load() < 12 {
		t.Errorf("up to %d tokens were reserved, 12,000 allowed; %d calls", n, ok.Load())
	}
	out := ""
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if out, _ = r.cli("HGET", key, "ts"); strings.TrimSpace(out) == fmt.Sprint(used.Load()) {
			return
		}
	}
	t.Errorf("%s tokens are counted, %d were used", strings.TrimSpace(out), used.Load())
}

// streamsAtOnce returns how many streams ran at once, as clients see it, and how
// many there were.
func streamsAtOnce(t *testing.T, gws [2]*process, model string, callers int) (most, ok int64) {
	t.Helper()
	var now, top, passed atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			resp := post(t, gws[i%2].base+"/v1/chat/completions", `{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return
			}
			passed.Add(1)
			for n, old := now.Add(1), top.Load(); n > old && !top.CompareAndSwap(old, n); old = top.Load() {
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			now.Add(-1)
		})
	}
	wg.Wait()
	return top.Load(), passed.Load()
}

// accountMoney spends an account's budget with many callers: the overshoot is at
// most the attempts in flight, one a caller, when it was reached.
func accountMoney(t *testing.T, r *redisServer, gws [2]*process) {
	t.Helper()
	const budget, callers = 1_000_000_000, 20
	got := crowd(t, gws, callers, 30, "money", "")
	spent, _ := r.cli("HGET", "gw:{limits}:provider:money", "ds")
	var pico int
	if _, err := fmt.Sscan(spent, &pico); err != nil || got[402] == 0 || got[200] == 0 {
		t.Fatalf("money: %v, spent %q", got, spent)
	}
	each := pico / got[200]
	if pico < budget || got[200] > (budget+each-1)/each+callers-1 {
		t.Errorf("%d spent of %d by %d calls at %d each", pico, budget, got[200], each)
	}
}

// TestRedisDiesUnderProviderLimits: attempts under all limits of an account go on
// without Redis, come back to it, and leave nothing taken.
func TestRedisDiesUnderProviderLimits(t *testing.T) {
	r := startRedis(t)
	gws := replicasOf(t, r, accountsYAML)
	redisDies(t, r, gws, "all", "free")
}
