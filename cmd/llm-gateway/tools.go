package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/auth"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// keygen makes an API key. The key is for the client, the hash for the
// configuration; the gateway never needs the key itself.
func (p program) keygen(context.Context, []string) error {
	key, hash := auth.Generate()
	_, err := fmt.Fprintf(p.stdout, "key:  %s\nhash: %s\n", key, hash)
	return err
}

// mock serves the built-in mock as an upstream of its own.
func (p program) mock(ctx context.Context, args []string) error {
	fs := p.flags("mock")
	addr := fs.String("listen", "127.0.0.1:8090", "address")
	key := fs.String("key", "", "API key that clients must present; default none")
	lenient := fs.Bool("lenient", false, "accept unknown members, as many compatible servers do")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "the mock listens on http://%s\n", ln.Addr())
	srv := &http.Server{Handler: mockserver.New(mockserver.Options{Key: *key, Lenient: *lenient}), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	if err := srv.Close(); err != nil {
		return err
	}
	<-ended
	return nil
}

// healthcheck asks the gateway on this machine whether it is alive, for
// containers without a shell.
func (p program) healthcheck(ctx context.Context, args []string) error {
	fs := p.flags("healthcheck")
	url := fs.String("url", "", "where to ask; default: the configured address")
	timeout := fs.Duration("timeout", 2*time.Second, "how long to wait")
	cert := fs.String("cert", "", "PEM certificate to show, for a gateway with server.tls.client_ca")
	key := fs.String("key", "", "its PEM key")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *url == "" {
		u, err := p.healthURL()
		if err != nil {
			return err
		}
		*url = u
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *url, nil)
	if err != nil {
		return err
	}
	transport, err := probe(req.URL.Hostname(), *cert, *key)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", *url, resp.Status)
	}
	return nil
}

// probe makes the transport of one question to host. On loopback any
// certificate will do: it is for the name that clients use, and who could be in
// between could as well be the gateway.
func probe(host, cert, key string) (*http.Transport, error) {
	ip := net.ParseIP(host)
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	t.InsecureSkipVerify = host == "localhost" || ip != nil && ip.IsLoopback()
	if cert != "" || key != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return &http.Transport{TLSClientConfig: t}, nil
}

func (p program) healthURL() (string, error) {
	cfg, err := p.load("")
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(cfg.Server.Addr)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if cfg.Server.TLS.Cert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + "/healthz", nil
}
