package provider

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// tripFunc is a transport without a network.
type tripFunc func(*http.Request) (*http.Response, error)

func (f tripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// pieces is a body that brings one piece with each Read, then err.
type pieces struct {
	list   []string
	err    error // nil = io.EOF
	reads  int
	closed int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.reads++
	if len(p.list) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		return 0, io.EOF
	}
	n := copy(b, p.list[0])
	if p.list[0] = p.list[0][n:]; p.list[0] == "" {
		p.list = p.list[1:]
	}
	return n, nil
}

func (p *pieces) Close() error {
	p.closed++
	return nil
}

// answering makes a provider whose upstream answers with one response.
func answering(t testing.TB, o OpenAIOptions, resp func(*http.Request) (*http.Response, error)) *HTTP {
	t.Helper()
	o.Name = "fake"
	if o.Codec == nil {
		o.Codec = fakeCodec{}
	}
	o.Client = NewClient(tripFunc(resp))
	p, err := NewOpenAI(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func eventStream(body io.ReadCloser) *http.Response {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: body, ContentLength: -1}
}

var openAICodec = openai.Codec{}

func respondWith(body io.ReadCloser) tripFunc {
	return func(*http.Request) (*http.Response, error) { return eventStream(body), nil }
}

// streamOf opens a stream over body.
func streamOf(t testing.TB, c *llm.Call, body io.ReadCloser) llm.Stream {
	t.Helper()
	return streamIn(t.Context(), t, c, body)
}

func streamIn(ctx context.Context, t testing.TB, c *llm.Call, body io.ReadCloser) llm.Stream {
	t.Helper()
	p := answering(t, OpenAIOptions{Keys: []string{"sk-test-0000"}}, func(*http.Request) (*http.Response, error) { return eventStream(body), nil })
	r, err := p.Do(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r.Stream
}

// kindOf returns the kind of an error that must be an *llm.Error.
func kindOf(t testing.TB, err error) llm.Kind {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("no *llm.Error: %v", err)
	}
	return e.Kind
}
