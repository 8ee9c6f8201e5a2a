// Package e2e drives the built binary as its users do: over real sockets, with
// real client libraries and a real Prometheus. `make e2e` prepares and runs it.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	clientKey   = "gw_e2e_client_0000000000000000000000"
	upstreamKey = "sk-e2e-upstream-0000"
)

// process is a server under test.
type process struct {
	cmd  *exec.Cmd
	base string // http://127.0.0.1:port
	out  *lockedBuffer
	done chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func binary(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/llm-gateway")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("no binary: run `make build` first: %v", err)
	}
	return path
}

// start runs the gateway's binary in an empty folder with nothing in its
// environment but env, and waits for the address that it prints.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startIn(t, t.TempDir(), env, args...)
}

// startIn is start in a folder of the caller's.
func startIn(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	p := &process{out: &lockedBuffer{}, done: make(chan error, 1)}
	p.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), binary(t), args...)
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	t.Cleanup(func() { p.kill(t) })
	addr := regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		if p.base = addr.FindString(p.out.String()); p.base != "" {
			return p
		}
		select {
		case err := <-p.done:
			p.done <- err
			t.Fatalf("%v ended at once: %v\n%s", args, err, p.out)
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatalf("%v printed no address:\n%s", args, p.out)
	return nil
}

func (p *process) kill(t *testing.T) {
	_ = p.cmd.Process.Kill()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(10 * time.Second):
		t.Error("a process did not end")
	}
	if t.Failed() {
		t.Logf("output of %v:\n%s", p.cmd.Args, tail(p.out.String(), 2500))
	}
}

// awaitLog waits until the process has written text, for at most 5 s.
func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	p.awaitLogFor(t, text, 5*time.Second)
}

func (p *process) awaitLogFor(t *testing.T, text string, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); !strings.Contains(p.out.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("the log never says %q", text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }

// terminate sends SIGTERM and returns how the process ended.
func (p *process) terminate(t *testing.T, within time.Duration) error {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(within):
		t.Fatalf("still running %v after SIGTERM\n%s", within, tail(p.out.String(), 4000))
		return nil
	}
}

// pair is the gateway in front of its own mock as a stand-alone upstream.
type pair struct{ mock, gw *process }

func startPair(t *testing.T, env ...string) pair {
	t.Helper()
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	gw := start(t, append([]string{
		"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_API_KEYS=app=" + clientKey, "GATEWAY_RPS=0",
		"OPENAI_API_KEY=" + upstreamKey, "BASE_URL=" + mock.base + "/v1", "MODEL_NAME=mock/echo",
	}, env...), "serve")
	return pair{mock: mock, gw: gw}
}

// post sends a JSON body with the client's key.
func post(t *testing.T, url, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+clientKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
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

// node runs a script of ours with the real client library. The script prints
// one JSON line a check: {"name", "ok", "detail"}; each becomes a subtest.
func node(t *testing.T, script string, env ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Dir = "js"
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	checks := 0
	for line := range strings.Lines(string(out)) {
		var c struct {
			Name, Detail string
			OK           bool
		}
		if json.Unmarshal([]byte(line), &c) != nil {
			t.Logf("%s: %s", script, line)
			continue
		}
		checks++
		t.Run(c.Name, func(t *testing.T) {
			if !c.OK {
				t.Error(c.Detail)
			}
		})
	}
	if err != nil || checks == 0 {
		t.Fatalf("%s: %v after %d checks\n%s", script, err, checks, stderr.String())
	}
}

// memory returns a field of /proc/PID/status in bytes.
func (p *process) memory(t *testing.T, field string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Skip("skipped: no /proc here:", err)
	}
	_, rest, _ := strings.Cut(string(b), field+":")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
