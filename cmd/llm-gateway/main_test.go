package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/pkg/testcert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func fake(env map[string]string) (program, *syncBuffer, *syncBuffer) {
	var out, errs syncBuffer
	return program{
		lookupEnv: func(k string) (string, bool) { v, ok := env[k]; return v, ok },
		stdin:     strings.NewReader(""), stdout: &out, stderr: &errs,
	}, &out, &errs
}

func TestCommandsThatEnd(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tc := range []struct {
		name string
		args []string
		env  map[string]string
		out  string // on standard output
		err  string // in the error; "" = none
	}{
		{"version", []string{"version"}, nil, "llm-gateway dev (none)", ""},
		{"help", []string{"--help"}, nil, "usage: llm-gateway", ""},
		{"unknown", []string{"frobnicate"}, nil, "", "unknown command"},
		{"bad flag", []string{"serve", "-nope"}, nil, "", "nope"},
		{"flag help", []string{"serve", "-h"}, nil, "", ""},
		{"keygen", []string{"keygen"}, nil, "hash: sha256:", ""},
		{"check", []string{"check"}, map[string]string{"OPENAI_API_KEY": "sk-hidden-0000", "GATEWAY_RPS": "7"}, "rps: 7", ""},
		{"check bad", []string{"check"}, map[string]string{"GATEWAY_RPS": "-1"}, "", "GATEWAY_RPS"},
		{"check no file", []string{"check", "-config", "none.yaml"}, nil, "", "none.yaml"},
		{"open bind", []string{"serve"}, map[string]string{"GATEWAY_ADDR": "0.0.0.0:0"}, "", "GATEWAY_ALLOW_ANONYMOUS"},
		{"taken port", []string{"serve"}, map[string]string{"GATEWAY_ADDR": "127.0.0.1:99999"}, "", "99999"},
		{"nobody there", []string{"healthcheck"}, map[string]string{"GATEWAY_ADDR": "127.0.0.1:1"}, "", "refused"},
		{"mock address", []string{"mock", "--listen", "nowhere"}, nil, "", "nowhere"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, out, _ := fake(tc.env)
			err := p.run(t.Context(), tc.args)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
			if !strings.Contains(out.String(), tc.out) {
				t.Errorf("printed %q, want %q", out, tc.out)
			}
			if strings.Contains(out.String(), "sk-hidden-0000") {
				t.Error("a secret was printed")
			}
		})
	}
}

// background runs a command until the test ends and returns the address that
// it printed.
func background(t *testing.T, p program, out *syncBuffer, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.run(ctx, args) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%v: %v", args, err)
		}
	})
	url := regexp.MustCompile(`https?://127\.0\.0\.1:\d+`)
	return await(t, func() string { return url.FindString(out.String()) })
}

// await asks until there is an answer, for at most 10 s.
func await(t *testing.T, ask func() string) string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if s := ask(); s != "" {
			return s
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal("waited in vain")
	return ""
}

