package mockserver_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

const askUsage = `,"stream_options":{"include_usage":true}`

// TestLeanAnswers: what was rendered once is what the engine would say, whole,
// streamed, and streamed with usage.
func TestLeanAnswers(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for model, out := range map[string]int64{"bench": 16, "bench-stream-7": 7, "bench-bytes-5000": 0, "mock/bench": 16, "bench-stream-3+chunk-3": 3, "bench+cached-2": 16} {
		whole := parse(t, r.post(t, chat(model, "x", "")).body)
		text := str(whole.Choices[0].Message.Content)
		if whole.Model != model || str(whole.Choices[0].Finish) != "stop" || whole.Usage.Completion != mock.CountTokens(text) || out > 0 && whole.Usage.Completion != out {
			t.Errorf("%s: %s", model, whole.raw)
		}
		if strings.Contains(model, "bytes") && len(text) != 5000 {
			t.Errorf("%s: %d bytes", model, len(text))
		}
		for _, extra := range []string{streaming, streaming + askUsage} {
			a := r.post(t, chat(model, "x", extra))
			list, done := chunks(t, a.body)
			joined := ""
			for _, c := range list {
				if len(c.Choices) > 0 {
					joined += str(c.Choices[0].Delta.Content)
					joined = strings.TrimSuffix(joined, "<null>")
				}
			}
			if !done || joined != text || list[0].ID != whole.ID || a.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
				t.Errorf("%s: %d chunks, %q", model, len(list), joined)
			}
			if u := list[len(list)-1].Usage; (u != nil) != strings.Contains(extra, "usage") || u != nil && *u != *whole.Usage {
				t.Errorf("%s%s: usage %+v, whole %+v", model, extra, u, whole.Usage)
			}
		}
		if s := r.Stats().Models[model]; s.Requests != 3 || s.OK != 3 || s.Streams != 2 || s.OutputTokens != 3*whole.Usage.Completion || s.InputTokens != 3*whole.Usage.Prompt {
			t.Errorf("%s: %+v", model, s)
		}
	}
	list, _ := chunks(t, r.post(t, chat("bench-stream-100", "x", streaming)).body)
	if len(list) != 102 {
		t.Errorf("%d chunks: want the role, 100 tokens, the finish", len(list))
	}
}

