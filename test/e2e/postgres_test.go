package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const adminToken = "adm-e2e-0000000000000000000000000000"

// postgres is a real server on loopback. It refuses to run as root, so it runs
// as Debian's user of its name.
type postgres struct {
	bin, dir, port string
	db             string // that ask asks; "" = postgres
	cred           *syscall.Credential
	cmd            *exec.Cmd
	done           chan struct{}
}

func startPostgres(t *testing.T) *postgres {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(bins) == 0 {
		t.Skip("skipped: postgresql is not installed; test/e2e/setup.sh installs it")
	}
	_, port, _ := strings.Cut(freeAddr(t), ":")
	p := &postgres{bin: filepath.Dir(bins[len(bins)-1]), port: port}
	var err error
	if p.dir, err = os.MkdirTemp("/tmp", "e2e-postgres-"); err != nil { // t.TempDir is closed to other users
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("skipped: root, and there is no user postgres to run the server as")
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		p.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
			t.Fatal(err)
		}
	}
	init := p.command("initdb", "-D", p.dir+"/data", "-U", "gateway", "--auth=trust", "-E", "UTF8")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	p.start(t)
	t.Cleanup(p.kill)
	return p
}

func (p *postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), filepath.Join(p.bin, name), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred, Setpgid: true}
	return cmd
}

// start starts the server and waits until it answers.
func (p *postgres) start(t *testing.T) {
	t.Helper()
	p.cmd = p.command("postgres", "-D", p.dir+"/data", "-p", p.port, "-k", p.dir, "-h", "127.0.0.1")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, cmd := make(chan struct{}), p.cmd
	p.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if p.command("pg_isready", "-h", "127.0.0.1", "-p", p.port).Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL does not answer")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// kill is kill -9 for the server and all its children.
func (p *postgres) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
	_ = os.Remove(p.dir + "/data/postmaster.pid")
}

func (p *postgres) url() string {
	return "postgres://gateway@127.0.0.1:" + p.port + "/postgres?sslmode=disable"
}

// ask runs one statement with psql and returns its one value.
func (p *postgres) ask(t *testing.T, sql string) int64 {
	t.Helper()
	db := cmp.Or(p.db, "postgres")
	out, err := p.command("psql", "-h", "127.0.0.1", "-p", p.port, "-U", "gateway", "-d", db, "-tAc", sql).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, out)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestPostgresLedger: two gateways share one server, which is killed twice
// under load. Nothing is lost and nothing counted twice: records, sums and the
// upstream's own account agree to the token.
func TestPostgresLedger(t *testing.T) {
	pg := startPostgres(t)
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	env := []string{
		"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=app=" + clientKey, "GATEWAY_ADMIN_TOKEN=" + adminToken, "GATEWAY_RPS=0",
		"OPENAI_API_KEY=" + upstreamKey, "BASE_URL=" + mock.base + "/v1", "MODEL_NAME=mock/lorem-12", "DATABASE_URL=" + pg.url(),
	}
	gateways := []*process{start(t, env, "serve"), start(t, env, "serve")} // migrations at once
	var sent atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				body := fmt.Sprintf(`{"prompt":"call %d of %d","stream":%t}`, n, i, n%2 == 0)
				resp := post(t, gateways[i%2].base+"/v1/generate", body)
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
					t.Errorf("%d, %v", resp.StatusCode, err)
				}
				resp.Body.Close()
				sent.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	for range 2 {
		time.Sleep(1500 * time.Millisecond)
		pg.kill()
		time.Sleep(time.Second)
		pg.start(t)
	}
	time.Sleep(time.Second)
	close(stop)
	wg.Wait()
	for _, gw := range gateways {
		gw.awaitLog(t, "cannot be written")
		gw.awaitLog(t, "is written again")
		if _, m := get(t, gw.base+"/metrics"); !strings.Contains(m, "gateway_ledger_lost_total 0\n") {
			t.Error("records were lost")
		}
	}
	if err := gateways[0].terminate(t, 30*time.Second); err != nil { // writes what waits
		t.Error(err)
	}
	said := mockTotals(t, mock.base)
	if said.Requests != sent.Load() {
		t.Errorf("%d calls, %d reached the upstream", sent.Load(), said.Requests)
	}
	for deadline := time.Now().Add(10 * time.Second); pg.ask(t, "SELECT COUNT(*) FROM ledger_records") < said.Requests && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond) // the other's last batch
	}
	for query, want := range map[string]int64{
		"SELECT COUNT(*) FROM ledger_records":                                                                     said.Requests,
		"SELECT COUNT(DISTINCT request_id) FROM ledger_records":                                                   said.Requests,
		"SELECT SUM(input)::bigint FROM ledger_records":                                                           said.Input,
		"SELECT SUM(output)::bigint FROM ledger_records":                                                          said.Output,
		"SELECT SUM(attempts)::bigint FROM ledger_rollups":                                                        said.Requests,
		"SELECT SUM(input)::bigint FROM ledger_rollups":                                                           said.Input,
		"SELECT SUM(output)::bigint FROM ledger_rollups":                                                          said.Output,
		"SELECT SUM(cost)::bigint FROM ledger_rollups":                                                            pg.ask(t, "SELECT COALESCE(SUM(cost), 0)::bigint FROM ledger_records"),
		"SELECT COUNT(*) FROM ledger_schema WHERE version = 1":                                                    1,
		"SELECT COUNT(*) FROM ledger_records WHERE outcome <> 'complete'":                                         0,
		"SELECT COUNT(*) FROM ledger_records WHERE principal IS NULL":                                             0,
		"SELECT COUNT(*) FROM ledger_records WHERE dialect IS NULL OR upstream_dialect IS DISTINCT FROM 'openai'": 0,
		"SELECT COUNT(*) FROM ledger_records WHERE usage_source<>'reported'":                                      0,
	} {
		if got := pg.ask(t, query); got != want {
			t.Errorf("%s = %d, want %d", query, got, want)
		}
	}
	if got := adminUsage(t, gateways[1].base); got.Requests != said.Requests || got.Output != said.Output {
		t.Errorf("the operators' API says %+v", got)
	}
	t.Logf("%d calls over two restarts, %d + %d tokens", said.Requests, said.Input, said.Output)
}

type totals struct {
	Requests int64
	Input    int64 `json:"input_tokens"`
	Output   int64 `json:"output_tokens"`
}

func mockTotals(t *testing.T, base string) totals {
	t.Helper()
	var s struct{ Total totals }
	_, body := get(t, base+"/mock/stats")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		t.Fatal(err)
	}
	return s.Total
}

func adminUsage(t *testing.T, base string) totals {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", base+"/admin/v1/usage", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var s struct{ Data struct{ Total totals } }
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		t.Fatal(err)
	}
	return s.Data.Total
}
