package auth

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// A remembered token ends when it expires.
func TestRememberedTokenExpires(t *testing.T) {
	clk := &clock{t: start}
	j := newJWT(t, JWTOptions{Secret: secret, Now: clk.now})
	token := sign(t, "HS256", secret, "", good(claims{"exp": start.Add(10 * time.Second).Unix()}))
	first, err := j.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	clk.add(70 * time.Second) // expiry and leeway, to the second
	again, err := j.Authenticate(t.Context(), token)
	if err != nil || again != first {
		t.Errorf("%p %p, %v: want the remembered caller", first, again, err)
	}
	clk.add(time.Second)
	_, err = j.Authenticate(t.Context(), token)
	if e := wantKind(t, err, llm.KindUnauthenticated); e.Message != "the token has expired" {
		t.Errorf("message %q", e.Message)
	}
}

// A token whose key the identity provider has withdrawn is not remembered
// beyond the next key set.
func TestRememberedTokenOfWithdrawnKey(t *testing.T) {
	p := pairs()
	clk := &clock{t: start}
	fetches := make(chan error, 8)
	s := newIDP(t, jwk(p.ec.Public(), "k"))
	j := newJWT(t, JWTOptions{JWKSURL: s.URL, Now: clk.now, OnFetch: func(err error) { fetches <- err }})
	token := sign(t, "ES256", p.ec, "k", good(nil))
	if _, err := j.Authenticate(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	<-fetches
	s.set(t, jwk(p.rsa.Public(), "other"))
	clk.add(DefaultJWKSTTL)
	if _, err := j.Authenticate(t.Context(), token); err != nil { // starts the fetch
		t.Fatal(err)
	}
	if err := <-fetches; err != nil {
		t.Fatal(err)
	}
	_, err := j.Authenticate(t.Context(), token)
	wantKind(t, err, llm.KindUnauthenticated)
}

// A bad token is verified, and refused, every time.
func TestBadTokenIsNotRemembered(t *testing.T) {
	j := newJWT(t, JWTOptions{Secret: secret})
	for range 3 {
		_, err := j.Authenticate(t.Context(), sign(t, "HS256", []byte("another secret of thirty-two bytes"), "", good(nil)))
		wantKind(t, err, llm.KindUnauthenticated)
	}
	if n := len(j.seen.young) + len(j.seen.old); n != 0 {
		t.Errorf("%d bad tokens are remembered", n)
	}
}

func TestVerifiedIsBounded(t *testing.T) {
	var v verified
	caller := &llm.Caller{Name: "n"}
	key := func(i int) [Size]byte { return HashKey(strconv.Itoa(i)) }
	used := key(0)
	for i := range 5 * maxVerified {
		v.put(key(i), verdict{caller: caller, until: start})
		if v.get(used, start, nil) != caller {
			t.Fatalf("a token in use was forgotten after %d others", i)
		}
		if n := len(v.young) + len(v.old); n > 2*maxVerified {
			t.Fatalf("%d tokens are kept", n)
		}
	}
	if v.get(key(1), start, nil) != nil {
		t.Error("an unused token was kept")
	}
	if v.get(used, start.Add(1), nil) != nil || v.get(used, start, &fetched{}) != nil {
		t.Error("a verdict counts beyond its time or key set")
	}
}

func TestVerifiedIsConcurrent(t *testing.T) {
	j := newJWT(t, JWTOptions{Secret: secret})
	var tokens []string
	for i := range 4 {
		tokens = append(tokens, sign(t, "HS256", secret, "", good(claims{"sub": strconv.Itoa(i)})))
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				c, err := j.Authenticate(t.Context(), tokens[i%4])
				if err != nil || c.Name != NamePrefix+strconv.Itoa(i%4) {
					t.Errorf("%+v, %v", c, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkJWTFirstTime(b *testing.B) {
	j := newJWT(b, JWTOptions{Secret: secret})
	token := sign(b, "HS256", secret, "", good(nil))
	b.ReportAllocs()
	for b.Loop() {
		j.seen.young = nil
		if _, err := j.Authenticate(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