// TestLeanLook: the look at the bytes finds the members, and nothing else.
func TestLeanLook(t *testing.T) {
	s := mockserver.New(mockserver.Options{})
	for body, lean := range map[string]bool{
		`{"model":"bench"}`:                          true,
		"{\"model\" \n:\t \"mock/bench\"}":           true,
		`{"x":"model","model":"bench"}`:              true,
		`{"x":"\"model\":\"echo\"","model":"bench"}`: true,
		`{"model":"bench","broken`:                   true,
		`{"model":"bench+delay-0ms"}`:                true,
		`{"model":"bench`:                            false,
		`{"model":"bencher"}`:                        false,
		`{"model":"bench+unique"}`:                   false,
		`{"model":"bench+status-500"}`:               false,
		`{"model":"bench\u0041"}`:                    false,
		`{"model":5}`:                                false,
		`{"x":"\"model\":\"bench\"","model":"echo"}`: false,
		`{"model":`:                                  false,
		`{"model"`:                                   false,
		``:                                           false,
	} {
		if a := local(s, chatPath, body); (a.header.Get("X-Request-Id") == "req_bench") != lean {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for body, stream := range map[string]bool{
		`{"model":"bench","stream":true}`:           true,
		"{\"stream\" : true , \"model\":\"bench\"}": true,
		`{"model":"bench","stream":false}`:          false,
		`{"model":"bench","x":"\"stream\":true"}`:   false,
		`{"model":"bench","stream":"true"}`:         false,
	} {
		a := local(s, chatPath, body)
		if got := strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream"); got != stream || a.status != 200 {
			t.Errorf("%s: %d, stream %v", body, a.status, got)
		}
	}
}

func TestLeanNeedsTheKey(t *testing.T) {
	s := mockserver.New(mockserver.Options{Key: testKey})
	if a := local(s, chatPath, `{"model":"bench"}`); a.status != http.StatusUnauthorized {
		t.Errorf("status %d", a.status)
	}
}

// TestLeanIsBounded: more lean models than are kept are answered all the same,
// and so is one whose answer is too large to keep.
func TestLeanIsBounded(t *testing.T) {
	s := mockserver.New(mockserver.Options{})
	for i := range 100 {
		body := chat(fmt.Sprintf("bench-stream-%d", i+1), "x", "")
		a := local(s, chatPath, body)
		if c := parse(t, a.body); a.status != 200 || c.Usage.Completion != int64(i+1) {
			t.Fatalf("model %d: %d %s", i, a.status, a.body)
		}
		if kept := a.header.Get("X-Request-Id") == "req_bench"; kept != (i < 64) {
			t.Errorf("model %d: kept %v", i, kept)
		}
	}
	s = mockserver.New(mockserver.Options{})
	if a := local(s, chatPath, chat("bench-bytes-10000000", "x", "")); a.header.Get("X-Request-Id") == "req_bench" || len(a.body) < 10_000_000 {
		t.Errorf("10 MB: %d bytes", len(a.body))
	}
	s = mockserver.New(mockserver.Options{MaxBody: 100})
	if a := local(s, chatPath, chat("bench", strings.Repeat("x", 200), "")); a.status != 413 {
		t.Errorf("a body above the limit: %d", a.status)
	}
}

func TestLeanTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := piped(t, mockserver.Options{})
		start := time.Now()
		r.post(t, chat("bench+delay-50ms", "x", ""))
		if d := time.Since(start); d != 50*time.Millisecond {
			t.Errorf("the whole answer took %v", d)
		}
		start = time.Now()
		resp, err := r.send(t.Context(), http.MethodPost, chatPath, chat("bench-stream-20+pace-20ms+delay-100ms", "x", streaming+askUsage))
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("the head took %v", d)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		list, done := chunks(t, body)
		if err != nil || !done || len(list) != 23 {
			t.Errorf("%d chunks, %v", len(list), err)
		}
		if d := time.Since(start); d < 500*time.Millisecond || d > 540*time.Millisecond {
			t.Errorf("the stream took %v", d)
		}
		synctest.Wait()
		if s := r.Stats().Models["bench-stream-20+pace-20ms+delay-100ms"]; s.OK != 1 || s.OutputTokens != 20 {
			t.Errorf("stats = %+v", s)
		}
	})
}

// nowhere is a response writer that keeps nothing.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// TestLeanAllocations: the benchmark upstream must not be what is measured.
func TestLeanAllocations(t *testing.T) {
	s := mockserver.New(mockserver.Options{})
	for _, extra := range []string{"", streaming + askUsage} {
		body := chat("bench-stream-100", strings.Repeat("word ", 2000), extra)
		w := nowhere{http.Header{}}
		reader := strings.NewReader(body)
		req := httptest.NewRequest(http.MethodPost, chatPath, nil)
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(reader)
		n := testing.AllocsPerRun(200, func() {
			reader.Reset(body)
			s.ServeHTTP(w, req)
		})
		if n > 1 {
			t.Errorf("%.1f allocations for an answer", n)
		}
	}
}

func BenchmarkLean(b *testing.B) {
	for _, size := range []int{200, 10_000, 100_000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			s := mockserver.New(mockserver.Options{})
			body := chat("bench", strings.Repeat("x", size), "")
			w := nowhere{http.Header{}}
			reader := strings.NewReader(body)
			req := httptest.NewRequest(http.MethodPost, chatPath, nil)
			req.ContentLength = int64(len(body))
			req.Body = io.NopCloser(reader)
			b.ReportAllocs()
			for b.Loop() {
				reader.Reset(body)
				s.ServeHTTP(w, req)
			}
		})
	}
}

func BenchmarkWhole(b *testing.B) {
	s := mockserver.New(mockserver.Options{})
	b.ReportAllocs()
	for b.Loop() {
		local(s, chatPath, chat("echo", "one two three", ""))
	}
}
