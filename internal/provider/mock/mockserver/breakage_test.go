package mockserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

func TestStatuses(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for _, tc := range []struct {
		model     string
		status    int
		typ, code string
		retry     string
	}{
		{"status-400", 400, "invalid_request_error", "<null>", ""},
		{"status-401", 401, "invalid_request_error", "invalid_api_key", ""},
		{"status-403", 403, "invalid_request_error", "<null>", ""},
		{"status-404", 404, "invalid_request_error", "<null>", ""},
		{"status-429", 429, "requests", "rate_limit_exceeded", ""},
		{"status-429+retry-after-2", 429, "requests", "rate_limit_exceeded", "2"},
		{"retry-after-0.25", 429, "requests", "rate_limit_exceeded", "1"},
		{"quota", 429, "insufficient_quota", "insufficient_quota", ""},
		{"status-500", 500, "server_error", "<null>", ""},
		{"status-503+retry-after-3", 503, "service_unavailable_error", "server_is_overloaded", "3"},
		{"status-529", 529, "server_error", "<null>", ""},
		{"nonsense", 404, "invalid_request_error", "model_not_found", ""},
	} {
		for _, extra := range []string{"", streaming} {
			a := r.post(t, chat(tc.model, "x", extra))
			c := parse(t, a.body)
			if a.status != tc.status || c.Error == nil || c.Error.Type != tc.typ || str(c.Error.Code) != tc.code || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %d %s", tc.model, a.status, a.body)
			}
			if got := a.header.Get("Retry-After"); got != tc.retry {
				t.Errorf("%s: retry-after %q, want %q", tc.model, got, tc.retry)
			}
			if tc.model == "retry-after-0.25" && a.header.Get("Retry-After-Ms") != "250" {
				t.Errorf("retry-after-ms = %q", a.header.Get("Retry-After-Ms"))
			}
			if tc.status == 429 && a.header.Get("X-Ratelimit-Remaining-Requests") != "0" {
				t.Errorf("%s: headers %v", tc.model, a.header)
			}
		}
	}
	a := r.post(t, chat("html-502", "x", ""))
	if a.status != 502 || a.header.Get("Content-Type") != "text/html" || !strings.HasPrefix(string(a.body), "<html>") {
		t.Errorf("html: %d %s", a.status, a.body)
	}
	if a := r.post(t, chat("html-503+retry-after-7", "x", "")); a.header.Get("Retry-After") != "7" {
		t.Errorf("html: %v", a.header)
	}
	if a := r.do(t, http.MethodPost, "/v1/embeddings", `{"model":"status-503","input":"x"}`); a.status != 503 {
		t.Errorf("embeddings: %d", a.status)
	}
}

// TestSameKinds: a failure that comes over the wire means to the gateway what
// the same word means without a wire.
func TestSameKinds(t *testing.T) {
	engine := mock.New(mock.Options{})
	r := upstream(t, mockserver.Options{Engine: engine})
	for _, model := range []string{
		"status-400", "status-401", "status-402", "status-403", "status-404", "status-408", "status-409", "status-413", "status-422", "status-429",
		"status-500", "status-502", "status-503", "status-504", "status-529", "quota", "html-502", "html-503", "blocked", "window-1", "nonsense",
	} {
		a := r.post(t, chat(model, "x", ""))
		wire := openai.Codec{}.DecodeError(a.status, a.body)
		req := &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "x"}}}}}
		_, err := engine.Do(t.Context(), &llm.Call{Op: llm.OpChat, Model: model, Request: func() (*llm.Request, error) { return req, nil }})
		here := llm.AsError(err)
		if wire.Kind != here.Kind || wire.Permanent != here.Permanent {
			t.Errorf("%s: over the wire %s (permanent %v), in process %s (permanent %v)", model, wire.Kind, wire.Permanent, here.Kind, here.Permanent)
		}
	}
}

func TestDisguisedError(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	a := r.post(t, chat("error-200", "x", ""))
	if c := parse(t, a.body); a.status != 200 || c.Error == nil || len(c.Choices) > 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	a = r.post(t, chat("error-200", "x", streaming))
	list, done := chunks(t, a.body)
	if a.status != 200 || done || len(list) != 1 || list[0].Error == nil {
		t.Errorf("stream: %d %s", a.status, a.body)
	}
}

