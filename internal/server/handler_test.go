package server

import (
	"context"
	"io"
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
