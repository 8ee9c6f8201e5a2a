package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const countedKey = "gw_e2e_counted_000000000000000000000"

const scaleOutYAML = `
server: {shutdown_grace: 500ms}
providers:
  up: {type: openai, base_url: "%s/v1", keys: ["` + upstreamKey + `"]}
models:
  chat: {targets: [{provider: up, model: mock/lorem-12}]}
  long: {targets: [{provider: up, model: mock/lorem-60+pace-50ms}]}
  trial: {targets: [{provider: up, model: mock/echo}], canary: {candidate: {provider: up, model: mock/lorem-3}, steps: [10, 50, 100], step_interval: 1h}}
  risky: {retries: 0, targets: [{provider: up, model: mock/echo}], canary: {candidate: {provider: up, model: mock/echo+status-500}, steps: [50, 100], step_interval: 1h, min_requests: 50}}
auth:
  keys:
    - {name: app, key: "` + clientKey + `"}
    - {name: counted, key: "` + countedKey + `", limits: {rps: 0.001, burst: 300}}
limits: {rps: 0}
redis: {url: "redis://127.0.0.1:%s", timeout: 2s}
usage: {database: "%s"}
`

// fleet is three replicas behind nginx, with one Redis, one PostgreSQL and one
// upstream.
type fleet struct {
	env   []string
	addrs [3]string
	gws   [3]*process
	mock  *process
	pg    *postgres
	base  string // nginx
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{pg: startPostgres(t), mock: start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)}
	r := startRedis(t)
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, scaleOutYAML, f.mock.base, r.port, f.pg.url()), 0o600); err != nil {
		t.Fatal(err)
	}
	f.env = []string{"GATEWAY_CONFIG=" + file, "GATEWAY_ADMIN_TOKEN=" + adminToken}
	for i := range f.gws {
		f.addrs[i] = freeAddr(t)
		f.startReplica(t, i)
	}
	f.base = startNginx(t, f.addrs)
	return f
}

func (f *fleet) startReplica(t *testing.T, i int) {
	t.Helper()
	f.gws[i] = start(t, append([]string{"GATEWAY_ADDR=" + f.addrs[i]}, f.env...), "serve")
	awaitGet(t, f.gws[i], "/readyz", `"status"`)
}

// startNginx runs the configuration that is shipped, with the addresses of this
// test in it.
func startNginx(t *testing.T, replicas [3]string) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		if path = "/usr/sbin/nginx"; exec.CommandContext(t.Context(), path, "-v").Run() != nil {
			t.Skip("skipped: nginx is not installed; test/e2e/setup.sh installs it")
		}
	}
	shipped, err := os.ReadFile("../../deploy/nginx/llm-gateway.conf")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir := freeAddr(t), t.TempDir()
	site := string(shipped)
	for i, r := range replicas {
		site = replaceOnce(t, site, fmt.Sprintf("gateway-%d:8080", i+1), r)
	}
	site = replaceOnce(t, site, "listen 80;", "listen "+addr+";")
	conf := "daemon off; pid nginx.pid; error_log stderr warn; worker_processes 1; events { worker_connections 4096; }\nhttp { access_log off;\n"
	if os.Getuid() == 0 {
		conf = "user root;\n" + conf
	}
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += kind + "_temp_path " + kind + ";\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf+site+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := &lockedBuffer{}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"), "-e", "stderr")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // the master ends its worker
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("nginx:\n%s", tail(out.String(), 3000))
		}
	})
	base := "http://" + addr
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if ok, _ := tryUnary(t, base, "chat"); ok {
			return base
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not answer: %s", out)
		}
	}
}

func replaceOnce(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q does not stand exactly once in the configuration", old)
	}
	return strings.Replace(text, old, replacement, 1)
}

// TestScaleOut: three replicas behind nginx act as one gateway. A limit is one
// limit; a rolling restart under load breaks no call, not even streams that are
// open across it; and the ledger's sums are the upstream's.
func TestScaleOut(t *testing.T) {
	f := startFleet(t)
	f.oneLimit(t)
	for i, gw := range f.gws {
		if _, m := get(t, gw.base+"/metrics"); !strings.Contains(m, `llm_requests_total{`) {
			t.Errorf("replica %d was never asked", i)
		}
	}
	f.keyOfAll(t)
	f.oneCanary(t)
	unary, streams := f.rollingRestart(t)
	f.awaitCanary(t, "trial", "paused", 50) // nor does a restart begin it anew
	f.awaitCanary(t, "risky", "rolled_back", 0)
	f.sameSums(t)
	t.Logf("%d short calls and %d streams across three restarts", unary, streams)
}

