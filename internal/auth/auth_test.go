package auth

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		key, hash := Generate()
		if !strings.HasPrefix(key, "gw_") || len(key) != len("gw_")+43 || strings.ContainsAny(key, ".,= ") {
			t.Fatalf("key %q: want gw_ and 43 letters that need no quoting", key)
		}
		if seen[key] {
			t.Fatal("the same key twice")
		}
		seen[key] = true
		sum, err := ParseHash(hash)
		if err != nil || sum != HashKey(key) {
			t.Fatalf("hash %q does not belong to its key: %v", hash, err)
		}
	}
}

func TestParseHash(t *testing.T) {
	hash := FormatHash(HashKey("k"))
	if sum, err := ParseHash(strings.ToUpper(hash[:7]) + hash[7:]); err == nil {
		t.Errorf("upper-case scheme taken: %x", sum)
	}
	for _, bad := range []string{"", "sha256:", hash[7:], hash + "0", hash[:len(hash)-1], "sha1:" + hash[7:], hash[:len(hash)-1] + "g"} {
		sum, err := ParseHash(bad)
		if err == nil || sum != [Size]byte{} {
			t.Errorf("ParseHash(%q) = %x, %v", bad, sum, err)
		}
		if err != nil && bad != "" && strings.Contains(err.Error(), bad) && bad != "sha256:" {
			t.Errorf("message repeats its input: %v", err)
		}
	}
}

func TestAPIKeys(t *testing.T) {
	a := New(Options{Keys: []Key{
		{Name: "billing", Hash: HashKey("gw_billing"), Tenant: "finance", Models: []string{"chat"}, Labels: map[string]string{"team": "x"}},
		{Name: "ops", Hash: HashKey("gw_ops")},
		{Name: "ops", Hash: HashKey("gw_second")},    // the name is taken
		{Name: "other", Hash: HashKey("gw_billing")}, // the key is taken
		{Name: "", Hash: HashKey("gw_nameless")},
	}})
	got, err := a.Authenticate(t.Context(), "gw_billing")
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Caller{Name: "billing", Tenant: "finance", Models: []string{"chat"}, Labels: map[string]string{"team": "x"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got, err := a.Authenticate(t.Context(), "gw_ops"); err != nil || got.Name != "ops" || got.Models != nil {
		t.Errorf("ops = %+v, %v", got, err)
	}
	long := strings.Repeat("x", maxToken)
	for _, bad := range []string{"", "gw_second", "gw_nameless", "gw_billin", "gw_billing ", "a.b.c", long, long + "x"} {
		c, err := a.Authenticate(t.Context(), bad)
		if c != nil {
			t.Errorf("%.20q: caller %+v", bad, c)
		}
		if e := wantKind(t, err, llm.KindUnauthenticated); bad != "" && strings.Contains(e.Error(), bad) {
			t.Errorf("message repeats the key: %v", e)
		}
	}
}

// The caller of one request must not see what another does to its own copy of
// the options.
func TestKeysAreCopied(t *testing.T) {
	models := []string{"chat"}
	labels := map[string]string{"team": "x"}
	a := New(Options{Keys: []Key{{Name: "n", Hash: HashKey("k"), Models: models, Labels: labels}}})
	models[0], labels["team"] = "all", "y"
	c, err := a.Authenticate(t.Context(), "k")
	if err != nil || c.Models[0] != "chat" || c.Labels["team"] != "x" {
		t.Errorf("caller = %+v, %v", c, err)
	}
}

// The way of each request: a key, or a token that was seen before.
func TestAllocations(t *testing.T) {
	key, _ := Generate()
	a := New(Options{Keys: []Key{{Name: "n", Hash: HashKey(key)}}})
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = a.Authenticate(ctx, key) }); n > 0 {
		t.Errorf("key: %v allocations, want none", n)
	}
	j := newJWT(t, JWTOptions{Secret: secret})
	token := sign(t, "HS256", secret, "", good(nil))
	if n := testing.AllocsPerRun(100, func() { _, _ = j.Authenticate(ctx, token) }); n > 0 {
		t.Errorf("known token: %v allocations, want none", n)
	}
}

// With tokens accepted, what has no form of a token is still an API key.
func TestKeysBesideTokens(t *testing.T) {
	a := New(Options{
		Keys: []Key{{Name: "n", Hash: HashKey("plain")}},
		JWT:  newJWT(t, JWTOptions{Secret: secret}),
	})
	if c, err := a.Authenticate(t.Context(), "plain"); err != nil || c.Name != "n" {
		t.Errorf("key: %+v, %v", c, err)
	}
	token := sign(t, "HS256", secret, "", good(nil))
	if c, err := a.Authenticate(t.Context(), token); err != nil || c.Name != "jwt:ada" {
		t.Errorf("token: %+v, %v", c, err)
	}
	_, err := a.Authenticate(t.Context(), "one.dot")
	if e := wantKind(t, err, llm.KindUnauthenticated); !strings.Contains(e.Message, "API key") {
		t.Errorf("message %q", e.Message)
	}
}

func BenchmarkAPIKey(b *testing.B) {
	key, _ := Generate()
	a := New(Options{Keys: []Key{{Name: "n", Hash: HashKey(key)}}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkJWT(b *testing.B) {
	j := newJWT(b, JWTOptions{Secret: secret})
	token := sign(b, "HS256", secret, "", good(nil))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := j.Authenticate(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
