package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// batchFiles is a folder with an input and a place for the output.
type batchFiles struct{ in, out string }

func newBatchFiles(t *testing.T, lines ...string) batchFiles {
	t.Helper()
	dir := t.TempDir()
	f := batchFiles{filepath.Join(dir, "in.jsonl"), filepath.Join(dir, "out.jsonl")}
	putFile(t, f.in, strings.Join(lines, "\n")+"\n")
	return f
}

func putFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func getFile(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// batchResult is one line of an output.
type batchResult struct {
	Index    *int
	CustomID json.RawMessage `json:"custom_id"`
	ID       json.RawMessage
	Hash     string `json:"request_hash"`
	Code     int
	Message  string
	Data     *struct{ Text string }
	Error    *wireFailure
}

// read returns the output by index; every line must be whole and no index may
// come twice.
func (f batchFiles) read(t *testing.T) map[int]batchResult {
	t.Helper()
	got := map[int]batchResult{}
	text := getFile(t, f.out)
	if text != "" && !strings.HasSuffix(text, "\n") {
		t.Fatalf("a torn end: %q", text)
	}
	for line := range strings.Lines(text) {
		var r batchResult
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Index == nil || r.Hash == "" {
			t.Fatalf("%v: %s", err, line)
		}
		if _, twice := got[*r.Index]; twice {
			t.Fatalf("index %d twice", *r.Index)
		}
		got[*r.Index] = r
	}
	return got
}

// run runs the batch and returns its exit status and what it said.
func (f batchFiles) run(t *testing.T, ctx context.Context, base string, more ...string) (status int, said string) {
	t.Helper()
	p, out, errs := fake(map[string]string{"GATEWAY_URL": base, "GATEWAY_KEY": cliKey})
	err := p.run(ctx, append([]string{"batch", f.in, "-o", f.out}, more...))
	if out.String() != "" {
		t.Errorf("standard output: %s", out)
	}
	if err != nil {
		status = exitCode(err)
		said = err.Error() + "\n"
	}
	return status, said + errs.String()
}

// wantRun checks a run's exit status and pieces of what it said.
func (f batchFiles) wantRun(t *testing.T, base string, status int, said []string, more ...string) {
	t.Helper()
	got, text := f.run(t, t.Context(), base, more...)
	if got != status {
		t.Errorf("exit status %d, want %d: %s", got, status, text)
	}
	for _, s := range said {
		if !strings.Contains(text, s) {
			t.Errorf("said %q, want %q", text, s)
		}
	}
}

// scripted is a gateway that answers prompts by a function and counts them.
type scripted struct {
	mu    sync.Mutex
	count map[string]int
	// reply gets the prompt, and how often it came before.
	reply func(w http.ResponseWriter, r *http.Request, prompt string, before int)
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ Prompt string }
	b, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(b, &body)
	}
	if err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	s.mu.Lock()
	if s.count == nil {
		s.count = map[string]int{}
	}
	before := s.count[body.Prompt]
	s.count[body.Prompt]++
	s.mu.Unlock()
	s.reply(w, r, body.Prompt, before)
}

func (s *scripted) sent(prompt string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[prompt]
}

func good(w io.Writer, text string) {
	fmt.Fprintf(w, `{"code":200,"message":"success","request_id":"r","data":{"id":"g","model":"m","provider":"p","text":%q,"usage":{"input_tokens":2,"output_tokens":3,"total_tokens":5},`+
		`"cost":{"amount":0.000000000001,"currency":"USD"},"latency_ms":1,"attempts":1}}`, text)
}

func refuse(w http.ResponseWriter, status int, kind string, retryAfterMS int) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"code":%d,"message":"no","request_id":"r","data":null,"error":{"kind":%q,"retryable":%v,"retry_after_ms":%d}}`,
		status, kind, status == 429 || status >= 502, retryAfterMS)
}

func prompts(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf(`{"prompt":"p%d"}`, i))
	}
	return lines
}