// TestBrokenStreams: n events arrive, and then what the word says, never an
// end that looks like one.
func TestBrokenStreams(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for _, n := range []int{0, 1, 3} {
		for word, check := range map[string]func(a answer, list []completion) bool{
			"cut-after":   func(a answer, list []completion) bool { return errors.Is(a.err, io.ErrUnexpectedEOF) && len(list) == n },
			"reset-after": func(a answer, list []completion) bool { return errors.Is(a.err, syscall.ECONNRESET) && len(list) <= n },
			"error-after": func(a answer, list []completion) bool {
				return a.err == nil && len(list) == n+1 && list[n].Error != nil && list[n].Error.Type == "server_error"
			},
		} {
			a := r.post(t, chat(fmt.Sprintf("%s-%d", word, n), "one two three four five", streaming))
			list, done := chunks(t, a.body)
			if a.status != 200 || done || !check(a, list) {
				t.Errorf("%s-%d: status %d, %d events, done %v, error %v", word, n, a.status, len(list), done, a.err)
			}
		}
	}
	if list, done := chunks(t, r.post(t, chat("echo+cut-after-50", "x", streaming)).body); !done || len(list) != 3 {
		t.Error("an answer that is shorter must be whole")
	}
}

func TestBrokenAnswers(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	a := r.post(t, chat("cut-after-1", "x", ""))
	if a.status != 200 || !errors.Is(a.err, io.ErrUnexpectedEOF) || len(a.body) == 0 {
		t.Errorf("cut: %d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	a = r.post(t, chat("cut-after-0", "x", ""))
	if a.status != 200 || !errors.Is(a.err, io.ErrUnexpectedEOF) || len(a.body) != 0 {
		t.Errorf("cut at once: %d, %d bytes, %v", a.status, len(a.body), a.err)
	}
	if a := r.post(t, chat("error-after-1", "x", "")); a.status != 500 {
		t.Errorf("error-after: %d", a.status)
	}
	for _, extra := range []string{"", streaming} {
		if _, err := r.send(t.Context(), http.MethodPost, chatPath, chat("reset", "x", extra)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset: %v", err)
		}
	}
	if a := r.post(t, chat("reset-after-1", "x", "")); !errors.Is(a.err, syscall.ECONNRESET) {
		t.Errorf("reset-after: %v", a.err)
	}
	// A connection that was broken on purpose must not harm the next request.
	if a := r.post(t, chat("echo", "x", "")); a.status != 200 {
		t.Errorf("afterwards: %d", a.status)
	}
}

// TestWithoutAConnection: where the connection cannot be had, net/http aborts.
func TestWithoutAConnection(t *testing.T) {
	s := mockserver.New(mockserver.Options{})
	ts := httptest.NewUnstartedServer(s)
	ts.EnableHTTP2 = true
	ts.StartTLS()
	defer ts.Close()
	r := &rig{s, ts.URL, ts.Client()}
	resp, err := r.send(t.Context(), http.MethodPost, chatPath, chat("cut-after-2", "one two", streaming))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err == nil || resp.ProtoMajor != 2 {
		t.Errorf("%s: error %v", resp.Proto, err)
	}
}

// TestResetOverTLS finds the connection beneath the encryption.
func TestResetOverTLS(t *testing.T) {
	s := mockserver.New(mockserver.Options{})
	ts := httptest.NewTLSServer(s)
	defer ts.Close()
	r := &rig{s, ts.URL, ts.Client()}
	if _, err := r.send(t.Context(), http.MethodPost, chatPath, chat("reset", "x", "")); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error = %v", err)
	}
}

func TestPaceOverTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := piped(t, mockserver.Options{})
		start := time.Now()
		resp, err := r.send(t.Context(), http.MethodPost, chatPath, chat("echo+slow-2s+pace-1s", "one two three", streaming))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("the head took %v", d)
		}
		var at []time.Duration
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"content"`) {
				at = append(at, time.Since(start))
			}
		}
		// The role's chunk comes with the head; a word each second follows.
		if want := "[2s 3s 4s 5s]"; fmt.Sprint(at) != want {
			t.Errorf("content came at %v, want %s", at, want)
		}
		start = time.Now()
		if a := r.post(t, chat("echo+slow-2s+pace-1s", "one two three", "")); a.status != 200 || time.Since(start) != 5*time.Second {
			t.Errorf("the whole answer took %v", time.Since(start))
		}
		if h := r.post(t, chat("slow-1500ms", "x", "")).header; h.Get("Openai-Processing-Ms") != "1500" {
			t.Errorf("openai-processing-ms = %s", h.Get("Openai-Processing-Ms"))
		}
	})
}

// TestClientLeaves: whatever the server does, it stops when the client leaves,
// and counts it.
func TestClientLeaves(t *testing.T) {
	for _, model := range []string{"slow-10m", "hang", "stall-after-0", "stall-after-2", "lorem-1000+pace-5s", "status-500+slow-9m", "bench+delay-9m", "bench-stream-100+pace-5s"} {
		for _, extra := range []string{"", streaming} {
			synctest.Test(t, func(t *testing.T) {
				r := piped(t, mockserver.Options{})
				ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
				defer cancel()
				resp, err := r.send(ctx, http.MethodPost, chatPath, chat(model, "x", extra))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Fatalf("%s: %v", model, err)
				}
				synctest.Wait()
				s := r.Stats().Models[model]
				streams := int64(0)
				if extra != "" {
					streams = 1
				}
				if s.Requests != 1 || s.Canceled != 1 || s.OK+s.Failed+s.Open+s.OpenStreams != 0 || s.Streams != streams {
					t.Errorf("%s%s: %+v", model, extra, s)
				}
				if strings.HasPrefix(model, "lorem") && extra != "" && s.OutputTokens != 2 {
					t.Errorf("%s: %d tokens were written in 12 s", model, s.OutputTokens)
				}
			})
		}
	}
}

func TestOpenStreamsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := piped(t, mockserver.Options{})
		resp, err := r.send(t.Context(), http.MethodPost, chatPath, chat("echo+pace-10s", "one two", streaming))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := r.Stats().Total; s.Open != 1 || s.OpenStreams != 1 {
			t.Errorf("while it is open: %+v", s)
		}
		r.Reset()
		if s := r.Stats().Total; s.Requests != 1 || s.Streams != 1 || s.Open != 1 {
			t.Errorf("reset while it is open: %+v", s)
		}
		_, _ = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		synctest.Wait()
		if s := r.Stats().Total; s.Requests != 1 || s.OK != 1 || s.Open != 0 || s.OpenStreams != 0 {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

// TestReconcile asks from many goroutines and compares what the clients saw
// with what the server counted, to the token.
func TestReconcile(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	models := []string{"echo", "lorem-20", "status-503", "flaky-40+echo", "bench", "bench-stream-7", "error-after-2", "nonsense"}
	type seen struct{ ok, failed, in, out int64 }
	var mu sync.Mutex
	total := map[string]*seen{}
	for _, m := range models {
		total[m] = &seen{}
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 24 {
				model := models[(worker+i)%len(models)]
				extra := ""
				if i%2 == 0 {
					extra = streaming + `,"stream_options":{"include_usage":true}`
				}
				a := r.post(t, chat(model, fmt.Sprintf("words %d of %d", i, worker), extra))
				list, done := []completion{}, true
				if extra == "" || a.status != 200 {
					list = append(list, parse(t, a.body))
				} else {
					list, done = chunks(t, a.body)
				}
				mu.Lock()
				s := total[model]
				last := list[len(list)-1]
				if a.status != 200 || last.Error != nil || !done {
					s.failed++
				} else {
					s.ok++
					s.in += last.Usage.Prompt
					s.out += last.Usage.Completion
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	st := r.Stats()
	for model, want := range total {
		got := st.Models[model]
		if model == "nonsense" {
			if got.Requests != 0 || st.Refused["404"] != want.failed {
				t.Errorf("%s: %+v, %v", model, got, st.Refused)
			}
			continue
		}
		if got.Requests != want.ok+want.failed || got.OK != want.ok || got.Failed != want.failed || got.Canceled != 0 {
			t.Errorf("%s: %+v, the clients saw %+v", model, got, *want)
		}
		if model != "error-after-2" && (got.InputTokens != want.in || got.OutputTokens != want.out) {
			t.Errorf("%s: %+v, the clients saw %+v", model, got, *want)
		}
	}
}
