package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Defaults of JWTOptions.
const (
	DefaultLeeway       = 60 * time.Second
	DefaultJWKSTTL      = 15 * time.Minute
	DefaultJWKSInterval = 30 * time.Second
)

// minSecret is the least length of an HS256 key in bytes (RFC 7518, 3.2).
const minSecret = 32

// JWTOptions say which tokens count. At least one of Secret, PublicKeys and
// JWKSURL must be set; several may be.
type JWTOptions struct {
	Issuer   string // exact value of iss; "" = not checked
	Audience string // must be among the values of aud; "" = not checked

	Secret     []byte // key of HS256, at least 32 bytes
	PublicKeys []byte // PEM of public keys or certificates, for RS256, ES256 and EdDSA

	JWKSURL      string
	JWKSTTL      time.Duration // age at which a key set is fetched anew, in the background; 0 = DefaultJWKSTTL
	JWKSInterval time.Duration // least time between two fetches; a tenth of it after a failure; 0 = DefaultJWKSInterval
	Client       *http.Client  // for the key set; nil = one of its own
	OnFetch      func(error)   // told of each fetch, nil for a good one; must not block

	Leeway time.Duration // for exp, nbf and iat; 0 = DefaultLeeway, negative = none
	Claims Claims
	Now    func() time.Time // nil = time.Now
}

// JWT verifies signed tokens. An algorithm is bound to the type of its key:
// HS256 is tried with the secret alone, RS256 with RSA keys, ES256 with P-256
// keys, EdDSA with Ed25519 keys, and nothing else is accepted. It is safe for
// concurrent use.
type JWT struct {
	o      JWTOptions
	algs   []jose.SignatureAlgorithm
	static []verifyKey
	remote *keySet // nil without a JWKS URL
	seen   verified
}

// NewJWT checks the options and starts fetching the key set, if there is one,
// without waiting for it. Close must be called.
func NewJWT(o JWTOptions) (*JWT, error) {
	if o.Leeway == 0 {
		o.Leeway = DefaultLeeway
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Claims = o.Claims.withDefaults()
	j := &JWT{o: o}
	if len(o.Secret) > 0 {
		if len(o.Secret) < minSecret {
			return nil, fmt.Errorf("the JWT secret has fewer than %d bytes", minSecret)
		}
		j.static = append(j.static, verifyKey{alg: jose.HS256, key: o.Secret})
	}
	if len(o.PublicKeys) > 0 {
		keys, err := parsePEM(o.PublicKeys)
		if err != nil {
			return nil, err
		}
		j.static = append(j.static, keys...)
	}
	for _, k := range j.static {
		j.algs = append(j.algs, k.alg)
	}
	if o.JWKSURL != "" {
		j.algs = append(j.algs, jose.RS256, jose.ES256, jose.EdDSA)
		j.remote = newKeySet(&j.o)
		j.remote.refresh()
	}
	if len(j.algs) == 0 {
		return nil, errors.New("JWT needs a secret, a public key or a JWKS URL")
	}
	return j, nil
}

// Close ends a fetch in flight and waits for it. Tokens are still verified,
// with the keys that are there.
func (j *JWT) Close() {
	if j != nil && j.remote != nil {
		j.remote.close()
	}
}

// badToken is the answer to every token that is not good, except an expired
// one: why is of use to those only who forge.
func badToken() error { return refuse("the token is not valid") }

// Authenticate verifies a token in compact form and returns its caller, who is
// shared and must not be changed. It waits only when the token's key is unknown
// and a fetch of the key set is due, at most until ctx ends. The error is an
// *llm.Error: KindUnauthenticated for a bad token, KindOverloaded while no key
// set could ever be fetched.
func (j *JWT) Authenticate(ctx context.Context, token string) (*llm.Caller, error) {
	if len(token) > maxToken {
		return nil, refuse("the token is too long")
	}
	now, hash := j.o.Now(), hashToken(token)
	if c := j.seen.get(hash, now, j.remote.loaded(now)); c != nil {
		return c, nil
	}
	parsed, err := jwt.ParseSigned(token, j.algs)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, badToken()
	}
	head := parsed.Headers[0]
	keys, set, err := j.keys(ctx, jose.SignatureAlgorithm(head.Algorithm), head.KeyID)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		var std jwt.Claims
		var all map[string]json.RawMessage
		if parsed.Claims(k.key, &std, &all) != nil {
			continue
		}
		caller, err := j.accept(&std, all, now)
		if err != nil {
			return nil, err
		}
		j.seen.put(hash, verdict{caller, std.Expiry.Time().Add(j.leeway()), set})
		return caller, nil
	}
	return nil, badToken()
}

// keys returns the keys that may have signed a token, and the key set that
// was looked into, nil when there is none.
func (j *JWT) keys(ctx context.Context, alg jose.SignatureAlgorithm, id string) ([]verifyKey, *fetched, error) {
	found := matching(nil, j.static, alg, id)
	if j.remote == nil {
		return found, nil, nil
	}
	if alg == jose.HS256 {
		return found, j.remote.current.Load(), nil
	}
	set, err := j.remote.find(ctx, alg, id)
	switch {
	case err == nil:
		return matching(found, set.keys, alg, id), set, nil
	case len(found) > 0:
		return found, nil, nil
	}
	return nil, nil, err
}

func (j *JWT) leeway() time.Duration { return max(j.o.Leeway, 0) }

// accept checks the claims of a token whose signature is good.
func (j *JWT) accept(std *jwt.Claims, all map[string]json.RawMessage, now time.Time) (*llm.Caller, error) {
	if std.Expiry == nil {
		return nil, badToken()
	}
	want := jwt.Expected{Issuer: j.o.Issuer, Time: now}
	if j.o.Audience != "" {
		want.AnyAudience = jwt.Audience{j.o.Audience}
	}
	err := std.ValidateWithLeeway(want, j.leeway())
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return nil, refuse("the token has expired")
	case err != nil:
		return nil, badToken()
	}
	return j.o.Claims.caller(all)
}

// verifyKey is a key and the one algorithm that it is good for.
type verifyKey struct {
	id  string // kid; "" = not said
	alg jose.SignatureAlgorithm
	key any
}

// matching appends the keys of an algorithm whose id is the token's; where
// either has none, the key counts.
func matching(dst, keys []verifyKey, alg jose.SignatureAlgorithm, id string) []verifyKey {
	for _, k := range keys {
		if k.alg == alg && (k.id == id || k.id == "" || id == "") {
			dst = append(dst, k)
		}
	}
	return dst
}

// known reports whether a key set may hold the key that a token names.
func known(keys []verifyKey, alg jose.SignatureAlgorithm, id string) bool {
	return slices.ContainsFunc(keys, func(k verifyKey) bool {
		return k.alg == alg && (k.id == id || k.id == "" || id == "")
	})
}
