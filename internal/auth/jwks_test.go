package auth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestJWKS(t *testing.T) {
	p := pairs()
	s := newIDP(t, jwk(p.rsa.Public(), "r"), jwk(p.ec.Public(), "e"), jwk(p.ed.Public(), "d"))
	j := newJWT(t, JWTOptions{JWKSURL: s.URL})
	for _, tc := range []struct {
		alg jose.SignatureAlgorithm
		key any
		kid string
		ok  bool
	}{
		{"RS256", p.rsa, "r", true}, {"ES256", p.ec, "e", true}, {"EdDSA", p.ed, "d", true},
		{"ES256", p.ec, "", true},    // without a kid, the keys of the algorithm
		{"RS256", p.rsa, "e", false}, // the kid of another type
	} {
		_, err := j.Authenticate(t.Context(), sign(t, tc.alg, tc.key, tc.kid, good(nil)))
		if (err == nil) != tc.ok {
			t.Errorf("%s with kid %q: %v", tc.alg, tc.kid, err)
		}
	}
	if n := s.count(); n != 1 {
		t.Errorf("%d fetches, want 1 for all tokens", n)
	}
}

// Keys that are unfit are left out; the rest of the set counts.
func TestParseJWKS(t *testing.T) {
	p := pairs()
	fit := jwk(p.ec.Public(), "fit")
	enc := fit
	enc.Use, enc.KeyID = "enc", "enc"
	wrong := fit
	wrong.Algorithm, wrong.KeyID = "ES384", "wrong"
	s := newIDP(t, fit, enc, wrong, jwk(p.small.Public(), "small"), jwk(p.p384.Public(), "p384"), jwk(p.rsa, "private"), jwk(secret, "oct"))
	keys, err := parseJWKS([]byte(strings.Replace(string(s.body), `"keys":[`, `"keys":[{"kty":"future"},7,null,`, 1)))
	if err != nil || len(keys) != 1 || keys[0].id != "fit" || keys[0].alg != jose.ES256 {
		t.Errorf("keys = %+v, %v", keys, err)
	}
	for _, bad := range []string{"", "<html>", "[]", "{}", `{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`} {
		if keys, err := parseJWKS([]byte(bad)); err == nil {
			t.Errorf("parseJWKS(%q) = %+v", bad, keys)
		}
	}
	many := `{"keys":[` + strings.Repeat(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},`, 100) + `null]}`
	if keys, err := parseJWKS([]byte(many)); err != nil || len(keys) != maxKeys {
		t.Errorf("%d keys, %v; want the bound %d", len(keys), err, maxKeys)
	}
}

func FuzzJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parseJWKS(b)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, k := range keys {
			if _, symmetric := k.key.([]byte); symmetric || k.alg == jose.HS256 {
				t.Fatal("a symmetric key in a public set")
			}
		}
	})
}

// A rotated key is picked up by the first token that uses it, but strangers'
// kids cannot make the gateway hammer the identity provider.
func TestUnknownKeyID(t *testing.T) {
	p := pairs()
	clk := &clock{t: start}
	s := newIDP(t, jwk(p.rsa.Public(), "old"))
	j := newJWT(t, JWTOptions{JWKSURL: s.URL, Now: clk.now})
	oldToken := sign(t, "RS256", p.rsa, "old", good(nil))
	newToken := sign(t, "ES256", p.ec, "new", good(nil))
	if _, err := j.Authenticate(t.Context(), oldToken); err != nil {
		t.Fatal(err)
	}
	s.set(t, jwk(p.rsa.Public(), "old"), jwk(p.ec.Public(), "new"))

	clk.add(DefaultJWKSInterval - time.Second)
	for range 50 {
		_, err := j.Authenticate(t.Context(), newToken)
		wantKind(t, err, llm.KindUnauthenticated)
	}
	if n := s.count(); n != 1 {
		t.Fatalf("%d fetches before the interval is over, want 1", n)
	}
	clk.add(time.Second)
	if _, err := j.Authenticate(t.Context(), newToken); err != nil {
		t.Fatalf("after the interval: %v", err)
	}
	if _, err := j.Authenticate(t.Context(), oldToken); err != nil {
		t.Fatal(err)
	}
	if n := s.count(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

func TestSingleFlight(t *testing.T) {
	p := pairs()
	s := newIDP(t, jwk(p.ec.Public(), "k"))
	s.hold = make(chan struct{})
	j := newJWT(t, JWTOptions{JWKSURL: s.URL})
	token := sign(t, "ES256", p.ec, "k", good(nil))

	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err := j.Authenticate(gone, token)
	wantKind(t, err, llm.KindCanceled) // one waiter's leaving ends its waiting only

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := j.Authenticate(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	close(s.hold)
	wg.Wait()
	if n := s.count(); n != 1 {
		t.Errorf("%d fetches for 21 requests, want 1", n)
	}
}

// trips answers key set requests from memory, so that time can be fake.
type trips struct {
	mu     sync.Mutex
	hits   int
	answer func(hit int) (int, string, error)
}

func (f *trips) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.hits++
	status, body, err := f.answer(f.hits)
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func (f *trips) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

// jwksText is the key set of the EC pair under the id "k".
func jwksText(t testing.TB) string { return string(newIDP(t, jwk(pairs().ec.Public(), "k")).body) }

// An aged set goes on serving while it is fetched anew, and while that fails.
func TestStaleWhileError(t *testing.T) {
	set := jwksText(t)
	token := sign(t, "ES256", pairs().ec, "k", claims{"sub": "ada", "exp": 4102444800})
	synctest.Test(t, func(t *testing.T) {
		f := &trips{answer: func(hit int) (int, string, error) {
			switch hit {
			case 1, 5:
				return 200, set, nil
			case 2:
				return 500, "oops", nil
			case 3:
				return 200, "<html>", nil
			}
			return 0, "", errors.New("connection refused")
		}}
		var mu sync.Mutex
		var results []bool
		j, err := NewJWT(JWTOptions{
			JWKSURL: "https://id.example/jwks.json", Client: &http.Client{Transport: f},
			OnFetch: func(err error) { mu.Lock(); results = append(results, err == nil); mu.Unlock() },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		ask := func() {
			t.Helper()
			if _, err := j.Authenticate(t.Context(), token); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		ask()
		time.Sleep(DefaultJWKSTTL - time.Second)
		ask()
		if f.count() != 1 {
			t.Fatalf("%d fetches of a fresh set", f.count())
		}
		time.Sleep(time.Second)
		ask() // the second, fails with 500
		ask() // too soon for another
		if f.count() != 2 {
			t.Fatalf("%d fetches, want 2", f.count())
		}
		for want := 3; want <= 5; want++ { // garbage, no connection, and good again
			time.Sleep(DefaultJWKSInterval / 10)
			ask()
			if f.count() != want {
				t.Fatalf("%d fetches, want %d", f.count(), want)
			}
		}
		time.Sleep(DefaultJWKSInterval)
		ask()
		if f.count() != 5 {
			t.Errorf("%d fetches; a fresh set is fetched again", f.count())
		}
		mu.Lock()
		defer mu.Unlock()
		if len(results) != 5 || !results[0] || results[1] || results[2] || results[3] || !results[4] {
			t.Errorf("OnFetch saw %v", results)
		}
	})
}

// While no set could ever be fetched, the fault is ours and passes: clients
// are told to come again, not that their token is bad.
func TestNoKeySetYet(t *testing.T) {
	set := jwksText(t)
	token := sign(t, "ES256", pairs().ec, "k", claims{"sub": "ada", "exp": 4102444800})
	synctest.Test(t, func(t *testing.T) {
		f := &trips{answer: func(hit int) (int, string, error) {
			if hit == 1 {
				return 0, "", errors.New("connection refused")
			}
			return 200, set, nil
		}}
		j, err := NewJWT(JWTOptions{JWKSURL: "https://id.example/jwks.json", Client: &http.Client{Transport: f}})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		_, err = j.Authenticate(t.Context(), token)
		if e := wantKind(t, err, llm.KindOverloaded); e.RetryAfter != 3*time.Second || strings.Contains(e.Error(), "example") {
			t.Errorf("error %v, retry after %v", e, e.RetryAfter)
		}
		time.Sleep(3 * time.Second)
		if _, err := j.Authenticate(t.Context(), token); err != nil {
			t.Error(err)
		}
	})
}

// Close ends a fetch that hangs, and what is known goes on being used.
func TestCloseWhileFetching(t *testing.T) {
	p := pairs()
	clk := &clock{t: start}
	s := newIDP(t, jwk(p.ec.Public(), "k"))
	j := newJWT(t, JWTOptions{JWKSURL: s.URL, Now: clk.now})
	token := sign(t, "ES256", p.ec, "k", good(claims{"exp": start.Add(24 * time.Hour).Unix()}))
	if _, err := j.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.hold = make(chan struct{})
	s.mu.Unlock()
	clk.add(DefaultJWKSTTL)
	if _, err := j.Authenticate(t.Context(), token); err != nil { // starts the fetch that hangs
		t.Fatal(err)
	}
	j.Close()
	clk.add(DefaultJWKSTTL)
	if _, err := j.Authenticate(t.Context(), token); err != nil {
		t.Errorf("after Close: %v", err)
	}
	_, err := j.Authenticate(t.Context(), sign(t, "ES256", p.ec, "other", good(nil)))
	wantKind(t, err, llm.KindUnauthenticated)
	var none *JWT
	none.Close() // closing what was never made is no fault
}

func TestFetchBounds(t *testing.T) {
	big := newIDP(t)
	big.answer(200, []byte(`{"keys":[],"pad":"`+strings.Repeat("x", maxJWKS)+`"}`))
	plain := newIDP(t, jwk(pairs().ec.Public(), "k"))
	moved := newIDP(t)
	moved.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	})
	loop := newIDP(t)
	loop.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	})
	for _, tc := range []struct{ name, url, want string }{
		{"too big", big.URL, "more than"}, {"redirect", moved.URL, ""}, {"loop", loop.URL, "redirect"}, {"bad URL", "http://%zz", "key set"},
	} {
		s := newKeySet(&JWTOptions{JWKSURL: tc.url, Now: time.Now})
		_, err := s.fetch()
		s.close()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	from, _ := http.NewRequest(http.MethodGet, "https://id.example", nil)
	to, _ := http.NewRequest(http.MethodGet, "http://id.example", nil)
	if sameScheme(to, []*http.Request{from}) == nil {
		t.Error("a redirect may leave HTTPS")
	}
}
