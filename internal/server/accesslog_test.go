package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// names returns the attributes of a log line without slog's own.
func names(line map[string]any) string {
	m := maps.Clone(line)
	for _, own := range []string{"time", "level", "msg"} {
		delete(m, own)
	}
	return strings.Join(slices.Sorted(maps.Keys(m)), " ")
}

func TestAccessLog(t *testing.T) {
	const secret = "sk-test-0000"
	canonical := func(text string) func(context.Context, *llm.Call) (*llm.Reply, error) {
		return func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
			c.Meta.Route = "chat"
			if c.Stream {
				return streamOf(&fakeStream{events: append(texts(text), finish()...), err: io.EOF}, 0), nil
			}
			return answer(text), nil
		}
	}
	failing := func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: llm.KindUpstreamError, Message: "no", Provider: "prov", Attempts: 3, Err: errors.New("cause with SECRET")}
	}
	for _, tc := range []struct {
		name, path, body string
		do               func(context.Context, *llm.Call) (*llm.Reply, error)
		header           []string
		level, attrs     string
		values           map[string]any
	}{
		{"answer", genPath, `{"prompt":"SECRET","metadata":{"team":"red"}}`, canonical("SECRET"), nil, "INFO",
			"attempts client cost key latency_ms metadata model overhead_ms provider request_id route status usage",
			map[string]any{"status": 200.0, "route": "chat", "provider": "prov", "model": "m-1", "attempts": 2.0, "key": "app", "client": "127.0.0.1", "cost": 0.000009}},
		{"stream, trace", genPath, `{"prompt":"SECRET","stream":true}`, canonical("SECRET"),
			[]string{"Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "INFO",
			"attempts client cost key latency_ms model overhead_ms provider request_id route status trace_id ttft_ms usage",
			map[string]any{"status": 200.0, "trace_id": "0af7651916cd43dd8448eb211c80319c"}},
		{"failure", chatPath, `{"model":"gpt-x","messages":["SECRET"]}`, failing, nil, "ERROR",
			"attempts client key kind latency_ms overhead_ms provider request_id route status",
			map[string]any{"status": 502.0, "kind": "upstream_error", "attempts": 3.0, "route": "gpt-x"}},
		{"stream that fails", genPath, `{"prompt":"SECRET","stream":true}`, func(context.Context, *llm.Call) (*llm.Reply, error) {
			return streamOf(&fakeStream{events: texts("SECRET"), err: llm.Errorf(llm.KindTimeout, "slow")}, 0), nil
		}, nil, "ERROR", "attempts client key kind latency_ms model overhead_ms provider request_id status ttft_ms", map[string]any{"status": 200.0, "kind": "timeout"}},
		{"refused", chatPath, `SECRET`, nil, nil, "WARN", "client key kind latency_ms overhead_ms request_id status", map[string]any{"status": 400.0, "kind": "invalid_request"}},
		{"unknown path", "/SECRET?q=SECRET", `SECRET`, nil, nil, "WARN", "client kind latency_ms request_id status", map[string]any{"status": 404.0, "kind": "not_found"}},
		{"unauthenticated", chatPath, chatBody, nil, []string{"X-Api-Key: SECRET"}, "WARN", "client kind latency_ms request_id status", map[string]any{"status": 401.0}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := serve(t, tc.do, func(o *Options) { o.Snapshot.Auth = keys(map[string]string{secret: "app"}) })
			header := append([]string{"Authorization: Bearer " + secret, "X-Request-Id: id1"}, tc.header...)
			if len(tc.header) > 0 && strings.HasPrefix(tc.header[0], "X-Api-Key") {
				header = append(tc.header, "X-Request-Id: id1")
			}
			h.post(tc.path, tc.body, header...)
			h.wait()
			title := "POST " + tc.path
			if tc.name == "unknown path" {
				title = "other"
			}
			lines := h.log.lines(t, title)
			if len(lines) != 1 {
				t.Fatalf("log:\n%s", h.log)
			}
			line := lines[0]
			if got := names(line); got != tc.attrs || line["level"] != tc.level || line["request_id"] != "id1" {
				t.Errorf("level %v, attributes\n%s, want\n%s", line["level"], got, tc.attrs)
			}
			for name, v := range tc.values {
				if line[name] != v {
					t.Errorf("%s: %v, want %v", name, line[name], v)
				}
			}
			if log := h.log.String(); strings.Contains(log, "SECRET") || strings.Contains(log, secret) {
				t.Errorf("content in the log: %s", log)
			}
		})
	}
}

