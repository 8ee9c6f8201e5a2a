package mockserver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "sk-test-0000"

// rig is a server and a client of it.
type rig struct {
	*mockserver.Server
	base   string
	client *http.Client
}

// upstream starts a server on loopback.
func upstream(t *testing.T, o mockserver.Options) *rig {
	t.Helper()
	s := mockserver.New(o)
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	return &rig{s, ts.URL, ts.Client()}
}

// piped starts a server behind pipes, for use in a bubble with its own clock.
func piped(t *testing.T, o mockserver.Options) *rig {
	t.Helper()
	s := mockserver.New(o)
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	srv := &http.Server{Handler: s}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(l) })
	tr := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		_ = srv.Close()
		wg.Wait()
	})
	return &rig{s, "http://mock", &http.Client{Transport: tr}}
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- a:
		return b, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "mock"} }

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // of reading the body
}

func (r *rig) send(ctx context.Context, method, path, body string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+testKey)
	return r.client.Do(req)
}

func (r *rig) do(t *testing.T, method, path, body string) answer {
	t.Helper()
	resp, err := r.send(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return read(t, resp)
}

func read(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, b, err}
}

const chatPath = "/v1/chat/completions"

func (r *rig) post(t *testing.T, body string) answer {
	t.Helper()
	return r.do(t, http.MethodPost, chatPath, body)
}

// chat is the body of a request of one user message; extra follows it.
func chat(model, text, extra string) string {
	b, _ := json.Marshal(text)
	return `{"model":"` + model + `","messages":[{"role":"user","content":` + string(b) + `}]` + extra + `}`
}

const streaming = `,"stream":true`

type usage struct {
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Total      int64 `json:"total_tokens"`
	PromptPart struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionPart struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

type toolCall struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

type said struct {
	Role      *string    `json:"role"`
	Content   *string    `json:"content"`
	Refusal   *string    `json:"refusal"`
	ToolCalls []toolCall `json:"tool_calls"`
}

type apiError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

// completion is a chat.completion or one of its chunks.
type completion struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Model   string `json:"model"`
	Choices []struct {
		Index   int     `json:"index"`
		Message said    `json:"message"`
		Delta   said    `json:"delta"`
		Finish  *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage    `json:"usage"`
	Error *apiError `json:"error"`

	raw string
}

func parse(t *testing.T, b []byte) completion {
	t.Helper()
	var c completion
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	c.raw = string(b)
	return c
}

// chunks splits a stream, and reports whether it ended with [DONE].
func chunks(t *testing.T, body []byte) (list []completion, done bool) {
	t.Helper()
	r := sse.NewReader(bytes.NewReader(body), sse.Options{})
	defer r.Release()
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return list, done
		}
		if err != nil {
			t.Fatal(err)
		}
		if done {
			t.Errorf("after [DONE] came %s", ev.Data)
		}
		if string(ev.Data) == "[DONE]" {
			done = true
			continue
		}
		list = append(list, parse(t, ev.Data))
	}
}

func str(p *string) string {
	if p == nil {
		return "<null>"
	}
	return *p
}

// local asks the handler without a network between.
func local(h http.Handler, path, body string) answer {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return answer{w.Code, w.Header(), w.Body.Bytes(), nil}
}
