package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// redisServer is a real Redis on loopback that can be killed and started anew.
type redisServer struct {
	port string
	args []string
	cmd  *exec.Cmd
}

func startRedis(t *testing.T, args ...string) *redisServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close() // Redis takes no listener: the port is free again, and most likely stays so
	r := &redisServer{port: port, args: args}
	r.start(t)
	t.Cleanup(func() { r.kill(t) })
	return r
}

func (r *redisServer) start(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("skipped: redis-server is not installed; test/e2e/setup.sh installs it")
	}
	args := append([]string{"--port", r.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()}, r.args...)
	r.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if out, _ := r.cli("PING"); strings.TrimSpace(out) == "PONG" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not start")
		}
	}
}

func (r *redisServer) kill(t *testing.T) {
	t.Helper()
	if r.cmd != nil {
		_ = r.cmd.Process.Kill()
		_ = r.cmd.Wait()
		r.cmd = nil
	}
}

func (r *redisServer) cli(args ...string) (string, error) {
	out, err := exec.Command("redis-cli", append([]string{"-p", r.port}, args...)...).CombinedOutput()
	return string(out), err
}

// watch reads a number over and over; the function it returns ends that and
// tells the greatest.
func (r *redisServer) watch(t *testing.T, key, field string) func() int {
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
			out, _ := r.cli("HGET", key, field)
			n := 0
			if _, err := fmt.Sscan(out, &n); err == nil {
				top = max(top, n)
			}
		}
	}()
	return func() int { close(stop); return <-most }
}

const replicasYAML = `
providers:
  up: {type: openai, base_url: "%s/v1", keys: ["` + upstreamKey + `"]}
models:
  chat: {targets: [{provider: up, model: mock/echo}]}
  slow: {targets: [{provider: up, model: mock/lorem-10+pace-20ms}], limits: {concurrency: 15}}
  tokens: {targets: [{provider: up, model: mock/echo}], limits: {tpm: 12000}}
  paid: {targets: [{provider: up, model: mock/echo}], limits: {budget: {day: 0.001}}}
auth:
  keys: [{name: app, key: "` + clientKey + `", limits: {rps: 0.001, burst: 5000}}]
limits: {rps: 0}
usage: {unknown_price: 5}
redis: {url: "redis://127.0.0.1:%s", timeout: 2s}
`

// replicas starts two gateways that share a Redis and an upstream.
func replicas(t *testing.T, r *redisServer) [2]*process {
	t.Helper()
	return replicasOf(t, r, replicasYAML)
}

// replicasOf fills the mock's address and the port of Redis into a configuration.
func replicasOf(t *testing.T, r *redisServer, yaml string) [2]*process {
	t.Helper()
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, yaml, mock.base, r.port), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_CONFIG=" + file}
	return [2]*process{start(t, env, "serve"), start(t, env, "serve")}
}

// ask makes one call and returns its status.
func ask(t *testing.T, gw *process, model, more string) int {
	resp := post(t, gw.base+"/v1/chat/completions", `{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]`+more+`}`)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// crowd lets callers ask both replicas, each several times, and counts answers
// by status.
func crowd(t *testing.T, gws [2]*process, callers, calls int, model, more string) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[int]int{}
	for i := range callers {
		wg.Go(func() {
			for range calls {
				status := ask(t, gws[i%2], model, more)
				mu.Lock()
				got[status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return got
}

// TestReplicasShareOneRedis: 200 callers on two replicas get what one limit
// allows, and not one more.
func TestReplicasShareOneRedis(t *testing.T) {
	r := startRedis(t)
	gws := replicas(t, r)
	// A body of 80 bytes and 980 tokens of output: 1,000 reserved, 12 in a minute.
	big := `,"max_tokens":980` + strings.Repeat(" ", 80-len(`{"model":"tokens","messages":[{"role":"user","content":"hi"}],"max_tokens":980}`))
	most12 := r.watch(t, "gw:{limits}:route:tokens", "ts")
	if got := crowd(t, gws, 200, 3, "tokens", big); got[200] < 12 || got[429] == 0 || got[200]+got[429] != 600 {
		t.Errorf("tokens: %v", got)
	}
	if n := most12(); n > 12_000 || n < 6_000 {
		t.Errorf("up to %d tokens were reserved, 12,000 allowed", n)
	}
	var now, most, ok atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			resp := post(t, gws[i%2].base+"/v1/chat/completions", `{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return
			}
			ok.Add(1)
			for n, old := now.Add(1), most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			now.Add(-1)
		})
	}
	wg.Wait()
	if most.Load() > 15 || ok.Load() < 15 {
		t.Errorf("%d streams at once and %d in all, 15 allowed at once", most.Load(), ok.Load())
	}
	// 0.001 dollars buy 200 tokens; a call takes a few.
	got := crowd(t, gws, 20, 30, "paid", "")
	spent, _ := r.cli("HGET", "gw:{limits}:route:paid", "ds")
	var pico int
	if _, err := fmt.Sscan(spent, &pico); err != nil || got[402] == 0 || got[200] == 0 {
		t.Fatalf("money: %v, spent %q", got, spent)
	}
	// What a call has spent is in Redis before its answer ends: of the calls in
	// flight, one a caller, the one that reaches the budget is within it.
	const budget, callers = 1_000_000_000, 20
	each := pico / got[200]
	t.Logf("%d spent of %d, %d a call, %d callers: %d calls, %d allowed", pico, budget, each, callers, got[200], (budget+each-1)/each+callers-1)
	if pico < budget || got[200] > (budget+each-1)/each+callers-1 {
		t.Errorf("%d spent of %d: more than the calls in flight of %d callers at %d each", pico, budget, callers, each)
	}
	awaitNoSlots(t, r)
	// What all of that has left of the key's 5,000 requests is exactly what is granted.
	left, _ := r.cli("HGET", "gw:{limits}:key:app", "r")
	var micro int
	if _, err := fmt.Sscan(left, &micro); err != nil {
		t.Fatalf("level %q: %v", left, err)
	}
	const more = 5200
	if got := crowd(t, gws, 200, more/200, "chat", ""); got[200] != micro/1e6 || got[429] != more-micro/1e6 {
		t.Errorf("%v, of which %d were allowed", got, micro/1e6)
	}
}

// awaitNoSlots waits until no slot is taken in Redis.
func awaitNoSlots(t *testing.T, r *redisServer) {
	t.Helper()
	out := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if out, _ = r.cli("--raw", "KEYS", "*:slots"); strings.TrimSpace(out) == "" {
			return
		}
	}
	t.Errorf("slots are still taken: %s", out)
}

// TestRedisCluster: a cluster refuses a script whose keys are not in one slot.
func TestRedisCluster(t *testing.T) {
	r := startRedis(t, "--cluster-enabled", "yes")
	if out, err := r.cli("CLUSTER", "ADDSLOTSRANGE", "0", "16383"); err != nil || strings.TrimSpace(out) != "OK" {
		t.Fatalf("%v: %s", err, out)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if out, _ := r.cli("CLUSTER", "INFO"); strings.Contains(out, "cluster_state:ok") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the cluster is not ready")
		}
	}
	node := r.port
	r.port += "?addr=127.0.0.1:" + node // what follows in the URL
	gws := replicas(t, r)
	r.port = node
	got := crowd(t, gws, 40, 5, "paid", `,"max_tokens":5`)
	if got[402] == 0 || got[200] == 0 || got[200]+got[402] != 200 {
		t.Errorf("%v", got)
	}
	for _, gw := range gws {
		if _, m := get(t, gw.base+"/metrics"); !strings.Contains(m, "gateway_redis_up 1\n") || !strings.Contains(m, "gateway_limits_fallback_total 0\n") {
			t.Error("the cluster was not used")
		}
	}
	if out, _ := r.cli("HGET", "gw:{limits}:route:paid", "ds"); strings.TrimSpace(out) == "" {
		t.Error("nothing was settled")
	}
}

// TestRedisDiesUnderLoad: no call fails for it, the gateways say so, and come
// back by themselves.
func TestRedisDiesUnderLoad(t *testing.T) {
	r := startRedis(t)
	redisDies(t, r, replicas(t, r), "chat", "slow")
}

// redisDies kills Redis and starts it again, twice, while callers ask both
// replicas for two models.
func redisDies(t *testing.T, r *redisServer, gws [2]*process, models ...string) {
	t.Helper()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var calls atomic.Int64
	for i := range 16 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				model := models[i/2%len(models)]
				if status := ask(t, gws[i%2], model, ""); status != 200 && status != 429 {
					t.Errorf("%s: %d", model, status)
				}
				calls.Add(1)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for round := range 2 {
		time.Sleep(300 * time.Millisecond)
		r.kill(t)
		for _, gw := range gws {
			awaitGet(t, gw, "/readyz", `"state":"degraded"`)
			awaitGet(t, gw, "/metrics", "gateway_redis_up 0\n")
		}
		time.Sleep(300 * time.Millisecond)
		r.start(t)
		for _, gw := range gws {
			awaitGet(t, gw, "/readyz", `{"name":"redis","state":"ok"}`)
			awaitGet(t, gw, "/metrics", "gateway_redis_up 1\n")
		}
		t.Logf("round %d: %d calls so far", round, calls.Load())
	}
	close(stop)
	wg.Wait()
	for _, gw := range gws {
		gw.awaitLog(t, "redis does not answer")
		gw.awaitLog(t, "redis answers")
		_, m := get(t, gw.base+"/metrics")
		if n := regexp.MustCompile(`gateway_limits_fallback_total (\d+)`).FindStringSubmatch(m); n == nil || n[1] == "0" {
			t.Errorf("calls without Redis are not counted: %v", n)
		}
	}
	awaitNoSlots(t, r)
}

func awaitGet(t *testing.T, gw *process, path, part string) {
	t.Helper()
	body := ""
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if _, body = get(t, gw.base+path); strings.Contains(body, part) {
			return
		}
	}
	t.Fatalf("%s never says %s: %s", path, part, tail(body, 300))
}
