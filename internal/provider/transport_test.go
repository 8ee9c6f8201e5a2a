package provider

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestTransportDefaults(t *testing.T) {
	tr := NewTransport(TransportOptions{})
	if tr.MaxIdleConns != 1024 || tr.MaxIdleConnsPerHost != 512 || tr.MaxConnsPerHost != 0 {
		t.Errorf("idle %d, per host %d, at most %d", tr.MaxIdleConns, tr.MaxIdleConnsPerHost, tr.MaxConnsPerHost)
	}
	if tr.IdleConnTimeout != 90*time.Second || tr.TLSHandshakeTimeout != 10*time.Second || tr.ResponseHeaderTimeout != 0 {
		t.Errorf("idle %v, handshake %v, head %v", tr.IdleConnTimeout, tr.TLSHandshakeTimeout, tr.ResponseHeaderTimeout)
	}
	if tr.MaxResponseHeaderBytes != maxHead {
		t.Errorf("heads of %d bytes", tr.MaxResponseHeaderBytes)
	}
	if !tr.DisableCompression || tr.Proxy == nil || !tr.Protocols.HTTP1() || tr.Protocols.HTTP2() {
		t.Errorf("compression off %v, protocols %v", tr.DisableCompression, tr.Protocols)
	}
	o := TransportOptions{IdleTimeout: 1, HandshakeTimeout: 2, MaxIdle: 3, MaxIdlePerHost: 4, MaxPerHost: 5, WriteBuffer: 6, ReadBuffer: 7, HTTP2: true}
	tr = NewTransport(o)
	if tr.IdleConnTimeout != 1 || tr.TLSHandshakeTimeout != 2 || tr.MaxIdleConns != 3 || tr.MaxIdleConnsPerHost != 4 ||
		tr.MaxConnsPerHost != 5 || tr.WriteBufferSize != 6 || tr.ReadBufferSize != 7 || !tr.Protocols.HTTP2() {
		t.Errorf("options are ignored: %+v", tr)
	}
}

func TestProtocols(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) }))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	for want, o := range map[string]TransportOptions{"HTTP/1.1": {}, "HTTP/2.0": {HTTP2: true}} {
		o.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		o.TLS.NextProtos = nil
		tr := NewTransport(o)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := NewClient(tr).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.Proto != want {
			t.Errorf("spoke %s, want %s", resp.Proto, want)
		}
		tr.CloseIdleConnections()
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	tr := NewTransport(TransportOptions{})
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := NewClient(tr).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusFound || asked != 1 {
		t.Errorf("status %d after %d requests", resp.StatusCode, asked)
	}
}

func TestConnectTimeout(t *testing.T) {
	// A listener whose backlog nobody empties cannot be made to refuse in a
	// portable way; a deadline in the past can.
	tr := NewTransport(TransportOptions{ConnectTimeout: time.Nanosecond})
	p, err := NewOpenAI(OpenAIOptions{Name: "n", BaseURL: "http://127.0.0.1:9", Codec: fakeCodec{}, Client: NewClient(tr)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Do(t.Context(), fakeCall(false))
	var op *net.OpError
	if e := llm.AsError(err); e.Kind != llm.KindTimeout || !errors.As(err, &op) || e.Message != "connecting to the provider took too long" {
		t.Errorf("got %v", err)
	}
}
