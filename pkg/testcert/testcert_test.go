package testcert

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"
)

func TestIssue(t *testing.T) {
	a := NewAuthority(t, "authority")
	soon := time.Now().Add(time.Minute)
	c := a.Issue(t, "server", soon)
	for _, host := range []string{"localhost", "127.0.0.1", "::1"} {
		o := x509.VerifyOptions{DNSName: host, Roots: a.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := c.Leaf.Verify(o); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		o.CurrentTime = soon.Add(time.Hour)
		if _, err := c.Leaf.Verify(o); err == nil {
			t.Errorf("%s: good after its end", host)
		}
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: NewAuthority(t, "other").Pool()}); err == nil {
		t.Error("good for another authority")
	}
}

func TestWrite(t *testing.T) {
	a := NewAuthority(t, "authority")
	dir := t.TempDir()
	for _, name := range []string{"first", "second"} {
		cert, key := Write(t, dir, a.Issue(t, name, time.Now().Add(time.Hour)))
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil || pair.Leaf.Subject.CommonName != name {
			t.Fatalf("got %v, %v", pair.Leaf, err)
		}
		if s, err := os.Stat(key); err != nil || s.Mode().Perm() != 0o600 {
			t.Errorf("the key: %v, %v", s.Mode(), err)
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.PEM()) || !pool.Equal(a.Pool()) {
		t.Error("PEM and Pool differ")
	}
}