func fetch(t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServeAnswersReloadsAndSaysSo(t *testing.T) {
	t.Chdir(t.TempDir())
	file := filepath.Join(t.TempDir(), "gateway.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("providers: {m: {type: mock}}\nmodels: {chat: {targets: [{provider: m, model: echo}]}}\nserver: {shutdown_grace: 0s}\n")
	p, out, errs := fake(map[string]string{"GATEWAY_ADDR": "127.0.0.1:0", "GATEWAY_CONFIG": file})
	base := background(t, p, out, "serve")
	if !strings.Contains(out.String(), "curl -s "+base+"/v1/generate") {
		t.Errorf("no curl line: %s", out)
	}
	ask := func(model string) string {
		return fetch(t, "POST", base+"/v1/generate", `{"model":"`+model+`","prompt":"ping"}`)
	}
	if got := ask("chat"); !strings.Contains(got, `"text":"ping"`) {
		t.Errorf("got %s", got)
	}
	hangUp := func(word string) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		await(t, func() string {
			if strings.Contains(errs.String(), word) {
				return word
			}
			return ""
		})
	}
	write("providers: {m: {type: mock}}\nmodels: {talk: {targets: [{provider: m, model: echo}]}}\n")
	hangUp("configuration reloaded")
	if got := ask("talk"); !strings.Contains(got, `"text":"ping"`) {
		t.Errorf("after the reload: %s", got)
	}
	write("providers: {m: {type: nonsense}}\n")
	hangUp("reload failed")
	if got := ask("talk"); !strings.Contains(got, `"text":"ping"`) {
		t.Errorf("after a bad reload: %s", got)
	}
	if m := fetch(t, "GET", base+"/metrics", ""); !strings.Contains(m, `config_reloads_total{result="failure"} 1`) || !strings.Contains(m, `config_reloads_total{result="success"} 1`) {
		t.Error("reloads are not counted")
	}
	if err := healthOf(t, base); err != nil {
		t.Error(err)
	}
}

func healthOf(t *testing.T, base string) error {
	p, _, _ := fake(map[string]string{"GATEWAY_ADDR": strings.TrimPrefix(base, "http://")})
	return p.run(t.Context(), []string{"healthcheck"})
}

func TestMockCommand(t *testing.T) {
	p, out, _ := fake(nil)
	base := background(t, p, out, "mock", "--listen", "127.0.0.1:0")
	got := fetch(t, "POST", base+"/v1/chat/completions", `{"model":"mock/echo","messages":[{"role":"user","content":"ping"}]}`)
	if !strings.Contains(got, `"content":"ping"`) {
		t.Errorf("got %s", got)
	}
}

func TestLogFormat(t *testing.T) {
	for _, tc := range []struct{ env, format, want string }{
		{"", "", "text"}, {"production", "", "json"}, {"production", "text", "text"}, {"", "json", "json"},
	} {
		p, _, _ := fake(map[string]string{"APP_ENV": tc.env, "GATEWAY_LOG_FORMAT": tc.format})
		if tc.format == "" {
			p, _, _ = fake(map[string]string{"APP_ENV": tc.env})
		}
		t.Chdir(t.TempDir())
		cfg, err := p.load("")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.logFormat(cfg); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// TestHealthcheckOverTLS: it finds the scheme by itself, takes the certificate
// on loopback, shows one where that is asked for, and verifies elsewhere.
func TestHealthcheckOverTLS(t *testing.T) {
	dir, clients := t.TempDir(), t.TempDir()
	ca := testcert.NewAuthority(t, "authority")
	cert, key := testcert.Write(t, dir, ca.Issue(t, "server", time.Now().Add(time.Hour)))
	mine, mineKey := testcert.Write(t, clients, ca.Issue(t, "probe", time.Now().Add(time.Hour)))
	authority := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(authority, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "gateway.yaml")
	write := func(more string) {
		text := "server: {tls: {cert: " + cert + ", key: " + key + more + "}}\nproviders: {m: {type: mock}}\nusage: {database: memory}\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		more string
		args []string
		ok   bool
	}{
		{"", nil, true},
		{", client_ca: " + authority, nil, false},
		{", client_ca: " + authority, []string{"--cert", mine, "--key", mineKey}, true},
		{", client_ca: " + authority, []string{"--cert", mine}, false},
	} {
		write(tc.more)
		p, out, _ := fake(map[string]string{"GATEWAY_ADDR": "127.0.0.1:0", "GATEWAY_LOG_FORMAT": "text"})
		base := background(t, p, out, "serve", "--config", file)
		ask, _, _ := fake(map[string]string{"GATEWAY_ADDR": strings.TrimPrefix(base, "https://"), "GATEWAY_CONFIG": file})
		if err := ask.run(t.Context(), append([]string{"healthcheck"}, tc.args...)); tc.ok != (err == nil) {
			t.Errorf("%q %v: %v", tc.more, tc.args, err)
		}
	}
	for host, skip := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "gateway.example": false, "10.0.0.1": false, "localhost.example": false} {
		tr, err := probe(host, "", "")
		if err != nil || tr.TLSClientConfig.InsecureSkipVerify != skip {
			t.Errorf("%s: skips verification %v, %v", host, tr.TLSClientConfig.InsecureSkipVerify, err)
		}
	}
}