// oneLimit: 600 calls through nginx with a key that has 300.
func (f *fleet) oneLimit(t *testing.T) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[int]int{}
	for range 60 {
		wg.Go(func() {
			for range 10 {
				status, err := callWith(t.Context(), f.base, countedKey, "chat")
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				got[status]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if got[200] != 300 || got[429] != 300 {
		t.Errorf("300 allowed over all replicas: %v", got)
	}
}

// keyOfAll: a key made at one replica is good at all, and revoked at another it
// is good at none.
func (f *fleet) keyOfAll(t *testing.T) {
	t.Helper()
	var made struct{ Data struct{ Key string } }
	changeAt(t, "POST", f.gws[0].base+"/admin/v1/keys", `{"name":"made-here","models":["chat"]}`, &made)
	f.awaitStatus(t, made.Data.Key, http.StatusOK)
	changeAt(t, "DELETE", f.gws[1].base+"/admin/v1/keys/made-here", "", nil)
	f.awaitStatus(t, made.Data.Key, http.StatusUnauthorized)
}

// awaitStatus waits until every replica answers a key with status.
func (f *fleet) awaitStatus(t *testing.T, key string, status int) {
	t.Helper()
	for i, gw := range f.gws {
		got := 0
		for deadline := time.Now().Add(5 * time.Second); got != status && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			var err error
			if got, err = callWith(t.Context(), gw.base, key, "chat"); err != nil {
				t.Fatal(err)
			}
		}
		if got != status {
			t.Errorf("replica %d answers %d after 5 s, want %d", i, got, status)
		}
	}
}

// changeAt makes one call of the operators' API and reads its answer into v.
func changeAt(t *testing.T, method, url, body string, v any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %d %s, %v", method, url, resp.StatusCode, b, err)
	}
	if v != nil {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
}

func callWith(ctx context.Context, base, key, model string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", base+"/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// rollingRestart ends each replica in turn and starts it again at its address,
// while short calls and 3 s streams come without a pause. Every one must succeed.
func (f *fleet) rollingRestart(t *testing.T) (unary, streams int64) {
	t.Helper()
	stop := make(chan struct{})
	var calls, whole atomic.Int64
	var wg sync.WaitGroup
	until := func(once func() error, count *atomic.Int64) {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := once(); err != nil {
					t.Error(err)
				}
				count.Add(1)
			}
		})
	}
	for range 6 {
		until(func() error { _, err := tryUnary(t, f.base, "chat"); return err }, &calls)
	}
	for range 30 {
		until(func() error { return wholeStream(t, f.base, "long") }, &whole)
	}
	for i := range f.gws {
		awaitStreams(t, f.gws[i])
		if err := f.gws[i].terminate(t, 30*time.Second); err != nil {
			t.Errorf("replica %d: %v", i, err)
		}
		f.startReplica(t, i)
	}
	close(stop)
	wg.Wait()
	if calls.Load() < 100 || whole.Load() < 60 {
		t.Errorf("only %d calls and %d streams: that was no load", calls.Load(), whole.Load())
	}
	return calls.Load(), whole.Load()
}

// awaitStreams waits until a replica holds some streams, so that its restart
// has something to break.
func awaitStreams(t *testing.T, gw *process) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		_, m := get(t, gw.base+"/metrics")
		_, rest, _ := strings.Cut(m, "\nllm_streams_in_flight ")
		n := 0
		if _, err := fmt.Sscan(rest, &n); err == nil && n >= 3 {
			return
		}
	}
	t.Fatal("the replica holds no streams")
}

// sameSums ends all replicas, so that each writes what it still has, and
// compares the ledger with what the upstream says it has done.
func (f *fleet) sameSums(t *testing.T) {
	t.Helper()
	for i, gw := range f.gws {
		if _, m := get(t, gw.base+"/metrics"); !strings.Contains(m, "gateway_ledger_lost_total 0\n") {
			t.Errorf("replica %d lost records", i)
		}
		if err := gw.terminate(t, 30*time.Second); err != nil {
			t.Errorf("replica %d: %v", i, err)
		}
	}
	said := mockTotals(t, f.mock.base)
	for query, want := range map[string]int64{
		"SELECT COUNT(*) FROM ledger_records WHERE provider <> ''":   said.Requests,
		"SELECT COUNT(*) FROM ledger_records WHERE provider IS NULL": 300, // refused by the limit
		"SELECT SUM(input)::bigint FROM ledger_records":              said.Input,
		"SELECT SUM(output)::bigint FROM ledger_records":             said.Output,
		"SELECT SUM(input)::bigint FROM ledger_rollups":              said.Input,
		"SELECT SUM(output)::bigint FROM ledger_rollups":             said.Output,
	} {
		if got := f.pg.ask(t, query); got != want {
			t.Errorf("%s = %d, the upstream says %d", query, got, want)
		}
	}
}
