package e2e

import (
	"bufio"
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
	"syscall"
	"testing"
	"time"
)

// TestNoKeyNoFile is the first minute of a new user: nothing configured, the
// printed curl line pasted into a shell.
func TestNoKeyNoFile(t *testing.T) {
	gw := start(t, []string{"GATEWAY_ADDR=127.0.0.1:0"}, "serve")
	gw.awaitLog(t, "the built-in mock answers")
	curl := ""
	for line := range strings.Lines(gw.out.String()) {
		if i := strings.Index(line, "curl "); i >= 0 {
			curl = strings.TrimSpace(line[i:])
		}
	}
	if curl == "" {
		t.Fatalf("no curl line printed:\n%s", gw.out)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", curl).Output()
	if err != nil {
		t.Fatalf("%s: %v", curl, err)
	}
	var env struct {
		Code int
		Data struct {
			Text, Provider string
			Usage          struct {
				TotalTokens int `json:"total_tokens"`
			}
		}
	}
	if err := json.Unmarshal(out, &env); err != nil || env.Code != 200 || env.Data.Text == "" || env.Data.Provider != "mock" || env.Data.Usage.TotalTokens == 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestDotEnv: the classic three in a .env file, both forms of BASE_URL, a
// secret from a file, and APP_ENV's own file over the common one.
func TestDotEnv(t *testing.T) {
	mock := start(t, nil, "mock", "--listen", "127.0.0.1:0", "--key", upstreamKey)
	secret := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(secret, []byte(upstreamKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"base":     {".env": "OPENAI_API_KEY=" + upstreamKey + "\nMODEL_NAME=mock/echo\nBASE_URL=" + mock.base + "/v1\n"},
		"full URL": {".env": "OPENAI_API_KEY=" + upstreamKey + "\nMODEL_NAME=mock/echo\nBASE_URL=" + mock.base + "/v1/chat/completions\n"},
		"X_FILE":   {".env": "OPENAI_API_KEY_FILE=" + secret + "\nMODEL_NAME=mock/echo\nBASE_URL=" + mock.base + "/v1\n"},
		"APP_ENV": {
			".env":            "OPENAI_API_KEY=wrong\nMODEL_NAME=mock/echo\nBASE_URL=" + mock.base + "/v1\n",
			".env.production": "OPENAI_API_KEY=" + upstreamKey + "\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for f, text := range files {
				if err := os.WriteFile(filepath.Join(dir, f), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := []string{"GATEWAY_ADDR=127.0.0.1:0"}
			if name == "APP_ENV" {
				env = append(env, "APP_ENV=production")
			}
			gw := startIn(t, dir, env, "serve")
			resp := post(t, gw.base+"/v1/generate", `{"prompt":"ping"}`)
			defer resp.Body.Close()
			b, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 200 || !strings.Contains(string(b), `"provider":"openai"`) || !strings.Contains(string(b), `"text":"ping"`) {
				t.Errorf("%d %s", resp.StatusCode, b)
			}
		})
	}
}

// TestRefusesAnOpenBind: a non-loopback address without authentication.
func TestRefusesAnOpenBind(t *testing.T) {
	for _, tc := range []struct {
		env  []string
		says string
	}{
		{[]string{"GATEWAY_ADDR=0.0.0.0:0"}, "GATEWAY_ALLOW_ANONYMOUS"},
		{[]string{"GATEWAY_ADDR=:0"}, "GATEWAY_API_KEYS"},
	} {
		cmd := exec.CommandContext(t.Context(), binary(t), "serve")
		cmd.Env, cmd.Dir = tc.env, t.TempDir()
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tc.says) {
			t.Errorf("%v: %v: %s", tc.env, err, out)
		}
	}
}

// TestSubcommands runs those that end by themselves.
func TestSubcommands(t *testing.T) {
	gw := start(t, []string{"GATEWAY_ADDR=127.0.0.1:0"}, "serve")
	addr := strings.TrimPrefix(gw.base, "http://")
	for _, tc := range []struct {
		args []string
		env  []string
		ok   bool
		says string
	}{
		{args: []string{"version"}, ok: true, says: "llm-gateway"},
		{args: []string{"keygen"}, ok: true, says: "sha256:"},
		{args: []string{"check"}, env: []string{"OPENAI_API_KEY=sk-secret-0000"}, ok: true, says: "providers:"},
		{args: []string{"check"}, env: []string{"GATEWAY_RPS=many"}, says: "GATEWAY_RPS"},
		{args: []string{"healthcheck"}, env: []string{"GATEWAY_ADDR=" + addr}, ok: true},
		{args: []string{"healthcheck"}, env: []string{"GATEWAY_ADDR=127.0.0.1:1"}, says: "refused"},
		{args: []string{"nonsense"}, says: "nonsense"},
	} {
		cmd := exec.CommandContext(t.Context(), binary(t), tc.args...)
		cmd.Env, cmd.Dir = tc.env, t.TempDir()
		out, err := cmd.CombinedOutput()
		if tc.ok != (err == nil) || !strings.Contains(string(out), tc.says) {
			t.Errorf("%v %v: %v: %s", tc.args, tc.env, err, out)
		}
		if strings.Contains(string(out), "sk-secret-0000") {
			t.Errorf("%v prints a secret", tc.args)
		}
	}
}

// TestSIGTERMUnderLoad: no request that was accepted fails, streams finish,
// the process exits 0.
func TestSIGTERMUnderLoad(t *testing.T) {
	p := startPair(t)
	var wg sync.WaitGroup
	var streams, unary, refused atomic.Int64
	stop := make(chan struct{})
	for range 20 {
		wg.Go(func() {
			if err := wholeStream(t, p.gw.base, "mock/lorem-40+pace-25ms"); err != nil {
				t.Errorf("stream: %v", err)
			}
			streams.Add(1)
		})
	}
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch ok, err := tryUnary(t, p.gw.base, "mock/echo"); {
				case ok:
					unary.Add(1)
				case isRefused(err):
					refused.Add(1) // not accepted: a load balancer goes elsewhere
					return
				default:
					t.Errorf("an accepted request failed: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	err := p.gw.terminate(t, 30*time.Second)
	close(stop)
	wg.Wait()
	if err != nil {
		t.Errorf("exit: %v", err)
	}
	if unary.Load() == 0 || streams.Load() != 20 {
		t.Errorf("%d unary, %d streams", unary.Load(), streams.Load())
	}
}

func tryUnary(t *testing.T, base, model string) (bool, error) {
	req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/v1/chat/completions", strings.NewReader(`{"model":"`+model+`","messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+clientKey)
	req.Close = true // a connection of its own, so that a refusal is told from a failure
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, b)
	}
	return err == nil, err
}

// isRefused reports whether the connection was never accepted by the program:
// refused, or reset in the kernel's queue as the listener closed.
func isRefused(err error) bool {
	if err == nil {
		return false
	}
	text := err.Error()
	return strings.Contains(text, "dial tcp") || strings.Contains(text, "read: "+syscall.ECONNRESET.Error())
}

// wholeStream reads one stream and says what is wrong with it.
func wholeStream(t *testing.T, base, model string) error {
	resp := post(t, base+"/v1/chat/completions", fmt.Sprintf(`{"model":%q,"stream":true,"messages":[{"role":"user","content":"x"}]}`, model))
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	sc, last, events := bufio.NewScanner(resp.Body), "", 0
	for sc.Scan() {
		if strings.HasPrefix(sc.Text(), "data: ") {
			last = sc.Text()
			events++
		}
	}
	if sc.Err() != nil || last != "data: [DONE]" || events < 10 {
		return fmt.Errorf("after %d events: last %.100q, %v", events, last, sc.Err())
	}
	return nil
}

// TestManyStreams: 500 at once in 256 MiB, none broken; then memory stays flat
// over 10,000 more.
func TestManyStreams(t *testing.T) {
	p := startPair(t)
	burst := func(n, at int, model string) {
		slots := make(chan struct{}, at)
		var wg sync.WaitGroup
		for range n {
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				if err := wholeStream(t, p.gw.base, model); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	burst(500, 500, "mock/lorem-30+pace-50ms")
	if peak := p.gw.memory(t, "VmHWM"); peak > 256<<20 {
		t.Errorf("peak memory %d MiB", peak>>20)
	}
	burst(6000, 64, "mock/lorem-20") // the heap's room and the ledger's buffers fill first
	before := p.gw.memory(t, "VmRSS")
	burst(10_000, 64, "mock/lorem-20")
	after := p.gw.memory(t, "VmRSS")
	t.Logf("resident after 6,500 streams %.1f MiB, after 16,500 %.1f MiB, peak %.1f MiB", mib(before), mib(after), mib(p.gw.memory(t, "VmHWM")))
	if after > before+before/4+(32<<20) { // a leak of 10 KB a stream would be 100 MB
		t.Errorf("memory grew from %.1f to %.1f MiB", mib(before), mib(after))
	}
	_, metrics := get(t, p.gw.base+"/metrics")
	if !strings.Contains(metrics, "llm_streams_in_flight 0\n") {
		t.Error("streams are still counted as open")
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }
