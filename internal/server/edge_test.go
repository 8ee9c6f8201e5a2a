package server

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMethodsAndHead(t *testing.T) {
	h := serve(t, nil)
	for path, allow := range map[string]string{
		chatPath: "POST", genPath: "POST", genPath + "/batch": "POST", "/v1/embeddings": "POST", rspPath: "POST", msgPath: "POST", cntPath: "POST",
		"/v1/models": "GET, HEAD", "/v1/models/a/b": "GET, HEAD", "/healthz": "GET, HEAD", "/readyz": "GET, HEAD", "/openapi.yaml": "GET, HEAD",
	} {
		for _, method := range []string{"DELETE", "OPTIONS", "BREW"} {
			r := h.do(method, path, "")
			if r.status != 405 || r.header.Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q", method, path, r.status, r.header.Get("Allow"))
			}
			if strings.Contains(allow, "POST") {
				if r := h.do("GET", path, ""); r.status != 405 {
					t.Errorf("GET %s: %d", path, r.status)
				}
			}
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/v1/models"} {
		get, head := h.do("GET", path, ""), h.do("HEAD", path, "")
		if head.status != 200 || head.body != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") {
			t.Errorf("HEAD %s: %+v", path, head)
		}
	}
	if lines := h.log.lines(t, "GET /healthz"); lines[0]["level"] != "DEBUG" {
		t.Errorf("probes are loud: %v", lines)
	}
}

func TestErrorsInTheDialectOfThePath(t *testing.T) {
	h := serve(t, nil, func(o *Options) { o.Snapshot.MaxBody = 1000 })
	big := strings.Repeat("x", 2000)
	for _, tc := range []struct {
		name, method, path, body string
		header                   []string
		status                   int
		say                      string
		want                     map[string]string
	}{
		{"unknown path", "POST", "/v1/nowhere", "{}", nil, 404, "no such path", nil},
		{"root", "GET", "/", "", nil, 404, "no such path", nil},
		{"trailing slash", "POST", chatPath + "/", "{}", nil, 404, "no such path", nil},
		{"dots", "POST", "/v1/../v1/generate", "{}", nil, 404, "no such path", nil},
		{"escaped dots", "POST", "/v1/%2e%2e/v1/generate", "{}", nil, 404, "no such path", nil},
		{"double slash", "POST", "//v1/generate", "{}", nil, 404, "no such path", nil},
		{"no metrics handler", "GET", "/metrics", "", nil, 404, "no such path", nil},
		{"form", "POST", chatPath, "a=b", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "application/json", map[string]string{"Accept": "application/json"}},
		{"no type", "POST", chatPath, "", nil, 415, "application/json", nil},
		{"two types", "POST", chatPath, "{}", []string{"Content-Type: application/json"}, 415, "application/json", nil},
		{"latin-1", "POST", genPath, "", []string{"Content-Type: application/json; charset=latin1"}, 415, "application/json", nil},
		{"gzip", "POST", genPath, "{}", []string{"Content-Encoding: gzip"}, 415, "uncompressed", map[string]string{"Accept-Encoding": "identity"}},
		{"too large", "POST", chatPath, big, nil, 413, "larger than 1000 bytes", map[string]string{"Connection": "close"}},
		{"too large, batch", "POST", genPath + "/batch", big, nil, 413, "larger than 1000 bytes", nil},
		{"empty", "POST", chatPath, "", []string{"Content-Type: application/json"}, 400, "", nil},
		{"malformed", "POST", chatPath, `{"model":"x",}`, nil, 400, "13", nil},
		{"malformed, native", "POST", genPath, `{"prompt":"x",}`, nil, 400, "14", nil},
		{"malformed, batch", "POST", genPath + "/batch", `{"requests":[}`, nil, 400, "13", nil},
		{"not an object", "POST", chatPath, `[]`, nil, 400, "", nil},
		{"unknown member", "POST", genPath, `{"promt":"x"}`, nil, 400, "promt", nil},
		{"malformed, messages", "POST", msgPath, `{"model":"x",}`, nil, 400, "13", nil},
		{"malformed, responses", "POST", rspPath, `{"model":"x",}`, nil, 400, "13", nil},
		{"too large, messages", "POST", msgPath, big, nil, 413, "larger than 1000 bytes", nil},
		{"form, count", "POST", cntPath, "a=b", []string{"Content-Type: application/x-www-form-urlencoded"}, 415, "application/json", nil},
		{"bad wish", "POST", chatPath, chatBody, []string{"X-Gateway-Unsupported: dorp"}, 400, "drop or refuse", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := h.do(tc.method, tc.path, tc.body, tc.header...)
			if r.status != tc.status || r.header.Get("Content-Type") != "application/json" || !strings.Contains(r.body, tc.say) {
				t.Fatalf("got %d %v %s", r.status, r.header, r.body)
			}
			for name, v := range tc.want {
				if name == "Connection" {
					continue // net/http's client takes it away
				}
				if r.header.Get(name) != v {
					t.Errorf("%s: %q", name, r.header.Get(name))
				}
			}
			shape(t, tc.path, r)
		})
	}
}

