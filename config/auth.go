package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
)

// Auth says who may call.
type Auth struct {
	// AllowAnonymous lets the gateway listen on a non-loopback address though
	// no authentication is configured. It does not open a gateway that has
	// some.
	AllowAnonymous bool `yaml:"allow_anonymous"`

	// Required makes callers authenticate though neither Keys nor JWT is set, as
	// where all keys are made at run time. With one of these they must anyway.
	Required bool `yaml:"required"`

	Keys    []AuthKey         `yaml:"keys"`
	JWT     *JWT              `yaml:"jwt"` // nil = off
	Tenants map[string]Tenant `yaml:"tenants"`
}

// AuthKey is one client's key. Exactly one of Key and Hash is set; Sum serves
// both.
type AuthKey struct {
	Name   string            `yaml:"name"`
	Key    Secret            `yaml:"key"`
	Hash   KeyHash           `yaml:"hash"` // sha256:hex, as keygen prints it
	Tenant string            `yaml:"tenant"`
	Models []string          `yaml:"models"` // routes it may call, a trailing * matches any rest; none = all
	Labels map[string]string `yaml:"labels"` // for the ledger
	Limits Limits            `yaml:"limits"`

	Priority Priority `yaml:"priority"` // "" = the tenant's
}

// Sum returns the SHA-256 of the key.
func (k *AuthKey) Sum() [sha256.Size]byte {
	if !k.Key.IsZero() {
		return sha256.Sum256([]byte(k.Key.Reveal()))
	}
	var sum [sha256.Size]byte
	// UnmarshalText has checked the text; Validate checks one set in code.
	_, _ = hex.Decode(sum[:], []byte(strings.TrimPrefix(string(k.Hash), hashPrefix)))
	return sum
}

// KeyHash is the SHA-256 of an API key, as "sha256:" and 64 hexadecimal
// digits; "" = none.
type KeyHash string

const hashPrefix = "sha256:"

// The value is not part of the message: it may be a key put in the wrong place.
var errKeyHash = errors.New(`is not a key's hash; write "sha256:" and 64 hexadecimal digits, as "llm-gateway keygen" prints`)

// UnmarshalText reads a hash.
func (h *KeyHash) UnmarshalText(b []byte) error {
	digits, ok := strings.CutPrefix(string(b), hashPrefix)
	if !ok || len(digits) != 2*sha256.Size {
		return errKeyHash
	}
	if _, err := hex.DecodeString(digits); err != nil {
		return errKeyHash
	}
	*h = KeyHash(hashPrefix + strings.ToLower(digits))
	return nil
}

// MarshalText returns the hash. It is no secret for a generated key.
func (h KeyHash) MarshalText() ([]byte, error) { return []byte(h), nil }

// JWT accepts signed tokens. Keys come from Secret (HS256), PublicKey (RS256,
// ES256, EdDSA) or JWKSURL; several may be set together.
type JWT struct {
	Issuer       string    `yaml:"issuer"`     // exact value of iss; "" = not checked
	Audience     string    `yaml:"audience"`   // one value of aud; "" = not checked
	Secret       Secret    `yaml:"secret"`     // at least 32 bytes
	PublicKey    string    `yaml:"public_key"` // PEM of one or more public keys or certificates
	JWKSURL      string    `yaml:"jwks_url"`
	JWKSTTL      Duration  `yaml:"jwks_ttl"`      // key sets are fetched again, in the background, after this time
	JWKSInterval Duration  `yaml:"jwks_interval"` // at least this long between two fetches, whatever tokens come
	Leeway       Duration  `yaml:"leeway"`        // for exp, nbf and iat
	Claims       JWTClaims `yaml:"claims"`
}

func (j *JWT) setDefaults() {
	*j = JWT{JWKSTTL: Duration(15 * minute), JWKSInterval: Duration(30 * second), Leeway: Duration(60 * second), Claims: j.Claims}
}

// JWTClaims says which claim means what. A name with dots is looked up as it
// stands first, then as a path into objects. A claim that is named here must
// be in the token, so that a token without it gains nothing.
type JWTClaims struct {
	Name   string            `yaml:"name"`
	Tenant string            `yaml:"tenant"` // "" = tokens have no tenant
	Models string            `yaml:"models"` // "" = all models; a list, or names parted by spaces or commas
	Limits string            `yaml:"limits"` // "" = none of their own; an object {rps, burst, tpm, concurrency, budget: {day, month}}
	Labels map[string]string `yaml:"labels"` // label to claim; these may be missing
}

func (c *JWTClaims) setDefaults() { c.Name = "sub" }

// Tenant is a group of keys with limits of its own.
type Tenant struct {
	Models []string `yaml:"models"` // routes its keys may call at most; none = all
	Limits Limits   `yaml:"limits"`

	Priority Priority `yaml:"priority"` // "" = normal
}
