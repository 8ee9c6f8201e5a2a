package server

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestPassThrough(t *testing.T) {
	const body = ` {"model":"gpt-x", "future":{"a":[1]},"messages":[{"role":"user","content":"hi"}]}`
	const reply = `{"id":"x","unknown":  true}`
	var got *llm.Call
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		got = c
		c.Meta.Route = "chat"
		return passing(reply), nil
	})
	r := h.post(chatPath, body, "Authorization: Bearer k", "OpenAI-Beta: a=1", "Anthropic-Beta: x", "Anthropic-Beta: y", "Cookie: secret=1",
		"X-Request-Id: my-id.1", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if r.status != 200 || r.body != reply {
		t.Fatalf("got %d %q", r.status, r.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "X-Request-Id": "my-id.1", "X-Gateway-Provider": "prov", "X-Gateway-Model": "m-1",
		"X-Gateway-Attempts": "1", "X-Gateway-Cache": "", "X-Gateway-Dropped": "", "X-Should-Retry": "", "Content-Length": "27",
	} {
		if v := r.header.Get(name); v != want {
			t.Errorf("%s: %q, want %q", name, v, want)
		}
	}
	if string(got.Raw) != body || got.Model != "gpt-x" || got.Op != llm.OpChat || got.Dialect != llm.DialectOpenAI || got.Stream || got.Drop {
		t.Errorf("call %+v", got)
	}
	want := []llm.Header{{Name: "Anthropic-Beta", Value: "x, y"}, {Name: "Openai-Beta", Value: "a=1"}}
	if d := cmp.Diff(want, got.Forward); d != "" {
		t.Error(d)
	}
	if got.Meta.RequestID != "my-id.1" || got.Meta.TraceID != "0af7651916cd43dd8448eb211c80319c" || got.Meta.Caller == nil {
		t.Errorf("meta %+v", got.Meta)
	}
	req, err := got.Request()
	if err != nil || len(req.Messages) != 1 {
		t.Fatalf("decoded %+v, %v", req, err)
	}
	if again, _ := got.Request(); again != req {
		t.Error("the body was decoded twice")
	}
}

func TestNativeAnswer(t *testing.T) {
	var got *llm.Call
	before := time.Now()
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		got = c
		r := answer("hello")
		r.Cache, r.Dropped = "miss", []string{"seed", "top_p"}
		return r, nil
	})
	r := h.post(genPath, `{"prompt":"hi","metadata":{"team":"a"},"timeout_ms":5000}`, "X-Gateway-Unsupported: drop")
	m := decode(t, r.body)
	data := m["data"].(map[string]any)
	if r.status != 200 || m["code"] != 200.0 || m["request_id"] != r.header.Get("X-Request-Id") || data["text"] != "hello" {
		t.Fatalf("got %d %s", r.status, r.body)
	}
	if data["provider"] != "prov" || data["model"] != "m-1" || data["attempts"] != 2.0 || data["cache"] != "miss" {
		t.Errorf("data %v", data)
	}
	if cost := data["cost"].(map[string]any); cost["amount"] != 0.000009 {
		t.Errorf("cost %v", cost)
	}
	if r.header.Get("X-Gateway-Cache") != "miss" || r.header.Get("X-Gateway-Dropped") != "seed, top_p" {
		t.Errorf("headers %v", r.header)
	}
	if !got.Drop || got.Meta.Tags["team"] != "a" || got.Model != "" {
		t.Errorf("call %+v, meta %+v", got, got.Meta)
	}
	if left := got.Deadline.Sub(before); left < 5*time.Second || left > 15*time.Second {
		t.Errorf("deadline in %v", left)
	}
}

func TestEmbeddingsIgnoreStream(t *testing.T) {
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		if c.Op != llm.OpEmbed || c.Stream {
			t.Errorf("call %+v", c)
		}
		return passing(`{"object":"list"}`), nil
	})
	if r := h.post("/v1/embeddings", `{"model":"e","input":"x","stream":true}`); r.status != 200 || r.body != `{"object":"list"}` {
		t.Fatalf("got %+v", r)
	}
}

