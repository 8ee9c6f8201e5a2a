package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

func response(status int, body string, header http.Header) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

func answerGood(*http.Request) (*http.Response, error) { return response(200, fakeGood, nil), nil }

func TestNetworkErrors(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, tc := range []struct {
		err  error
		want string
	}{
		{dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), "upstream_error: the provider refused the connection"},
		{dial(os.ErrDeadlineExceeded), "timeout: connecting to the provider took too long"},
		{dial(&net.DNSError{Err: "no such host", Name: "secret.internal", IsNotFound: true}), "upstream_error: the provider's host name cannot be resolved"},
		{dial(&net.DNSError{Err: "i/o timeout", Name: "secret.internal", IsTimeout: true}), "timeout: connecting to the provider took too long"},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, "upstream_error: the connection to the provider was reset"},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, "upstream_error: the connection to the provider was reset"},
		{io.EOF, "upstream_error: the provider closed the connection without an answer"},
		{io.ErrUnexpectedEOF, "upstream_error: the provider closed the connection without an answer"},
		{os.ErrDeadlineExceeded, "timeout: the provider took too long"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "upstream_error: the TLS handshake with the provider failed"},
		{&net.OpError{Op: "remote error", Err: tls.AlertError(40)}, "upstream_error: the TLS handshake with the provider failed"},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "upstream_error: the provider's TLS certificate is not trusted"},
		{errors.New("10.0.0.1 did something"), "upstream_error: the exchange with the provider failed"},
	} {
		for _, err := range []error{tc.err, &url.Error{Op: "Post", URL: "http://h/?key=" + testSecret, Err: tc.err}} {
			p := answering(t, OpenAIOptions{}, func(*http.Request) (*http.Response, error) { return nil, err })
			_, got := p.Do(t.Context(), fakeCall(false))
			e := llm.AsError(got)
			if s := e.Kind.String() + ": " + e.Message; s != tc.want {
				t.Errorf("%v: %s, want %s", err, s, tc.want)
			}
			if e.Provider != "fake" || e.Attempts != 1 || e.Err == nil || errors.Is(e, io.EOF) {
				t.Errorf("%v: %+v", err, *e)
			}
			providertest.CheckSecret(t, got, testSecret)
			if untrusted := strings.Contains(tc.want, "trusted"); e.Permanent != untrusted {
				t.Errorf("%v: permanent %v", err, e.Permanent)
			}
		}
	}
}

