package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	start  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	secret = []byte("0123456789abcdef0123456789abcdef")
)

// pairs makes one key pair of each type, once for all tests.
var pairs = sync.OnceValue(func() (p struct {
	rsa, small *rsa.PrivateKey
	ec, p384   *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}) {
	var errs [5]error
	p.rsa, errs[0] = rsa.GenerateKey(rand.Reader, 2048)
	p.small, errs[1] = rsa.GenerateKey(rand.Reader, 1024)
	p.ec, errs[2] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.p384, errs[3] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	_, p.ed, errs[4] = ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	return p
})

type claims map[string]any

// good returns claims that pass, changed by the given ones (nil deletes).
func good(change claims) claims {
	c := claims{"iss": "https://id.example", "aud": "llm", "sub": "ada", "exp": start.Add(time.Hour).Unix()}
	for k, v := range change {
		if v == nil {
			delete(c, k)
		} else {
			c[k] = v
		}
	}
	return c
}

// sign makes a token.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, c claims) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	token, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func pemOf(t testing.TB, key crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// newJWT returns a verifier of the usual issuer and audience that is closed at
// the test's end.
func newJWT(t testing.TB, o JWTOptions) *JWT {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return start }
	}
	o.Issuer, o.Audience = "https://id.example", "llm"
	j, err := NewJWT(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

// wantKind fails unless err is an *llm.Error of a kind.
func wantKind(t testing.TB, err error, kind llm.Kind) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("error = %v, want kind %v", err, kind)
	}
	return e
}

// idp is an identity provider whose answer can be changed.
type idp struct {
	*httptest.Server
	mu     sync.Mutex
	hits   int
	status int
	body   []byte
	hold   chan struct{} // when set, answers wait for it
}

func newIDP(t testing.TB, keys ...jose.JSONWebKey) *idp {
	t.Helper()
	s := &idp{status: http.StatusOK}
	s.set(t, keys...)
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *idp) set(t testing.TB, keys ...jose.JSONWebKey) {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	s.answer(http.StatusOK, b)
}

func (s *idp) answer(status int, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status, s.body = status, body
}

func (s *idp) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hits
}

func (s *idp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.hits++
	status, body, hold := s.status, s.body, s.hold
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func jwk(key any, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Use: "sig"}
}

// clock is a settable time.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}