func TestReplyThatDoesNotFit(t *testing.T) {
	for name, reply := range map[string]*llm.Reply{
		"nothing":          {},
		"foreign bytes":    {Raw: []byte("{}"), Dialect: llm.DialectAnthropic},
		"stream not asked": {Stream: &fakeStream{events: raws("data: x\n\n"), err: io.EOF}, Dialect: llm.DialectOpenAI},
	} {
		t.Run(name, func(t *testing.T) {
			h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return reply, nil })
			if r := h.post(chatPath, chatBody); r.status != 500 || !strings.Contains(r.body, "server_error") {
				t.Fatalf("got %+v", r)
			}
			if st, ok := reply.Stream.(*fakeStream); ok && !st.isClosed() {
				t.Error("the stream was left open")
			}
		})
	}
}

func TestEachRequestKeepsItsSnapshot(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
		close(asked)
		<-release
		return passing(`"old"`), nil
	})
	slow := make(chan result)
	go func() { slow <- h.post(chatPath, chatBody) }()
	within(t, "the call", asked)
	h.Swap(&Snapshot{
		Service: fakeService{do: func(context.Context, *llm.Call) (*llm.Reply, error) { return passing(`"new"`), nil }},
		MaxBody: 100,
	})
	if r := h.post(chatPath, chatBody); r.body != `"new"` {
		t.Errorf("after the swap: %+v", r)
	}
	if r := h.post(chatPath, strings.Repeat(" ", 101)); r.status != 413 {
		t.Errorf("the new limit does not hold: %+v", r)
	}
	close(release)
	if r := <-slow; r.body != `"old"` {
		t.Errorf("the running request: %+v", r)
	}
}

func TestAuthentication(t *testing.T) {
	var callers []string
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		callers = append(callers, c.Meta.Caller.Name)
		return passing("{}"), nil
	}, func(o *Options) { o.Snapshot.Auth = keys(map[string]string{"sk-test-0000": "app"}) })
	for _, tc := range []struct {
		name   string
		header []string
		ok     bool
	}{
		{"bearer", []string{"Authorization: Bearer sk-test-0000"}, true},
		{"scheme in lower case, blanks", []string{"Authorization: bearer   sk-test-0000 "}, true},
		{"x-api-key", []string{"X-Api-Key: sk-test-0000"}, true},
		{"bearer wins", []string{"Authorization: Bearer sk-test-0000", "X-Api-Key: other"}, true},
		{"none", nil, false},
		{"wrong", []string{"Authorization: Bearer sk-test-0001"}, false},
		{"no scheme", []string{"Authorization: sk-test-0000"}, false},
		{"basic does not fall back", []string{"Authorization: Basic sk-test-0000", "X-Api-Key: sk-test-0000"}, false},
		{"twice", []string{"Authorization: Bearer sk-test-0000", "Authorization: Bearer sk-test-0000"}, false},
		{"key twice", []string{"X-Api-Key: sk-test-0000", "X-Api-Key: sk-test-0000"}, false},
		{"bearer in x-api-key", []string{"X-Api-Key: Bearer sk-test-0000"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			callers = nil
			r := h.post(chatPath, chatBody, tc.header...)
			if tc.ok {
				if r.status != 200 || !slices.Equal(callers, []string{"app"}) {
					t.Fatalf("got %+v, callers %v", r, callers)
				}
				return
			}
			e := decode(t, r.body)["error"].(map[string]any)
			if r.status != 401 || e["code"] != "invalid_api_key" || r.header.Get("Www-Authenticate") != "Bearer" || callers != nil {
				t.Fatalf("got %+v, callers %v", r, callers)
			}
		})
	}
	for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml"} {
		if r := h.do("GET", path, ""); r.status != 200 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	for _, path := range []string{"/v1/models", "/v1/models/x"} {
		if r := h.do("GET", path, ""); r.status != 401 {
			t.Errorf("%s without a key: %d", path, r.status)
		}
	}
	if strings.Contains(h.log.String(), "sk-test") {
		t.Error("a key is in the log")
	}
}