func TestTLSForReal(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, fakeGood)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	tr := NewTransport(TransportOptions{})
	defer tr.CloseIdleConnections()
	ask := func(base string, tr *http.Transport) error {
		p, err := NewOpenAI(OpenAIOptions{Name: "n", BaseURL: base, Codec: fakeCodec{}, Client: NewClient(tr)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Do(t.Context(), fakeCall(false))
		return err
	}
	if err := ask(s.URL, tr); err == nil || !llm.AsError(err).Permanent || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("an unknown authority: %v", err)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if err := ask(strings.Replace(plain.URL, "http:", "https:", 1), tr); err == nil || !strings.Contains(llm.AsError(err).Message, "TLS handshake") {
		t.Errorf("no TLS there: %v", err)
	}
	trusting := NewTransport(TransportOptions{TLS: s.Client().Transport.(*http.Transport).TLSClientConfig})
	defer trusting.CloseIdleConnections()
	if err := ask(s.URL, trusting); err != nil {
		t.Errorf("a known authority: %v", err)
	}
}

func TestSecretsAreTakenOutOfWhatTheUpstreamSays(t *testing.T) {
	const header = "hdr-secret-2222"
	o := OpenAIOptions{Keys: []string{testSecret}, Headers: map[string]string{"X-Token": header, "X-Flag": "true"}}
	echo := `{"error":"bad key ` + testSecret + ` with ` + header + `, true?"}`
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"a refusal":   func(*http.Request) (*http.Response, error) { return response(401, echo, nil), nil },
		"disguised":   func(*http.Request) (*http.Response, error) { return response(200, echo, nil), nil },
		"the network": func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("malformed response %q", echo) },
		"the id": func(*http.Request) (*http.Response, error) {
			return response(500, "", http.Header{"X-Request-Id": {testSecret}}), nil
		},
	} {
		p := answering(t, o, answer)
		_, err := p.Do(t.Context(), fakeCall(false))
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		providertest.CheckSecret(t, err, testSecret)
		providertest.CheckSecret(t, err, header)
		if name == "a refusal" && llm.AsError(err).Message != "bad key [redacted] with [redacted], true?" {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := answering(t, o, func(*http.Request) (*http.Response, error) {
		return eventStream(io.NopCloser(strings.NewReader("data: " + echo + "\n\n"))), nil
	})
	r, err := p.Do(t.Context(), fakeCall(true))
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.Stream.Recv()
	providertest.CheckSecret(t, err, testSecret)
	providertest.CheckSecret(t, err, header)
}

func TestRefusalFacts(t *testing.T) {
	for _, tc := range []struct {
		name      string
		status    int
		header    http.Header
		body      string
		wait      time.Duration
		permanent bool
		cause     string
	}{
		{"header before body", 429, http.Header{"Retry-After": {"3"}}, `{"error":"again","wait":9}`, 3 * time.Second, false, ""},
		{"body alone", 429, nil, `{"error":"again","wait":9}`, 9 * time.Second, false, ""},
		{"not on a fault of ours", 400, http.Header{"Retry-After": {"3"}}, `{"error":"again","wait":9}`, 0, false, ""},
		{"flex capacity", 498, http.Header{"Retry-After": {"3"}}, "", 3 * time.Second, false, ""},
		{"lock conflict", 409, http.Header{"Retry-After": {"3"}}, "", 3 * time.Second, false, ""},
		{"the upstream says no", 503, http.Header{"X-Should-Retry": {"false"}}, "", 0, true, ""},
		{"the upstream says yes", 503, http.Header{"X-Should-Retry": {"true"}}, "", 0, false, ""},
		{"the upstream says no, needlessly", 400, http.Header{"X-Should-Retry": {"false"}}, "", 0, false, ""},
		{"id of the request", 500, http.Header{"Request-Id": {"req_1"}}, "", 0, false, `upstream request "req_1"`},
		{"an id that is none", 500, http.Header{"Request-Id": {strings.Repeat("x", 1000)}}, "", 0, false, ""},
		{"redirect", 307, http.Header{"Location": {"https://elsewhere"}, "Retry-After": {"3"}}, "", 0, true, ""},
		{"upgrade", 101, nil, "", 0, true, ""},
	} {
		p := answering(t, OpenAIOptions{}, func(*http.Request) (*http.Response, error) {
			return response(tc.status, tc.body, tc.header), nil
		})
		_, err := p.Do(t.Context(), fakeCall(false))
		e := llm.AsError(err)
		if e.RetryAfter != tc.wait || e.Permanent != tc.permanent || e.Status != tc.status {
			t.Errorf("%s: wait %v, permanent %v, status %d", tc.name, e.RetryAfter, e.Permanent, e.Status)
		}
		if cause := fmt.Sprint(e.Err); tc.cause != "" && cause != tc.cause || tc.cause == "" && e.Err != nil {
			t.Errorf("%s: cause %q", tc.name, cause)
		}
	}
}

func TestAnotherKeyMakesAnotherTryWorthwhile(t *testing.T) {
	status := 429
	o := OpenAIOptions{Keys: []string{"a", "b"}}
	p := answering(t, o, func(*http.Request) (*http.Response, error) {
		return response(status, "", http.Header{"Retry-After": {"60"}, "X-Should-Retry": {"false"}}), nil
	})
	first := llm.AsError(second(p.Do(t.Context(), fakeCall(false))))
	if first.RetryAfter != 0 || first.Permanent || !first.Retryable() {
		t.Errorf("with a fresh key left: %+v", first)
	}
	last := llm.AsError(second(p.Do(t.Context(), fakeCall(false))))
	if last.RetryAfter != time.Minute || !last.Permanent {
		t.Errorf("with no key left: %+v", last)
	}
	if uses := p.CredentialUses(); len(uses) != 2 || uses[0].LastUsed.IsZero() || uses[1].LastUsed.IsZero() {
		t.Errorf("uses %+v", uses)
	}
}

func TestARefusedKeyIsPermanentUnlessThereIsAnother(t *testing.T) {
	for keys, want := range map[string][]bool{"": {true, true}, "a": {true, true}, "a b": {false, true}, "a b c": {false, false, true}} {
		p := answering(t, OpenAIOptions{Keys: strings.Fields(keys)}, func(*http.Request) (*http.Response, error) { return response(401, "", nil), nil })
		for i, permanent := range want {
			if e := llm.AsError(second(p.Do(t.Context(), fakeCall(false)))); e.Kind != llm.KindUpstreamAuth || e.Permanent != permanent {
				t.Errorf("keys %q, try %d: %v, permanent %v", keys, i, e, e.Permanent)
			}
		}
	}
}

func second[T any](_ T, err error) error { return err }

// failingCredentials cannot fetch a token.
type failingCredentials struct{ Keys }

func (*failingCredentials) Pick(context.Context) (Credential, error) {
	return Credential{}, &llm.Error{Kind: llm.KindUpstreamAuth, Message: "no token"}
}

func TestCredentialsThatCannotBeHad(t *testing.T) {
	w, err := newOpenAIWire(openAIBase)
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Options{Name: "n", Dialect: llm.DialectOpenAI, Codec: fakeCodec{}, Wire: w, Client: NewClient(tripFunc(nil)), Credentials: &failingCredentials{}})
	if err != nil {
		t.Fatal(err)
	}
	e := llm.AsError(second(p.Do(t.Context(), fakeCall(false))))
	if e.Kind != llm.KindUpstreamAuth || e.Provider != "n" || e.Attempts != 0 {
		t.Errorf("got %+v", e)
	}
}

