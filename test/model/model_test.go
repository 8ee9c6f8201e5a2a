// Package model drives a real model server behind the gateway: Ollama with a
// tiny model of random weights. It is a lane of its own (`make e2e-model`), as
// the server takes minutes to build the first time; the binary is kept in the
// user's cache folder by version.
package model

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
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
	"syscall"
	"testing"
	"time"
)

const ollamaVersion = "v0.9.6"

// ollama returns the server's binary, and builds it when asked to.
func ollama(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip("SKIPPED: no cache folder:", err)
	}
	dir := filepath.Join(cache, "llm-gateway", "ollama-"+ollamaVersion)
	path := filepath.Join(dir, "ollama")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if os.Getenv("BUILD_OLLAMA") == "" {
		t.Skip("SKIPPED: no model server in the cache; `make e2e-model` builds it")
	}
	cmd := exec.CommandContext(t.Context(), "go", "install", "-trimpath", "-ldflags=-s -w", "github.com/ollama/ollama@"+ollamaVersion)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GOBIN="+dir, "GOFLAGS=")
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the model server: %v\n%s", err, out)
	}
	return path
}

type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a server until the test ends.
func start(t *testing.T, env []string, path string, args ...string) *output {
	t.Helper()
	out := &output{}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, args...)
	cmd.Env, cmd.Dir = append([]string{"PATH=" + os.Getenv("PATH")}, env...), t.TempDir()
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own: the model server leaves the work to a child, which
	// would outlive it and keep its output open.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			s := out.String()
			t.Logf("%s: …%s", filepath.Base(path), s[max(0, len(s)-3000):])
		}
	})
	return out
}

// await asks until there is an answer, for at most a minute.
func await(t *testing.T, what string, ask func() string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if s := ask(); s != "" {
			return s
		}
	}
	t.Fatalf("waited in vain for %s", what)
	return ""
}

// startModel starts the model server with the tiny model and returns its base
// URL.
func startModel(t *testing.T) string {
	t.Helper()
	bin, dir := ollama(t), t.TempDir()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	env := []string{"OLLAMA_HOST=" + addr, "OLLAMA_MODELS=" + filepath.Join(dir, "models"), "HOME=" + dir}
	start(t, env, bin, "serve")
	base := "http://" + addr
	await(t, "the model server", func() string {
		resp, err := http.Get(base + "/api/version")
		if err != nil {
			return ""
		}
		resp.Body.Close()
		return resp.Status
	})
	if err := writeTinyModel(filepath.Join(dir, "tiny.gguf")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "Modelfile")
	if err := os.WriteFile(file, []byte("FROM ./tiny.gguf\nTEMPLATE \"{{ .Prompt }}\"\nPARAMETER num_ctx 512\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "create", "tiny", "-f", file)
	cmd.Env, cmd.Dir = append(env, "PATH="+os.Getenv("PATH")), dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("create: %v\n%s", err, out)
	}
	return base
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
}

func post(t *testing.T, url, body string) []byte {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v: %s", url, resp.Status, err, b)
	}
	return b
}

func TestRealModelServer(t *testing.T) {
	model := startModel(t)
	bin, err := filepath.Abs("../../bin/llm-gateway")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "gateway.yaml")
	text := fmt.Sprintf("providers: {local: {type: ollama, base_url: %q}}\nmodels: {chat: {targets: [{provider: local, model: tiny}]}}\ndefault_model: chat\n", model+"/v1")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := start(t, []string{"GATEWAY_ADDR=127.0.0.1:0", "GATEWAY_CONFIG=" + config, "GATEWAY_LOG_FORMAT=json"}, bin, "serve")
	gw := await(t, "the gateway", func() string { return regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(log.String()) })

	const chat = `{"model":%q,"messages":[{"role":"user","content":"w1 w2 w3 hello"}],"max_tokens":20,"temperature":0,"seed":1%s}`
	var sum usage
	own := func(body string) usage { // what the server itself says of the same request
		var r struct{ Usage usage }
		if err := json.Unmarshal(post(t, model+"/v1/chat/completions", body), &r); err != nil || r.Usage.Prompt == 0 || r.Usage.Completion == 0 {
			t.Fatalf("the server's own usage: %+v, %v", r, err)
		}
		return r.Usage
	}(fmt.Sprintf(chat, "tiny", ""))
	note := func(what string, got usage) {
		t.Helper()
		if got != own {
			t.Errorf("%s: usage %+v, the server's own %+v", what, got, own)
		}
		sum.Prompt += got.Prompt
		sum.Completion += got.Completion
	}

	var unary struct{ Usage usage }
	_ = json.Unmarshal(post(t, gw+"/v1/chat/completions", fmt.Sprintf(chat, "chat", "")), &unary)
	note("chat completion", unary.Usage)

	note("stream", streamed(t, gw, fmt.Sprintf(chat, "chat", `,"stream":true,"stream_options":{"include_usage":true}`)))

	var native struct {
		Data struct {
			Text, Provider string
			Usage          struct {
				Input  int `json:"input_tokens"`
				Output int `json:"output_tokens"`
			}
		}
	}
	_ = json.Unmarshal(post(t, gw+"/v1/generate", `{"prompt":"w1 w2 w3 hello","max_tokens":20,"temperature":0,"seed":1}`), &native)
	note("generate", usage{native.Data.Usage.Input, native.Data.Usage.Output})
	if native.Data.Provider != "local" || native.Data.Text == "" {
		t.Errorf("generate: %+v", native)
	}

	var emb struct {
		Data  []struct{ Embedding []float64 }
		Usage usage
	}
	_ = json.Unmarshal(post(t, gw+"/v1/embeddings", `{"model":"chat","input":["w1 w2","w3"]}`), &emb)
	if len(emb.Data) != 2 || len(emb.Data[0].Embedding) != dim || emb.Usage.Prompt == 0 {
		t.Errorf("embeddings: %d vectors, usage %+v", len(emb.Data), emb.Usage)
	}
	sum.Prompt += emb.Usage.Prompt
	sum.Completion += emb.Usage.Completion
	checkMetrics(t, gw, sum)
	want := fmt.Sprintf(`"output_tokens":%d`, own.Completion)
	await(t, "three log lines with the usage", func() string {
		if strings.Count(log.String(), want) >= 3 {
			return want
		}
		return ""
	})
}

// streamed reads a stream to its end and returns the usage that it told.
func streamed(t *testing.T, gw, body string) (u usage) {
	t.Helper()
	sc, chunks, done := bufio.NewScanner(bytes.NewReader(post(t, gw+"/v1/chat/completions", body))), 0, false
	for sc.Scan() {
		data, ok := strings.CutPrefix(sc.Text(), "data: ")
		if !ok {
			continue
		}
		if done = data == "[DONE]"; done {
			break
		}
		var c struct{ Usage *usage }
		if err := json.Unmarshal([]byte(data), &c); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		chunks++
		if c.Usage != nil {
			u = *c.Usage
		}
	}
	if !done || chunks < 2 {
		t.Errorf("%d chunks, done %v", chunks, done)
	}
	return u
}

// checkMetrics compares the token counters with the sums of the answers.
func checkMetrics(t *testing.T, gw string, sum usage) {
	t.Helper()
	resp, err := http.Get(gw + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	for kind, want := range map[string]int{"input": sum.Prompt, "output": sum.Completion} {
		line := fmt.Sprintf("llm_tokens_total{kind=%q,model=\"tiny\",provider=\"local\"} %d\n", kind, want)
		if !strings.Contains(string(text), line) {
			t.Errorf("metrics lack %s", line)
		}
	}
}
