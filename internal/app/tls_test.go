package app

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/config"
	"github.com/llm-gateway/llm-gateway/pkg/testcert"
)

// securedSite is a folder with a certificate, and a client that trusts it.
type securedSite struct {
	ca        *testcert.Authority
	cert, key string
	client    *http.Client
	tls       *tls.Config
}

func newSecuredSite(t *testing.T) *securedSite {
	t.Helper()
	s := &securedSite{ca: testcert.NewAuthority(t, "authority")}
	s.cert, s.key = testcert.Write(t, t.TempDir(), s.ca.Issue(t, "first", time.Now().Add(time.Hour)))
	s.tls = &tls.Config{RootCAs: s.ca.Pool()}
	s.client = s.newClient(t, nil)
	return s
}

// newClient makes a client, with a certificate of its own if given.
func (s *securedSite) newClient(t *testing.T, own *tls.Certificate) *http.Client {
	t.Helper()
	c := s.tls.Clone()
	if own != nil {
		c.Certificates = []tls.Certificate{*own}
	}
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// shown is the name in the certificate that a new connection is shown.
func (s *securedSite) shown(t *testing.T, base string) string {
	t.Helper()
	d := tls.Dialer{Config: s.tls}
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName
}

func fetchWith(t *testing.T, c *http.Client, method, url, body string) (int, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func (s *securedSite) yaml(more string) string {
	return "server: {tls: {cert: " + s.cert + ", key: " + s.key + more + "}}\nproviders: {m: {type: mock}}\ndefault_model: m/echo\n"
}

// TestCertificateRotation: new connections get the new certificate, open ones
// and their streams are left alone, and a bad pair changes nothing.
func TestCertificateRotation(t *testing.T) {
	s := newSecuredSite(t)
	cfg := load(t, s.yaml(""), nil)
	for _, f := range []string{s.cert, s.key} {
		if !slices.Contains(cfg.Files, f) {
			t.Errorf("%s is not watched", f)
		}
	}
	r := startWith(t, cfg)
	if !strings.HasPrefix(r.base, "https://") {
		t.Fatal(r.base)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.base+"/v1/generate", strings.NewReader(`{"model":"m/lorem-6+slow-100ms","prompt":"one two three","stream":true}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
		t.Fatalf("HTTP/%d %d", resp.ProtoMajor, resp.StatusCode)
	}

	testcert.Write(t, filepath.Dir(s.cert), s.ca.Issue(t, "second", time.Now().Add(2*time.Hour)))
	if err := r.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if got := s.shown(t, r.base); got != "second" {
		t.Errorf("after the rotation: %s", got)
	}
	if b, err := io.ReadAll(bufio.NewReader(resp.Body)); err != nil || !strings.Contains(string(b), "event: done") {
		t.Errorf("the stream that was open: %q, %v", b, err)
	}

	if err := os.WriteFile(s.key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.app.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "server.tls") {
		t.Errorf("a bad pair: %v", err)
	}
	if got := s.shown(t, r.base); got != "second" {
		t.Errorf("after a bad pair: %s", got)
	}
	status, body, err := fetchWith(t, s.client, "GET", r.base+"/metrics", "")
	if err != nil || status != 200 || !strings.Contains(body, `config_reloads_total{result="failure"} 1`) || !strings.Contains(body, "gateway_tls_certificate_not_after_timestamp_seconds 1.") {
		t.Errorf("metrics: %d, %v", status, err)
	}
	if err := Check(Options{Config: cfg}); err == nil {
		t.Error("check does not see a bad pair")
	}
}

func TestExpiredCertificate(t *testing.T) {
	s := newSecuredSite(t)
	testcert.Write(t, filepath.Dir(s.cert), s.ca.Issue(t, "old", time.Now().Add(-time.Minute)))
	r := start(t, s.yaml(""), nil)
	if !strings.Contains(r.log.String(), "has expired") {
		t.Error("the log does not say that the certificate has expired")
	}
}

// TestTLSNeedsARestartToTurnOnOrOff: a reload neither drops to plain HTTP nor
// pretends to have left it.
func TestTLSNeedsARestartToTurnOnOrOff(t *testing.T) {
	s := newSecuredSite(t)
	with, without := load(t, s.yaml(""), nil), load(t, "", nil)
	r := startWith(t, with)
	if err := r.app.Reload(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	if got := s.shown(t, r.base); got != "first" || !strings.Contains(r.log.String(), "server.tls stays") {
		t.Errorf("TLS off by a reload: %q", got)
	}
	r = startWith(t, without)
	if err := r.app.Reload(t.Context(), with); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := r.do(t, "GET", "/healthz", ""); status != 200 || !strings.Contains(r.log.String(), "server.tls stays") {
		t.Errorf("TLS on by a reload: %d", status)
	}
}

// TestClientCertificates: without one that client_ca signed nobody comes in, by
// any listener; one of an authority that a reload has replaced is refused at
// the next connection, resumed or not.
func TestClientCertificates(t *testing.T) {
	s := newSecuredSite(t)
	ca := filepath.Join(t.TempDir(), "clients.pem")
	ours, others := testcert.NewAuthority(t, "clients"), testcert.NewAuthority(t, "others")
	trust := func(a *testcert.Authority) {
		if err := os.WriteFile(ca, a.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust(ours)
	cfg := load(t, s.yaml(", client_ca: "+ca), map[string]string{"GATEWAY_ADMIN_TOKEN": adminToken, "GATEWAY_ADMIN_ADDR": "127.0.0.1:0"})
	r := startWith(t, cfg)
	until := time.Now().Add(time.Hour)
	mine, alien, late := ours.Issue(t, "app", until), others.Issue(t, "app", until), ours.Issue(t, "app", time.Now().Add(-time.Minute))
	for _, base := range []string{r.base, r.app.OperatorsURL()} {
		for name, tc := range map[string]struct {
			own *tls.Certificate
			ok  bool
		}{"none": {nil, false}, "alien": {&alien, false}, "expired": {&late, false}, "ours": {&mine, true}} {
			status, _, err := fetchWith(t, s.newClient(t, tc.own), "GET", base+"/healthz", "")
			if tc.ok != (err == nil && status == 200) {
				t.Errorf("%s: %d, %v", name, status, err)
			}
		}
	}
	trust(others)
	if err := r.app.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	c := s.newClient(t, &mine)
	c.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	if _, _, err := fetchWith(t, c, "GET", r.base+"/healthz", ""); err == nil {
		t.Error("a certificate of the former authority is good")
	}
	if err := os.WriteFile(ca, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.app.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "client_ca") {
		t.Errorf("no authority at all: %v", err)
	}
}

// TestClientCertificateIsNoIdentity: with keys configured a certificate alone
// lets nobody call.
func TestClientCertificateIsNoIdentity(t *testing.T) {
	s := newSecuredSite(t)
	ca := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(ca, s.ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, s.yaml(", client_ca: "+ca), map[string]string{"GATEWAY_API_KEYS": "app=" + clientKey})
	own := s.ca.Issue(t, "app", time.Now().Add(time.Hour))
	if status, body, err := fetchWith(t, s.newClient(t, &own), "POST", r.base+"/v1/generate", `{"prompt":"hi"}`); err != nil || status != 401 {
		t.Errorf("got %d %s, %v", status, body, err)
	}
}

func TestProxies(t *testing.T) {
	got := proxies(config.Server{TrustedProxies: []string{"10.0.0.0/8", "192.0.2.1", "::1", "fd00::/8"}})
	var want []netip.Prefix
	for _, p := range []string{"10.0.0.0/8", "192.0.2.1/32", "::1/128", "fd00::/8"} {
		want = append(want, netip.MustParsePrefix(p))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestTrustedProxies: the configuration reaches the log.
func TestTrustedProxies(t *testing.T) {
	r := start(t, "server: {trusted_proxies: [127.0.0.1]}\n", nil)
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.base+"/openapi.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "1.1.1.1, 198.51.100.1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.log.String(), `"client":"198.51.100.1"`) {
		t.Error("the log does not name the client")
	}
}