// brokenCodec fails in ways that no codec should.
type brokenCodec struct{ fakeCodec }

func (brokenCodec) DecodeError(int, []byte) *llm.Error { return nil }
func (brokenCodec) DecodeResponse(llm.Op, []byte) (*llm.Response, error) {
	return nil, errors.New("index out of range")
}

func TestACodecIsTrustedNoFurtherThanNeeded(t *testing.T) {
	c := fakeCall(false)
	c.Raw = nil
	for _, status := range []int{200, 418} {
		p := answering(t, OpenAIOptions{Codec: brokenCodec{}}, func(*http.Request) (*http.Response, error) { return response(status, fakeGood, nil), nil })
		if e := llm.AsError(second(p.Do(t.Context(), c))); e.Kind != llm.KindUpstreamError || e.Status != status {
			t.Errorf("status %d: %+v", status, e)
		}
	}
}

func TestCallsThatCannotBeTranslated(t *testing.T) {
	p := answering(t, OpenAIOptions{}, nil)
	for want, c := range map[llm.Kind]*llm.Call{
		llm.KindInternal: {Op: llm.OpChat, Dialect: llm.DialectAnthropic, Raw: []byte("{}")},
		llm.KindInvalidRequest: {Op: llm.OpChat, Dialect: llm.DialectAnthropic, Request: func() (*llm.Request, error) {
			return nil, llm.Invalid("messages", "missing")
		}},
	} {
		if e := llm.AsError(second(p.Do(t.Context(), c))); e.Kind != want || e.Attempts != 0 || e.Provider != "fake" {
			t.Errorf("got %+v, want %v", e, want)
		}
	}
}
