package provider

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// canonical makes a chat call of another dialect than the upstream's, which
// has to be translated.
func canonical(model string, stream bool) *llm.Call {
	return &llm.Call{
		Op: llm.OpChat, Model: model, Stream: stream, Dialect: llm.DialectNative, Meta: &llm.Meta{},
		Request: func() (*llm.Request, error) {
			return &llm.Request{Model: model, Stream: stream, Messages: fakeRequest.Messages}, nil
		},
	}
}

// embedding makes an embeddings call of an OpenAI client to another dialect.
func embedding(model string, e *llm.EmbedRequest) *llm.Call {
	return &llm.Call{
		Op: llm.OpEmbed, Model: model, Dialect: llm.DialectNative, Meta: &llm.Meta{},
		Request: func() (*llm.Request, error) { return &llm.Request{Model: model, Embed: e}, nil },
	}
}

// wantHeaders checks headers of a request, "" = absent.
func wantHeaders(t testing.TB, r *providertest.Request, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
}

// wantBody checks that the body is JSON that holds each of the pieces.
func wantBody(t testing.TB, r *providertest.Request, pieces ...string) {
	t.Helper()
	if !json.Valid(r.Body) {
		t.Errorf("no JSON: %s", r.Body)
	}
	for _, p := range pieces {
		if !strings.Contains(string(r.Body), p) {
			t.Errorf("no %s in %s", p, r.Body)
		}
	}
}

// serving starts an upstream that gives one answer to everything, and a client
// for it.
func serving(t testing.TB, answer string) (*providertest.Upstream, *http.Client) {
	t.Helper()
	up := providertest.NewUpstream(t, providertest.Say(answer))
	tr := NewTransport(TransportOptions{})
	t.Cleanup(tr.CloseIdleConnections)
	return up, NewClient(tr)
}

// quoted returns s as JSON.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// leaks searches what a provider shows of itself for a secret.
func leaks(t testing.TB, p llm.Provider, secret string) {
	t.Helper()
	for _, said := range []string{fmt.Sprintf("%v", p), fmt.Sprintf("%+v", p), fmt.Sprintf("%#v", p)} {
		if strings.Contains(said, secret) {
			t.Errorf("the provider shows a secret: %s", said)
		}
	}
}

// lenientVerdict is providertest.StatusVerdict without the statuses that only
// OpenAI-compatible servers have (Groq's 498) or mean otherwise (424).
func lenientVerdict(status int) providertest.Verdict {
	if status == 424 || status == 498 {
		return providertest.Verdict{Kind: llm.KindInvalidRequest}
	}
	return providertest.StatusVerdict(status)
}

// drained reads a stream to its end and returns its usage.
func drained(t testing.TB, r *llm.Reply) (u llm.Usage) {
	t.Helper()
	defer r.Close()
	for {
		ev, err := r.Stream.Recv()
		if err == io.EOF {
			return u
		}
		if err != nil {
			t.Fatal(err)
		}
		if ev.Usage != nil {
			u = *ev.Usage
		}
	}
}
