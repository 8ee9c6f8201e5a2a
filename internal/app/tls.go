package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
)

// loadTLS makes what connections are served with: nil when the gateway does
// not serve TLS. Curves and ciphers are those of the standard library. Errors
// name the setting.
func loadTLS(c config.TLS) (*tls.Config, error) {
	if c.Cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("server.tls: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, Certificates: []tls.Certificate{pair}}
	if c.ClientCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("server.tls.client_ca: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("server.tls.client_ca: there is no certificate in " + c.ClientCA)
	}
	t.ClientAuth = tls.RequireAndVerifyClientCert
	// Every connection shows its certificate: a resumed one would not, and
	// would outlive a change of client_ca.
	t.SessionTicketsDisabled = true
	return t, nil
}

// adoptTLS lets new connections be served with the snapshot's certificate; open
// ones keep theirs. Whether the gateway serves TLS at all is settled at its
// start.
func (a *App) adoptTLS(s *snapshot) {
	if (a.certificateExpires == nil) != (s.tls == nil) {
		a.log.Warn("server.tls stays on or off as it was: that needs a restart")
		return
	}
	if s.tls == nil {
		return
	}
	a.certificate.Store(s.tls)
	until := s.tls.Certificates[0].Leaf.NotAfter
	a.certificateExpires(until)
	if !until.After(time.Now()) {
		a.log.Warn("the certificate of server.tls has expired", slog.Time("not_after", until))
	}
}

// serveTLS returns what server.Options.TLS wants, at the start.
func (a *App) serveTLS(s *snapshot) func() *tls.Config {
	if s.tls == nil {
		return nil
	}
	a.certificateExpires = a.metrics.CertificateExpiry()
	a.adoptTLS(s)
	return a.certificate.Load
}

// scheme is that of the gateway's own URLs.
func (a *App) scheme() string {
	if a.o.Config.Server.TLS.Cert != "" {
		return "https"
	}
	return "http"
}

// proxies are the networks whose word on the address of a client counts. The
// configuration has been checked.
func proxies(c config.Server) []netip.Prefix {
	var out []netip.Prefix
	for _, name := range c.TrustedProxies {
		p, err := netip.ParsePrefix(name)
		if addr, addrErr := netip.ParseAddr(name); addrErr == nil {
			addr = addr.WithZone("").Unmap()
			p, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err == nil {
			out = append(out, p)
		}
	}
	return out
}