func TestRequestIDs(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil })
	seen := map[string]bool{}
	for _, tc := range []struct {
		sent []string
		kept bool
	}{
		{nil, false},
		{[]string{"X-Request-Id: abc-1"}, true},
		{[]string{"X-Request-Id: " + strings.Repeat("x", 128)}, true},
		{[]string{"X-Request-Id: " + strings.Repeat("x", 129)}, false},
		{[]string{"X-Request-Id: a b"}, false},
		{[]string{"X-Request-Id: é"}, false},
		{[]string{"X-Request-Id: a", "X-Request-Id: a"}, false},
		{[]string{"X-Request-Id: "}, false},
	} {
		for _, path := range []string{"/healthz", "/nowhere"} {
			r := h.do("GET", path, "", tc.sent...)
			id := r.header.Get("X-Request-Id")
			if tc.kept {
				if "X-Request-Id: "+id != tc.sent[0] {
					t.Errorf("sent %q, got %q", tc.sent, id)
				}
				continue
			}
			if !strings.HasPrefix(id, "req_") || len(id) != 36 || seen[id] {
				t.Errorf("sent %q, got %q", tc.sent, id)
			}
			seen[id] = true
		}
	}
}

// clientAborts runs one request that the client gives up as soon as the
// service waits, and returns the server's record of it.
func clientAborts(t *testing.T, h *harness, path, body string, waiting <-chan struct{}) RequestStats {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-waiting
		cancel()
	}()
	resp, err := h.client.Do(h.request("POST", path, body).WithContext(ctx))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the answer was complete")
	}
	return h.wait()
}

func TestClientAbortReachesTheService(t *testing.T) {
	t.Run("unary", func(t *testing.T) {
		waiting := make(chan struct{})
		h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
			close(waiting)
			<-ctx.Done() // the test would hang if the abort did not come through
			return nil, llm.ContextError(ctx)
		})
		if s := clientAborts(t, h, chatPath, chatBody, waiting); s.Status != 499 || s.Size != 0 {
			t.Errorf("stats %+v", s)
		}
	})
	t.Run("stream", func(t *testing.T) {
		waiting := make(chan struct{})
		st := &fakeStream{events: raws("data: 1\n\n")}
		h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
			st.err = llm.Errorf(llm.KindUpstreamError, "the connection was closed") // what a cancelled exchange may look like
			st.before = func(i int) {
				if i == 1 {
					close(waiting)
					<-ctx.Done()
				}
			}
			return streamOf(st, llm.DialectOpenAI), nil
		})
		s := clientAborts(t, h, chatPath, chatStream, waiting)
		if s.Status != 499 || s.Size != int64(len("data: 1\n\n")) || !st.isClosed() {
			t.Errorf("stats %+v, closed %v", s, st.isClosed())
		}
	})
	t.Run("batch", func(t *testing.T) {
		waiting := make(chan struct{}, 3)
		h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
			waiting <- struct{}{}
			<-ctx.Done()
			return nil, llm.ContextError(ctx)
		})
		if s := clientAborts(t, h, genPath+"/batch", `{"requests":[{"prompt":"a"},{"prompt":"b"},{"prompt":"c"}],"concurrency":2}`, waiting); s.Status != 499 {
			t.Errorf("stats %+v", s)
		}
		if len(waiting) > 1 {
			t.Error("the third item was begun after the client had left")
		}
	})
	t.Run("half closed", func(t *testing.T) {
		waiting := make(chan struct{})
		h := serve(t, func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
			close(waiting)
			<-ctx.Done()
			return nil, llm.ContextError(ctx)
		})
		conn := h.tcp("POST " + chatPath + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
		within(t, "the call", waiting)
		if err := conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(conn); len(b) != 0 {
			t.Errorf("an answer that says nothing true: %q", b)
		}
	})
}

func TestMethodsAndHead(t *testing.T) {
	h := serve(t, nil)
	for path, allow := range map[string]string{
		chatPath: "POST", genPath: "POST", genPath + "/batch": "POST", "/v1/embeddings": "POST",
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
	if path == chatPath || strings.HasPrefix(path, "/v1/models") || path == "/v1/embeddings" {
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
			buf := make([]byte, 4096)
			n, err := io.ReadAtLeast(conn, buf, 12)
			if err != nil {
				t.Fatalf("%v after %q", err, buf[:n])
			}
			m, _ := conn.Read(buf[n:]) // net/http may send head and body apart
			got := string(buf[:n+m])
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
