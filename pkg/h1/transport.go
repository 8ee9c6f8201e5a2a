// Package h1 is an HTTP/1.1 client that performs an exchange on the caller's own
// goroutine. http.Transport keeps two goroutines for each connection and hands
// every request and response over twice; for a proxy, which has a goroutine per
// request already, that costs as much as all the rest of its work.
//
// It does one thing: requests with a body of known length (or none) over TCP or
// TLS, without proxies, upgrades or HTTP/2. Everything else goes to Fallback.
// Parsing and framing of responses are net/http's own.
package h1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Options makes a Transport. Zero values mean the defaults.
type Options struct {
	DialContext      func(ctx context.Context, network, addr string) (net.Conn, error) // default net.Dialer
	TLS              *tls.Config                                                       // default the system's roots
	HandshakeTimeout time.Duration                                                     // for TLS; default 10 s
	IdleTimeout      time.Duration                                                     // life of an unused connection; default 90 s
	MaxIdle          int                                                               // unused connections, all hosts; default 1024
	MaxIdlePerHost   int                                                               // unused connections, one host; default 512
	MaxHead          int64                                                             // bytes of a response's head; default 256 KiB

	// Proxy says whether a URL is reached through a proxy, which Fallback then
	// talks to; nil = never.
	Proxy func(*url.URL) bool
	// Fallback performs what this package does not; default http.DefaultTransport.
	Fallback http.RoundTripper
}

// Transport is an http.RoundTripper. It is safe for concurrent use.
type Transport struct {
	o       Options
	pool    pool
	readers sync.Pool // of *bufio.Reader, full-sized; see slim
	buffers sync.Pool // of *[]byte: what requests are put together in
}

// buffer returns a buffer that nobody uses.
func (t *Transport) buffer() *[]byte {
	if b, ok := t.buffers.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// New makes a Transport.
func New(o Options) *Transport {
	if o.DialContext == nil {
		o.DialContext = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
	}
	o.HandshakeTimeout = or(o.HandshakeTimeout, 10*time.Second)
	o.IdleTimeout = or(o.IdleTimeout, 90*time.Second)
	o.MaxIdle = or(o.MaxIdle, 1024)
	o.MaxIdlePerHost = or(o.MaxIdlePerHost, 512)
	o.MaxHead = or(o.MaxHead, 256<<10)
	if o.Fallback == nil {
		o.Fallback = http.DefaultTransport
	}
	t := &Transport{o: o}
	t.pool.init(o)
	return t
}

func or[T int | int64 | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// CloseIdleConnections closes the connections that are not in use now.
func (t *Transport) CloseIdleConnections() {
	t.pool.closeAll()
	if f, ok := t.o.Fallback.(interface{ CloseIdleConnections() }); ok {
		f.CloseIdleConnections()
	}
}

// errStale means that a kept connection turned out dead before anything of the
// request was written, so that another one may be tried.
var errStale = errors.New("h1: the kept connection was closed by the server")

// maxStale bounds how many dead connections one request goes through.
const maxStale = 4

// RoundTrip performs one exchange. It follows the contract of
// http.RoundTripper: the request is not changed, its body is closed, and the
// response's body must be closed. An exchange whose context ends fails with the
// context's cause, also while the body is read.
//
// Unlike other transports it never reads the request's body after it has
// returned. A body that has a method Sent is told so by a call of it, which
// Fallback does not make.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.foreign(req) {
		return t.o.Fallback.RoundTrip(req)
	}
	defer closeBody(req)
	if err := check(req); err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		c, err := t.connect(req.Context(), req.URL, n < maxStale)
		if err != nil {
			return nil, cause(req.Context(), err)
		}
		resp, err := c.exchange(req)
		if err == errStale && n < maxStale {
			continue
		}
		if err != nil {
			return nil, cause(req.Context(), err)
		}
		return resp, nil
	}
}

// foreign reports whether a request is for Fallback.
func (t *Transport) foreign(req *http.Request) bool {
	u := req.URL
	return u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || req.ContentLength < 0 ||
		req.ContentLength == 0 && req.Body != nil && req.Body != http.NoBody ||
		len(req.TransferEncoding) > 0 || len(req.Trailer) > 0 || req.Header["Upgrade"] != nil || req.Header["Expect"] != nil ||
		t.o.Proxy != nil && t.o.Proxy(u)
}

// closeBody closes the request's body when nothing reads it any more.
func closeBody(req *http.Request) {
	if s, ok := req.Body.(interface{ Sent() }); ok {
		s.Sent()
	}
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// check refuses what would break the framing of the request.
func check(req *http.Request) error {
	if req.Method != "" && !token(req.Method) {
		return fmt.Errorf("h1: invalid method %q", req.Method)
	}
	for name, values := range req.Header {
		if !token(name) {
			return fmt.Errorf("h1: invalid header name %q", name)
		}
		for _, v := range values {
			if !printable(v) {
				return fmt.Errorf("h1: invalid value of header %s", name) // the value may be secret
			}
		}
	}
	if host := hostOf(req); !printable(host) || host == "" {
		return errors.New("h1: invalid host")
	}
	return nil
}

func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == ':' || c == '(' || c == ')' || c == ',' || c == '/' || c == '"' {
			return false
		}
	}
	return s != ""
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

func hostOf(req *http.Request) string {
	if req.Host != "" {
		return req.Host
	}
	return req.URL.Host
}

// cause returns why an exchange failed: the end of its context, if that is
// what made it fail.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// connect returns a kept connection, or a new one.
func (t *Transport) connect(ctx context.Context, u *url.URL, kept bool) (*conn, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	k := key{tls: u.Scheme == "https", host: u.Host}
	if kept {
		if c := t.pool.get(k); c != nil {
			return c, nil
		}
	}
	nc, err := t.dialApart(ctx, u, k)
	if err != nil {
		return nil, err
	}
	return newConn(t, k, nc), nil
}

// dialApart dials on a goroutine of its own and waits for it. A dial, a TLS
// handshake above all, goes deep: the caller's stack would grow for it, and
// stay so for as long as the answer is read.
func (t *Transport) dialApart(ctx context.Context, u *url.URL, k key) (net.Conn, error) {
	type dialled struct {
		nc  net.Conn
		err error
	}
	done := make(chan dialled, 1)
	go func() {
		nc, err := t.dial(ctx, u, k)
		done <- dialled{nc, err}
	}()
	d := <-done // the dial heeds ctx
	return d.nc, d.err
}

func (t *Transport) dial(ctx context.Context, u *url.URL, k key) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[k.tls]
	}
	nc, err := t.o.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || !k.tls {
		return nc, err
	}
	cfg := &tls.Config{}
	if t.o.TLS != nil {
		cfg = t.o.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = u.Hostname()
	}
	cfg.NextProtos = []string{"http/1.1"}
	tc := tls.Client(nc, cfg)
	hctx, cancel := context.WithTimeout(ctx, t.o.HandshakeTimeout)
	defer cancel()
	if err := tc.HandshakeContext(hctx); err != nil {
		_ = nc.Close()
		return nil, err
	}
	return tc, nil
}
