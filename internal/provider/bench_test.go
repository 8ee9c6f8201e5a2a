package provider

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// stub answers as fast as net/http can: 200 bytes, or 100 chunks.
func stub(tb testing.TB) *httptest.Server {
	body := []byte(fakeGood + strings.Repeat(" ", 200-len(fakeGood)))
	chunk := []byte(`data: {"t":"` + strings.Repeat("x", 100) + `"}` + "\n\n")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) //nolint:errcheck // a test's stub
		if r.Header.Get("Accept") != "text/event-stream" {
			w.Header()["Content-Type"] = []string{"application/json"}
			w.Write(body) //nolint:errcheck // a test's stub
			return
		}
		w.Header()["Content-Type"] = []string{"text/event-stream"}
		for range 100 {
			w.Write(chunk) //nolint:errcheck // a test's stub
		}
		io.WriteString(w, fakeFinish+fakeUsage+fakeDone) //nolint:errcheck // a test's stub
	}))
	tb.Cleanup(s.Close)
	return s
}

func benchProvider(tb testing.TB, url string) *HTTP {
	p, err := NewOpenAI(OpenAIOptions{
		Name: "bench", BaseURL: url, Keys: []string{"sk-test-0000"}, Codec: quickCodec{},
		Client: NewClient(NewTransport(TransportOptions{})),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// bare is what net/http itself needs for the same exchange.
func bare(tb testing.TB, tr *http.Transport, proto *http.Request, body []byte, buf []byte) {
	req := proto.WithContext(tb.Context())
	req.Body = inMemory(body)
	req.ContentLength = int64(len(body))
	resp, err := tr.RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := resp.Body.Read(buf); err != nil {
			break
		}
	}
	resp.Body.Close()
}

func bareRequest(tb testing.TB, url, accept string) *http.Request {
	req, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url+"/chat/completions", nil)
	if err != nil {
		tb.Fatal(err)
	}
	req.Header = http.Header{"Accept": {accept}, "Authorization": {"Bearer sk-test-0000"}, "Content-Type": {"application/json"}, "User-Agent": {"x"}}
	return req
}

func BenchmarkUnary(b *testing.B) {
	b.Run("net-http", func(b *testing.B) {
		s, tr := stub(b), NewTransport(TransportOptions{})
		req, buf, body := bareRequest(b, s.URL, "application/json"), make([]byte, 512), fakeCall(false).Raw
		b.ReportAllocs()
		for b.Loop() {
			bare(b, tr, req, body, buf)
		}
	})
	b.Run("provider", func(b *testing.B) {
		p, c := benchProvider(b, stub(b).URL), fakeCall(false)
		b.ReportAllocs()
		for b.Loop() {
			unary(b, p, c)
		}
	})
}

func unary(tb testing.TB, p *HTTP, c *llm.Call) {
	r, err := p.Do(tb.Context(), c)
	if err != nil || len(r.Raw) == 0 {
		tb.Fatal(r, err)
	}
}

func BenchmarkStream(b *testing.B) {
	b.Run("net-http", func(b *testing.B) {
		s, tr := stub(b), NewTransport(TransportOptions{})
		req, buf, body := bareRequest(b, s.URL, "text/event-stream"), make([]byte, 4096), fakeCall(false).Raw
		b.ReportAllocs()
		for b.Loop() {
			bare(b, tr, req, body, buf)
		}
	})
	b.Run("passing", func(b *testing.B) {
		p, c := benchProvider(b, stub(b).URL), fakeCall(true)
		b.ReportAllocs()
		for b.Loop() {
			b.ReportMetric(float64(stream(b, p, c)), "events/op")
		}
	})
}

func stream(tb testing.TB, p *HTTP, c *llm.Call) (events int) {
	r, err := p.Do(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	for {
		_, err := r.Stream.Recv()
		if err == io.EOF {
			return events
		}
		if err != nil {
			tb.Fatal(err)
		}
		events++
	}
}