// shape checks that an error answer has the form of its path's dialect.
func shape(t *testing.T, path string, r result) {
	t.Helper()
	m := decode(t, r.body)
	e, ok := m["error"].(map[string]any)
	if !ok {
		t.Fatalf("no error object in %s", r.body)
	}
	if path == msgPath || path == cntPath {
		id := r.header.Get("X-Request-Id")
		if m["type"] != "error" || m["request_id"] != id || r.header.Get("Request-Id") != id || len(m) != 3 || len(e) != 2 || e["type"] == nil || e["message"] == nil {
			t.Errorf("not Anthropic's form: %s", r.body)
		}
		return
	}
	if path == chatPath || path == rspPath || strings.HasPrefix(path, "/v1/models") || path == "/v1/embeddings" {
		names := slices.Sorted(maps.Keys(e))
		if !slices.Equal(names, []string{"code", "message", "param", "type"}) || len(m) != 1 {
			t.Errorf("not OpenAI's form: %s", r.body)
		}
		return
	}
	data, has := m["data"]
	if m["code"] != float64(r.status) || !has || data != nil || m["request_id"] != r.header.Get("X-Request-Id") || e["kind"] == nil {
		t.Errorf("not the envelope: %s", r.body)
	}
}

func TestBodyWithoutLength(t *testing.T) {
	var got string
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		got = string(c.Raw)
		return passing("{}"), nil
	}, func(o *Options) { o.Snapshot.MaxBody = 20_000 })
	pad := strings.Repeat(" ", 19_000)
	req := h.request("POST", chatPath, "")
	req.Header.Set("Content-Type", "application/json; charset=UTF-8")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(chatBody+pad)), -1
	if r := h.send(req); r.status != 200 || got != chatBody+pad {
		t.Fatalf("got %d, %d bytes", r.status, len(got))
	}
	req = h.request("POST", chatPath, "")
	req.Header.Set("Content-Type", "application/json")
	req.Body, req.ContentLength = io.NopCloser(strings.NewReader(chatBody+pad+pad)), -1
	if r := h.send(req); r.status != 413 {
		t.Fatalf("got %+v", r)
	}
}

// TestRawRequests sends what no HTTP client would.
func TestRawRequests(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil },
		func(o *Options) { o.ReadBody = 300 * time.Millisecond; o.MaxHeaderBytes = 8 << 10 })
	const head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	for _, tc := range []struct {
		name, text string
		status     string
		say        string
	}{
		{"too slow", head + "Content-Length: 100\r\n\r\n{\"a\"", "408", "did not arrive within 300ms"},
		{"bad chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400", "could not be read"},
		{"huge length", head + "Content-Length: 99999999999\r\n\r\n", "413", "larger than"},
		{"two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400", ""},
		{"length and chunked", head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", ""},
		{"huge header", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", "431", ""},
		{"star", "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "404", "no such path"},
		{"connect", "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n", "404", "no such path"},
		{"absolute", "GET http://example.org/healthz HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n", "200", "ok"},
		{"header injection", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rSet-Cookie: b\r\n\r\n", "400", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn := h.tcp(tc.text)
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var text strings.Builder
			_ = resp.Write(&text)
			got := text.String()
			if !strings.HasPrefix(got, "HTTP/1.1 "+tc.status) || !strings.Contains(got, tc.say) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// Who is refused without its body being read is not asked to send it.
func TestRefusedBeforeTheBody(t *testing.T) {
	h := serve(t, nil, func(o *Options) { o.Snapshot.Auth = keys(nil); o.Snapshot.MaxBody = 10 })
	conn := h.tcp("POST /v1/generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if b, err := io.ReadAll(conn); !strings.HasPrefix(string(b), "HTTP/1.1 401") || strings.Contains(string(b), "100 Continue") {
		t.Errorf("got %q, %v", b, err)
	}
}

// A client that leaves in the middle of its body has left.
func TestBodyCutOff(t *testing.T) {
	h := serve(t, nil)
	for _, framing := range []string{"Content-Length: 100\r\n\r\n{\"a\"", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"} {
		conn := h.tcp("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + framing)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		if b, _ := io.ReadAll(conn); len(b) != 0 {
			t.Errorf("got %q", b)
		}
		if s := h.wait(); s.Status != 499 {
			t.Errorf("stats %+v", s)
		}
	}
}

func TestSlowBodyDoesNotCutTheCall(t *testing.T) {
	h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		select {
		case <-ctx.Done():
			return nil, llm.ContextError(ctx)
		case <-time.After(300 * time.Millisecond): // well past the body's time
			return passing("{}"), nil
		}
	}, func(o *Options) { o.ReadBody = 100 * time.Millisecond })
	if r := h.post(chatPath, chatBody); r.status != http.StatusOK {
		t.Fatalf("got %+v", r)
	}
}
