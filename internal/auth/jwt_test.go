package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestAlgorithms(t *testing.T) {
	p := pairs()
	for _, tc := range []struct {
		alg  jose.SignatureAlgorithm
		sign any
		o    JWTOptions
	}{
		{"HS256", secret, JWTOptions{Secret: secret}},
		{"RS256", p.rsa, JWTOptions{PublicKeys: pemOf(t, p.rsa.Public())}},
		{"ES256", p.ec, JWTOptions{PublicKeys: pemOf(t, p.ec.Public())}},
		{"EdDSA", p.ed, JWTOptions{PublicKeys: pemOf(t, p.ed.Public())}},
		{"ES256", p.ec, JWTOptions{Secret: secret, PublicKeys: append(pemOf(t, p.rsa.Public()), pemOf(t, p.ec.Public())...)}},
		{"RS256", p.rsa, JWTOptions{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&p.rsa.PublicKey)})}},
		{"RS256", p.rsa, JWTOptions{PublicKeys: certificate(t)}},
	} {
		t.Run(string(tc.alg), func(t *testing.T) {
			j := newJWT(t, tc.o)
			token := sign(t, tc.alg, tc.sign, "", good(nil))
			c, err := j.Authenticate(t.Context(), token)
			if err != nil || c.Name != "jwt:ada" {
				t.Fatalf("caller %+v, %v", c, err)
			}
			// Any change of a letter of the signature or the body breaks it.
			for _, i := range []int{strings.Index(token, ".") + 3, len(token) - 5} {
				b := []byte(token)
				b[i] ^= 1
				_, err := j.Authenticate(t.Context(), string(b))
				wantKind(t, err, llm.KindUnauthenticated)
			}
		})
	}
}

func certificate(t testing.TB) []byte {
	t.Helper()
	p := pairs()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(bytes.NewReader(make([]byte, 1<<12)), tmpl, tmpl, p.rsa.Public(), p.rsa)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// Every way to make one key do the work of another, or to do without.
func TestAlgorithmConfusion(t *testing.T) {
	p := pairs()
	rsaPEM := pemOf(t, p.rsa.Public())
	enc := base64.RawURLEncoding.EncodeToString
	body := strings.Split(sign(t, "HS256", secret, "", good(nil)), ".")[1]
	server := newIDP(t, jwk(p.rsa.Public(), "k"), jwk(secret, "oct"))
	for _, tc := range []struct {
		name, token string
	}{
		{"none", enc([]byte(`{"alg":"none"}`)) + "." + body + "."},
		{"None with a signature", enc([]byte(`{"alg":"None"}`)) + "." + body + ".AAAA"},
		{"no alg", enc([]byte(`{"typ":"JWT"}`)) + "." + body + "."},
		{"HMAC over the public key's PEM", sign(t, "HS256", rsaPEM, "k", good(nil))},
		{"HMAC by a symmetric key of the key set", sign(t, "HS256", secret, "oct", good(nil))},
		{"RS512", sign(t, "RS512", p.rsa, "k", good(nil))},
		{"PS256", sign(t, "PS256", p.rsa, "k", good(nil))},
		{"key in the header", withEmbeddedKey(t)},
		{"unknown critical header", withCritical(t)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, j := range []*JWT{
				newJWT(t, JWTOptions{PublicKeys: rsaPEM}),
				newJWT(t, JWTOptions{JWKSURL: server.URL}),
				newJWT(t, JWTOptions{Secret: []byte(strings.Repeat("other", 10)), PublicKeys: rsaPEM, JWKSURL: server.URL}),
			} {
				c, err := j.Authenticate(t.Context(), tc.token)
				if c != nil {
					t.Fatalf("let in %+v", c)
				}
				if e := wantKind(t, err, llm.KindUnauthenticated); e.Message != "the token is not valid" || e.Err != nil {
					t.Errorf("message says %q (%v)", e.Message, e.Err)
				}
			}
		})
	}
}

// withEmbeddedKey signs with a stranger's key and sends it along.
func withEmbeddedKey(t testing.TB) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: pairs().ec}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, s)
}

func withCritical(t testing.TB) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("crit", []string{"exp2"}).WithHeader("exp2", true)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: pairs().rsa}, o)
	if err != nil {
		t.Fatal(err)
	}
	return compact(t, s)
}

