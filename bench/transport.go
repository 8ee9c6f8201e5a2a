package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// pools are the connection pools that the old advice is about.
func pools() []struct {
	name string
	set  func(*http.Transport)
} {
	return []struct {
		name string
		set  func(*http.Transport)
	}{
		{"net/http default (2 idle per host)", func(*http.Transport) {}},
		{"100 idle, at most 50 per host", func(t *http.Transport) { t.MaxIdleConns, t.MaxIdleConnsPerHost, t.MaxConnsPerHost = 100, 100, 50 }},
		{"1024 idle, 512 per host, no cap (as shipped)", func(t *http.Transport) { t.MaxIdleConns, t.MaxIdleConnsPerHost = 1024, 512 }},
	}
}

// runTransport has c's callers ask a TLS upstream through net/http clients that
// differ in their pool alone. They live in this process, so that CPU is not
// told; dials are.
func runTransport(ctx context.Context, k *kit, c testCase) (*caseResult, error) {
	up, err := serveTLS(ctx, newUpstream())
	if err != nil {
		return nil, err
	}
	defer up.stop()
	res := newCaseResult(c, "transport")
	for _, p := range pools() {
		res.Rows = append(res.Rows, &row{Name: p.name})
	}
	for round := range k.o.rounds {
		for _, i := range order(len(res.Rows), round) {
			if err := poolOnce(ctx, up, pools()[i].set, c, k.o.d, res.Rows[i]); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

func poolOnce(ctx context.Context, up *tlsServer, set func(*http.Transport), c testCase, d time.Duration, r *row) error {
	var dials atomic.Int64
	var dialer net.Dialer
	t := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: up.roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return dialer.DialContext(ctx, network, addr)
		},
	}
	set(t)
	defer t.CloseIdleConnections()
	parts := make([]result, c.conns)
	body := c.body()
	start := time.Now()
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			for at := time.Now(); at.Sub(start) < d && ctx.Err() == nil; at = time.Now() {
				err := ask(ctx, t, up.base+c.client.path(), body, c)
				parts[i].count(err, time.Since(at))
			}
		})
	}
	wg.Wait()
	sum := merge(parts, time.Since(start))
	r.add(sum, 0, 0)
	r.Dials = append(r.Dials, 1000*float64(dials.Load())/float64(max(sum.good, 1)))
	return ctx.Err()
}

func ask(ctx context.Context, t http.RoundTripper, url, body string, c testCase) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		return err
	}
	return c.check(b.Bytes())
}

// tlsServer is an upstream with a certificate of its own, for this run.
type tlsServer struct {
	base  string
	roots *x509.CertPool
	srv   *http.Server
	done  chan struct{}
}

func (s *tlsServer) stop() {
	_ = s.srv.Close()
	<-s.done
}

// serveTLS serves h on loopback over HTTP/1.1, as the advice has it.
func serveTLS(ctx context.Context, h http.Handler) (*tlsServer, error) {
	cert, err := ownCertificate()
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &tlsServer{base: "https://" + ln.Addr().String(), roots: x509.NewCertPool(), done: make(chan struct{})}
	s.roots.AddCert(cert.Leaf)
	s.srv = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12})
	go func() {
		defer close(s.done)
		_ = s.srv.Serve(ln) // it ends with stop
	}()
	return s, nil
}

func ownCertificate() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
