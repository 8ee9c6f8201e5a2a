package server

import (
	"crypto/tls"
	"net/http"
	"time"
)

const (
	// silence is how long an HTTP/2 connection may say nothing before it is
	// asked whether it is alive, and pong how long its answer may take. A call
	// to a model may be silent for minutes, and a client that vanished without
	// a word must not be paid for.
	silence = 30 * time.Second
	pong    = 15 * time.Second
)

// encrypt lets h serve TLS with what Options.TLS returns for each new
// connection, HTTP/2 included: it is offered by ALPN alone, never in the clear.
func (s *Server) encrypt(h *http.Server) {
	h.HTTP2 = &http.HTTP2Config{SendPingTimeout: silence, PingTimeout: pong, WriteByteTimeout: s.snap.Load().Write}
	h.TLSConfig = &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.o.TLS(), nil },
	}
}

// transportSecurity is the value of Strict-Transport-Security: one year, for
// this host name alone, as what else has the domain is not ours to say
// (RFC 6797 §6.1).
var transportSecurity = []string{"max-age=31536000"}

// protect sets the headers that every answer has.
func (x *exchange) protect() {
	h := x.w.Header()
	h["X-Content-Type-Options"] = noSniff
	if x.req.TLS != nil {
		h["Strict-Transport-Security"] = transportSecurity
	}
}

// closeAfter ends an HTTP/1 connection with this answer. On HTTP/2 it does
// nothing: the stream ends by itself, and its neighbours need the connection.
func (x *exchange) closeAfter() {
	if x.req.ProtoMajor < 2 {
		x.set("Connection", "close")
	}
}
