package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testKey = "gw_test_client_000000000000000000"

const wholeData = `{"id":"gen_r1","model":"gpt-4o","provider":"openai","text":"Zürich","reasoning":"I think","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}],"finish_reason":"tool_calls","usage":{"input_tokens":9,"cached_input_tokens":3,"output_tokens":12,"reasoning_tokens":2,"total_tokens":21,"estimated":true},"cost":{"amount":0.000042500001,"currency":"USD"},"latency_ms":812,"attempts":2,"cache":"miss","future":[1.50]}`

func envelopeOf(data string) string {
	return `{"code":200,"message":"success","request_id":"r1","data":` + data + `}`
}

const limitedBody = `{"code":429,"message":"slow down","request_id":"r9","data":null,"error":{"kind":"rate_limited","retryable":true,"retry_after_ms":1200,"provider":"openai","param":"model"}}`

// seen is what a fake gateway was sent.
type seen struct {
	method, path, body string
	header             http.Header
}

// fake starts a gateway that answers with h and returns a client of it and the
// requests that it got.
func fake(t *testing.T, o Options, h http.HandlerFunc) (*Client, *[]seen) {
	t.Helper()
	var got []seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = append(got, seen{r.Method, r.URL.Path, string(b), r.Header.Clone()})
		h(w, r)
	}))
	if o.BaseURL == "" {
		o.BaseURL = s.URL
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c, &got
}

func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// cut sends a body and then breaks the connection.
func cut(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		fmt.Fprint(w, body)
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// kindIs checks an error's kind and a piece of its message.
func kindIs(t *testing.T, err error, kind Kind, message string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T), want kind %s", err, err, kind)
	}
	if e.Kind != kind || !strings.Contains(e.Error(), message) {
		t.Errorf("error %q, want kind %s with %q", e, kind, message)
	}
	return e
}