func compact(t testing.TB, s jose.Signer) string {
	t.Helper()
	sig, err := s.Sign([]byte(`{"iss":"https://id.example","aud":"llm","sub":"eve","exp":4102444800}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := sig.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestClaimChecks(t *testing.T) {
	at := func(d time.Duration) int64 { return start.Add(d).Unix() }
	for _, tc := range []struct {
		name   string
		change claims
		want   string // "" = let in
	}{
		{"good", nil, ""},
		{"audience among several", claims{"aud": []string{"web", "llm"}}, ""},
		{"wrong audience", claims{"aud": "web"}, "the token is not valid"},
		{"no audience", claims{"aud": nil}, "the token is not valid"},
		{"wrong issuer", claims{"iss": "https://id.example/"}, "the token is not valid"},
		{"no issuer", claims{"iss": nil}, "the token is not valid"},
		{"no expiry", claims{"exp": nil}, "the token is not valid"},
		{"expiry as text", claims{"exp": "tomorrow"}, "the token is not valid"},
		{"expired within the leeway", claims{"exp": at(-59 * time.Second)}, ""},
		{"expired", claims{"exp": at(-61 * time.Second)}, "the token has expired"},
		{"not yet, within the leeway", claims{"nbf": at(59 * time.Second)}, ""},
		{"not yet", claims{"nbf": at(61 * time.Second)}, "the token is not valid"},
		{"issued in the future", claims{"iat": at(2 * time.Minute)}, "the token is not valid"},
		{"no subject", claims{"sub": nil}, "the token names no subject"},
		{"empty subject", claims{"sub": ""}, "the token names no subject"},
		{"subject of another type", claims{"sub": []string{"ada"}}, "the token is not valid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := newJWT(t, JWTOptions{Secret: secret})
			_, err := j.Authenticate(t.Context(), sign(t, "HS256", secret, "", good(tc.change)))
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e := wantKind(t, err, llm.KindUnauthenticated); e.Message != tc.want {
				t.Errorf("message %q, want %q", e.Message, tc.want)
			}
		})
	}
}

func TestLeeway(t *testing.T) {
	for _, tc := range []struct {
		leeway, late time.Duration
		ok           bool
	}{
		{0, 59 * time.Second, true}, {0, 61 * time.Second, false},
		{5 * time.Second, 4 * time.Second, true}, {5 * time.Second, 6 * time.Second, false},
		{-1, -time.Second, true}, {-1, time.Second, false},
	} {
		j := newJWT(t, JWTOptions{Secret: secret, Leeway: tc.leeway})
		_, err := j.Authenticate(t.Context(), sign(t, "HS256", secret, "", good(claims{"exp": start.Add(-tc.late).Unix()})))
		if (err == nil) != tc.ok {
			t.Errorf("leeway %v, %v late: %v", tc.leeway, tc.late, err)
		}
	}
}

func TestClaimMapping(t *testing.T) {
	mapped := Claims{Tenant: "org", Models: "models", Labels: map[string]string{"team": "https://x.example/team", "plan": "account.plan.name", "seat": "seat"}}
	for _, tc := range []struct {
		name   string
		claims Claims
		change claims
		want   *llm.Caller
		err    string
	}{
		{"subject alone", Claims{}, nil, &llm.Caller{Name: "jwt:ada"}, ""},
		{"another name", Claims{Name: "client.id"}, claims{"client": claims{"id": "svc"}}, &llm.Caller{Name: "jwt:svc"}, ""},
		{"all", mapped, claims{
			"org": "finance", "models": []string{"chat", "gpt-*"}, "https://x.example/team": "red",
			"account": claims{"plan": claims{"name": "gold"}}, "seat": 7,
		}, &llm.Caller{Name: "jwt:ada", Tenant: "finance", Models: []string{"chat", "gpt-*"}, Labels: map[string]string{"team": "red", "plan": "gold", "seat": "7"}}, ""},
		{"models as text", mapped, claims{"org": 12, "models": "chat, embed  fast"}, &llm.Caller{Name: "jwt:ada", Tenant: "12", Models: []string{"chat", "embed", "fast"}}, ""},
		{"no models at all", mapped, claims{"org": "x", "models": []string{}}, &llm.Caller{Name: "jwt:ada", Tenant: "x", Models: []string{}}, ""},
		{"tenant missing", mapped, claims{"models": "chat"}, nil, "the token names no tenant"},
		{"tenant null", mapped, claims{"org": []int(nil), "models": "chat"}, nil, "the token names no tenant"},
		{"tenant an object", mapped, claims{"org": claims{"id": 1}, "models": "chat"}, nil, "the token names no tenant"},
		{"models missing", mapped, claims{"org": "x"}, nil, "the token does not say which models it is for"},
		{"models a number", mapped, claims{"org": "x", "models": 1}, nil, "the token does not say which models it is for"},
		{"models of numbers", mapped, claims{"org": "x", "models": []int{1}}, nil, "the token does not say which models it is for"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := newJWT(t, JWTOptions{Secret: secret, Claims: tc.claims})
			got, err := j.Authenticate(t.Context(), sign(t, "HS256", secret, "", good(tc.change)))
			if tc.err != "" {
				if e := wantKind(t, err, llm.KindUnauthenticated); e.Message != tc.err {
					t.Errorf("message %q, want %q", e.Message, tc.err)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
	// An empty list is not the same as no list: it allows nothing.
	if c := (&llm.Caller{Models: []string{}}); c.May("chat") {
		t.Error("a token for no model may call one")
	}
}

func TestNewJWTRefusesBadKeys(t *testing.T) {
	p := pairs()
	private, err := x509.MarshalPKCS8PrivateKey(p.rsa)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, want string
		o          JWTOptions
	}{
		{"nothing", "needs a secret", JWTOptions{}},
		{"short secret", "32 bytes", JWTOptions{Secret: secret[:31]}},
		{"no PEM", "PEM form", JWTOptions{PublicKeys: []byte("MIIB")}},
		{"private key", "PRIVATE KEY", JWTOptions{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}},
		{"garbage key", "asn1", JWTOptions{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")})}},
		{"garbage certificate", "x509", JWTOptions{PublicKeys: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})}},
		{"small RSA", "2048", JWTOptions{PublicKeys: pemOf(t, p.small.Public())}},
		{"other curve", "P-256", JWTOptions{PublicKeys: pemOf(t, crypto.PublicKey(p.p384.Public()))}},
	} {
		j, err := NewJWT(tc.o)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, %v; want an error with %q", tc.name, j, err, tc.want)
		}
	}
}

// A token beyond the bound is refused before anything parses it.
func TestOversizedToken(t *testing.T) {
	j := newJWT(t, JWTOptions{Secret: secret})
	fits := sign(t, "HS256", secret, "", good(claims{"pad": strings.Repeat("x", 11_000)}))
	if _, err := j.Authenticate(t.Context(), fits); err != nil || len(fits) > maxToken {
		t.Fatalf("%d bytes: %v", len(fits), err)
	}
	token := sign(t, "HS256", secret, "", good(claims{"pad": strings.Repeat("x", 13_000)}))
	for _, check := range []func(context.Context, string) (*llm.Caller, error){j.Authenticate, New(Options{JWT: j}).Authenticate} {
		_, err := check(t.Context(), token)
		if e := wantKind(t, err, llm.KindUnauthenticated); !strings.Contains(e.Message, "too long") {
			t.Errorf("%d bytes: %q", len(token), e.Message)
		}
	}
}

// The error that one request gets must not be another's too: the chain may
// write to it.
func TestErrorsAreNotShared(t *testing.T) {
	j := newJWT(t, JWTOptions{Secret: secret})
	_, a := j.Authenticate(t.Context(), "a.b.c")
	_, b := j.Authenticate(t.Context(), "a.b.c")
	if a == b {
		t.Error("two requests got one error")
	}
}

func FuzzToken(f *testing.F) {
	j := newJWT(f, JWTOptions{Secret: secret, PublicKeys: pemOf(f, pairs().ec.Public()), Claims: Claims{Tenant: "org", Models: "m"}})
	a := New(Options{JWT: j})
	valid := sign(f, "HS256", []byte(strings.Repeat("stranger", 4)), "k", good(nil))
	f.Add(valid)
	f.Add("a.b.c")
	f.Add("..")
	f.Add(`eyJhbGciOiJub25lIn0.e30.`)
	f.Fuzz(func(t *testing.T, token string) {
		c, err := a.Authenticate(t.Context(), token)
		if c != nil || err == nil {
			t.Fatalf("let in %+v", c)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"sub":"a","org":{"id":"x"},"m":["a"]}`), "org.id")
	f.Add([]byte(`{"sub":1,"m":"a b"}`), "..")
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, nil)
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
		j := newJWT(t, JWTOptions{Secret: secret, Claims: Claims{Tenant: name, Models: "m"}})
		c, err := j.Authenticate(t.Context(), token)
		if err == nil && (c.Name == NamePrefix || c.Tenant == "" && name != "" || c.Models == nil) {
			t.Fatalf("a caller with a gap: %+v", c)
		}
	})
}
