package provider

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// sent returns the request that p makes of c.
func sent(t testing.TB, o OpenAIOptions, c *llm.Call) *http.Request {
	t.Helper()
	var got *http.Request
	p := answering(t, o, func(r *http.Request) (*http.Response, error) {
		got = r
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(fakeGood)), ContentLength: -1}, nil
	})
	if _, err := p.Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestHead(t *testing.T) {
	c := fakeCall(false)
	c.Forward = []llm.Header{
		{Name: "traceparent", Value: "00-1-2-01"},
		{Name: "X-Client", Value: "yes"},
		{Name: "User-Agent", Value: "evil"},
		{Name: "Content-Type", Value: "text/plain"},
		{Name: "authorization", Value: "Bearer of-the-client"},
		{Name: "X-Api-Key", Value: "of-the-client"},
		{Name: "Cookie", Value: "a=b"},
		{Name: "Host", Value: "other"},
		{Name: "Transfer-Encoding", Value: "chunked"},
		{Name: "Proxy-Authorization", Value: "x"},
		{Name: "Bad Name", Value: "x"},
		{Name: "X-Split", Value: "a\r\nInjected: b"},
		{Name: "OpenAI-Project", Value: "of-the-client"},
	}
	got := sent(t, OpenAIOptions{
		Keys: []string{"sk-test-0000"}, Organization: "org", Project: "proj", Version: "1.2.3",
		Headers: map[string]string{"x-title": "gateway"},
	}, c).Header
	want := map[string]string{
		"Traceparent": "00-1-2-01", "X-Client": "yes", "User-Agent": "llm-gateway/1.2.3",
		"Content-Type": "application/json", "Accept": "application/json", "Authorization": "Bearer sk-test-0000",
		"Openai-Organization": "org", "Openai-Project": "proj", "X-Title": "gateway",
	}
	for name, value := range want {
		if v := got[name]; !slices.Equal(v, []string{value}) {
			t.Errorf("%s: %q, want %q", name, v, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("more than wanted: %v", got)
	}
}

func TestNoKeyNoAuthorization(t *testing.T) {
	c := fakeCall(false)
	c.Forward = []llm.Header{{Name: "Authorization", Value: "Bearer of-the-client"}}
	r := sent(t, OpenAIOptions{Keys: []string{""}}, c)
	if v := r.Header["Authorization"]; v != nil {
		t.Errorf("sent %q", v)
	}
}

func TestHeadsAreNotShared(t *testing.T) {
	o := OpenAIOptions{Keys: []string{"k"}, Headers: map[string]string{"X-A": "1"}}
	var maps []http.Header
	p := answering(t, o, func(r *http.Request) (*http.Response, error) {
		maps = append(maps, r.Header)
		r.Header.Add("X-A", "2")
		r.Header.Set("Accept", "x")
		return nil, io.ErrUnexpectedEOF
	})
	for range 2 {
		p.Do(t.Context(), fakeCall(false)) //nolint:errcheck // fails on purpose
	}
	for _, h := range maps {
		if !slices.Equal(h["X-A"], []string{"1", "2"}) {
			t.Errorf("got %q", h["X-A"])
		}
	}
}

func TestBodyCanBeReadAgain(t *testing.T) {
	c := fakeCall(false)
	r := sent(t, OpenAIOptions{}, c)
	for range 3 {
		body, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		if err != nil || string(b) != string(c.Raw) || r.ContentLength != int64(len(b)) {
			t.Fatalf("got %q, %v, length %d", b, err, r.ContentLength)
		}
	}
}

func TestConfiguredHeadersAreChecked(t *testing.T) {
	for _, h := range []map[string]string{{"X A": "secret-1"}, {"": "secret-1"}, {"X-A": "secret-1\n"}, {"X\r\nY": "secret-1"}} {
		_, err := NewOpenAI(OpenAIOptions{Name: "n", Codec: fakeCodec{}, Client: NewClient(tripFunc(nil)), Headers: h})
		if err == nil || strings.Contains(err.Error(), "secret-1") {
			t.Errorf("%q: %v", h, err)
		}
	}
}

// writes counts the writes to a connection.
type writes struct {
	net.Conn
	mu *sync.Mutex
	n  *int
}

func (w writes) Write(b []byte) (int, error) {
	w.mu.Lock()
	*w.n++
	w.mu.Unlock()
	return w.Conn.Write(b)
}

func TestHeadAndBodyLeaveInOneWrite(t *testing.T) {
	up := providertest.NewUpstream(t, providertest.Say(providertest.Answer(200, fakeGood)))
	tr := NewTransport(TransportOptions{})
	defer tr.CloseIdleConnections()
	var mu sync.Mutex
	n := 0
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		return writes{c, &mu, &n}, err
	}
	p, err := NewOpenAI(OpenAIOptions{Name: "n", BaseURL: up.URL(), Keys: []string{"sk-test-0000"}, Codec: fakeCodec{}, Client: NewClient(tr)})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Do(t.Context(), fakeCall(false)); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if n != 3 {
		t.Errorf("%d writes for 3 requests", n)
	}
}

func TestWhatIsTranslatedGoesToTheProvidersOwnEndpoint(t *testing.T) {
	c := fakeCall(false)
	c.Dialect = llm.DialectResponses // no Passer for it
	r := sent(t, OpenAIOptions{BaseURL: "http://h/v1"}, c)
	if r.URL.Path != "/v1/chat/completions" || c.Dialect != llm.DialectResponses {
		t.Errorf("sent to %s, the call says %v", r.URL, c.Dialect)
	}
	r = sent(t, OpenAIOptions{BaseURL: "http://h/v1", Responses: fakeCodec{}}, c)
	if r.URL.Path != "/v1/responses" {
		t.Errorf("passed to %s", r.URL)
	}
	c.Raw = nil // a call from inside the program
	r = sent(t, OpenAIOptions{BaseURL: "http://h/v1", Responses: fakeCodec{}}, c)
	if r.URL.Path != "/v1/chat/completions" {
		t.Errorf("translated to %s", r.URL)
	}
}
