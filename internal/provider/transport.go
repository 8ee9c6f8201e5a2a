package provider

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/h1"
)

// TransportOptions tunes the one Transport. The zero value has the defaults of
// the contract (§7).
type TransportOptions struct {
	ConnectTimeout time.Duration // to establish a TCP connection, name look-up included; 0 = 2 s
	// ConnectTimeoutOf returns the connect timeout of one host:port, 0 for the
	// common one; nil = the common one for all. It is asked for each new
	// connection, from several goroutines.
	ConnectTimeoutOf func(addr string) time.Duration
	HandshakeTimeout time.Duration // for TLS; 0 = 10 s
	IdleTimeout      time.Duration // how long an unused connection is kept; 0 = 90 s
	MaxIdle          int           // idle connections, all hosts together; 0 = 1024
	MaxIdlePerHost   int           // idle connections per host; 0 = 512

	// MaxPerHost caps connections per host; 0 = no cap. Over HTTP/1.1 a cap
	// is a queue that nobody sees: the provider's concurrency limit is the
	// better place.
	MaxPerHost int

	WriteBuffer int // bytes per connection; 0 = 4 KiB. A head and body within it leave in one write
	ReadBuffer  int // bytes per connection; 0 = 4 KiB

	// HTTP2 lets a TLS server choose HTTP/2. It is off by default: over one
	// shared connection an exchange costs more CPU, and a stalled stream
	// takes the others' window.
	HTTP2 bool
	TLS   *tls.Config // nil = the system's roots
}

// maxHead bounds a response's head. Providers send some 2 KiB.
const maxHead = 256 << 10

// NewTransport makes the Transport that all providers share. Compression is
// neither asked for nor undone by it, so that bytes can pass through as they
// are. Proxies are taken from the environment (HTTP_PROXY, HTTPS_PROXY,
// NO_PROXY).
func NewTransport(o TransportOptions) *http.Transport {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(o.HTTP2)
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            o.dial,
		TLSClientConfig:        o.TLS.Clone(),
		TLSHandshakeTimeout:    or(o.HandshakeTimeout, 10*time.Second),
		IdleConnTimeout:        or(o.IdleTimeout, 90*time.Second),
		MaxIdleConns:           or(o.MaxIdle, 1024),
		MaxIdleConnsPerHost:    or(o.MaxIdlePerHost, 512),
		MaxConnsPerHost:        o.MaxPerHost,
		MaxResponseHeaderBytes: maxHead,
		WriteBufferSize:        o.WriteBuffer,
		ReadBufferSize:         o.ReadBuffer,
		DisableCompression:     true,
		Protocols:              &protocols,
	}
}

// dial connects within the timeout of the address.
func (o TransportOptions) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: or(o.ConnectTimeout, 2*time.Second), KeepAlive: 30 * time.Second}
	if o.ConnectTimeoutOf != nil {
		d.Timeout = or(o.ConnectTimeoutOf(addr), d.Timeout)
	}
	return d.DialContext(ctx, network, addr)
}

// NewExchanger makes what performs all exchanges: Exchanger in front of
// NewTransport or, with HTTP2 or a cap on connections, NewTransport alone.
func NewExchanger(o TransportOptions) http.RoundTripper {
	std := NewTransport(o)
	if o.HTTP2 || o.MaxPerHost > 0 {
		return std
	}
	return Exchanger(std)
}

// Exchanger puts package h1, which works on the caller's goroutine, in front of
// a transport, with its settings. What h1 does not do (proxies) is left to it.
func Exchanger(std *http.Transport) http.RoundTripper {
	return h1.New(h1.Options{
		DialContext: std.DialContext, TLS: std.TLSClientConfig, HandshakeTimeout: std.TLSHandshakeTimeout, IdleTimeout: std.IdleConnTimeout,
		MaxIdle: std.MaxIdleConns, MaxIdlePerHost: std.MaxIdleConnsPerHost, MaxHead: maxHead,
		Proxy: proxied, Fallback: std,
	})
}

// proxied reports whether the environment sends a URL through a proxy. An
// unusable setting counts: the transport then says what is wrong with it.
func proxied(u *url.URL) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return proxy != nil || err != nil
}

// NewClient makes the client that all providers share. It follows no redirect:
// a provider that answers with one is misconfigured, and a credential must not
// travel to another host. It has no time-out: the clocks are decorators, which
// act through the context.
func NewClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// or returns v, or def when v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
