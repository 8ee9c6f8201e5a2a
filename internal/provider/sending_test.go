package provider

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestWhoKeepsTheBody: package h1 has done with a body when it returns, also
// while the answer goes on; of other transports that is not known.
func TestWhoKeepsTheBody(t *testing.T) {
	s := stub(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	std := func() http.RoundTripper { return NewTransport(TransportOptions{}) }
	own := func() http.RoundTripper { return NewExchanger(TransportOptions{}) }
	for _, tc := range []struct {
		name   string
		trip   func() http.RoundTripper
		url    string
		stream bool
		fails  bool
		kept   bool
	}{
		{"whole", own, s.URL, false, false, false},
		{"stream", own, s.URL, true, false, false},
		{"failed", own, gone.URL, false, true, false},
		{"by another transport", std, s.URL, false, false, true},
		{"failed there", std, gone.URL, false, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			client := NewClient(tc.trip())
			t.Cleanup(client.CloseIdleConnections)
			p, err := NewOpenAI(OpenAIOptions{Name: "up", BaseURL: tc.url, Codec: quickCodec{}, Client: client})
			if err != nil {
				t.Fatal(err)
			}
			c := fakeCall(tc.stream)
			c.Loan = &llm.Loan{}
			r, err := p.Do(t.Context(), c)
			if (err != nil) != tc.fails || c.Loan.Kept() != tc.kept {
				t.Errorf("%v, kept: %v", err, c.Loan.Kept())
			}
			if err == nil {
				r.Close()
			}
		})
	}
}

func readText(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestARequestLetsGoOfItsBody: what hangs on to the request of an open stream
// does not hang on to what it said.
func TestARequestLetsGoOfItsBody(t *testing.T) {
	p := benchProvider(t, "http://127.0.0.1:1")
	p.direct = true
	req := &http.Request{}
	p.setBody(req, []byte("{}"))
	if again, err := req.GetBody(); err != nil || readText(t, again) != "{}" {
		t.Errorf("the second try differs: %v", err)
	}
	if wasSent(req) || readText(t, req.Body) != "{}" {
		t.Error("the body is not there")
	}
	s := req.Body.(*sending)
	s.Sent()
	if !wasSent(req) || s.body != nil || s.Size() != 0 {
		t.Errorf("kept: %q", s.body)
	}
}