func TestLogUsageAndMetadata(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return answer("x"), nil })
	h.post(genPath, `{"prompt":"hi","metadata":{"team":"red","job":"7"}}`)
	h.wait()
	line := h.log.lines(t, "POST "+genPath)[0]
	if m := line["metadata"].(map[string]any); len(m) != 2 || m["team"] != "red" || m["job"] != "7" {
		t.Errorf("metadata %v", m)
	}
	got := line["usage"].(map[string]any)
	want := map[string]any{"input_tokens": 4.0, "cached_input_tokens": 1.0, "output_tokens": 5.0, "reasoning_tokens": 2.0, "source": "reported"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// Overhead is our own time: what the upstream took is not in it, and for a
// stream it ends with the head.
func TestOverheadAndFirstToken(t *testing.T) {
	run := func(body string, do func(context.Context, *llm.Call) (*llm.Reply, error)) (RequestStats, *logBuffer) {
		stats, log := &statsLog{}, &logBuffer{}
		s := New(Options{Snapshot: &Snapshot{Service: fakeService{do: do}}, Observe: stats.observe, Logger: slog.New(slog.NewJSONHandler(log, nil))})
		req := httptest.NewRequestWithContext(t.Context(), "POST", genPath, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		s.ServeHTTP(httptest.NewRecorder(), req)
		return stats.ended[0], log
	}
	synctest.Test(t, func(t *testing.T) {
		got, _ := run(genBody, func(context.Context, *llm.Call) (*llm.Reply, error) {
			time.Sleep(5*time.Second + 30*time.Millisecond) // the bubble's clock
			r := answer("x")
			r.Upstream = 5 * time.Second
			return r, nil
		})
		if got.Duration != 5030*time.Millisecond || got.Overhead != 30*time.Millisecond {
			t.Errorf("unary: %+v", got)
		}
		got, log := run(genStream, func(context.Context, *llm.Call) (*llm.Reply, error) {
			time.Sleep(time.Second + 7*time.Millisecond)
			st := &fakeStream{events: append(texts("a", "b"), finish()...), err: io.EOF, before: func(int) { time.Sleep(2 * time.Second) }}
			r := streamOf(st, 0)
			r.Upstream = time.Second
			return r, nil
		})
		if got.Duration != 13007*time.Millisecond || got.Overhead != 7*time.Millisecond || got.Status != 200 {
			t.Errorf("stream: %+v", got)
		}
		if line := log.lines(t, "POST "+genPath)[0]; line["ttft_ms"] != 5007.0 || line["overhead_ms"] != 7.0 || line["latency_ms"] != 13007.0 {
			t.Errorf("stream: %v", line)
		}
		got, _ = run(genBody, func(context.Context, *llm.Call) (*llm.Reply, error) {
			time.Sleep(time.Second + time.Millisecond)
			return nil, &llm.Error{Kind: llm.KindTimeout, Attempts: 1, Upstream: time.Second}
		})
		if got.Overhead != time.Millisecond || got.Rejected != "" || got.Status != 504 {
			t.Errorf("error: %+v", got)
		}
	})
}

func TestObserver(t *testing.T) {
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		if c.Peek.Model == "denied" {
			return nil, llm.Errorf(llm.KindPermissionDenied, "no")
		}
		return passing("{}"), nil
	}, func(o *Options) {
		o.Snapshot.Auth = keys(map[string]string{"sk-test-0000": "app"})
		o.Snapshot.Limit = NewLimit(0.001, 2)
		o.Snapshot.MaxBody = 1000
	})
	const key = "X-Api-Key: sk-test-0000"
	for _, tc := range []struct {
		method, path, body string
		header             string
		want               RequestStats
	}{
		{"POST", chatPath, chatBody, "X-A: b", RequestStats{Endpoint: chatPath, Status: 401, Rejected: "unauthenticated"}},
		{"POST", chatPath, chatBody, key, RequestStats{Endpoint: chatPath, Status: 200, Size: 2}},
		{"POST", chatPath, `{"model":"denied"}`, key, RequestStats{Endpoint: chatPath, Status: 403, Rejected: "permission_denied"}},
		{"POST", chatPath, chatBody, key, RequestStats{Endpoint: chatPath, Status: 429, Rejected: "rate_limited"}},
		{"GET", "/some/path", "", key, RequestStats{Endpoint: "other", Status: 404}},
		{"PUT", genPath, "", key, RequestStats{Endpoint: genPath, Status: 405}},
		{"GET", "/v1/models/abc", "", key, RequestStats{Endpoint: "/v1/models/{id...}", Status: 429, Rejected: "rate_limited"}},
		{"GET", "/healthz", "", key, RequestStats{Endpoint: "/healthz", Status: 200}},
	} {
		h.do(tc.method, tc.path, tc.body, tc.header)
		got := h.wait()
		if got.Endpoint != tc.want.Endpoint || got.Status != tc.want.Status || got.Rejected != tc.want.Rejected || got.Method != tc.method || got.Duration <= 0 {
			t.Errorf("%s %s: %+v", tc.method, tc.path, got)
		}
		if tc.want.Size != 0 && got.Size != tc.want.Size {
			t.Errorf("%s %s: %d bytes", tc.method, tc.path, got.Size)
		}
		if (got.Overhead >= 0) != (tc.path == chatPath && (got.Status == 200 || got.Status == 403)) {
			t.Errorf("%s %s: overhead %v", tc.method, tc.path, got.Overhead)
		}
	}
	if h.stats.started != len(h.stats.ended) {
		t.Errorf("%d started, %d ended", h.stats.started, len(h.stats.ended))
	}
}
