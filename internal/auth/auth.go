package auth

import (
	"context"
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// maxToken is the longest credential that is looked at, in bytes.
const maxToken = 16 << 10

// Options are the credentials that an Authenticator accepts.
type Options struct {
	Keys []Key // of two keys with one name or one hash the first counts
	JWT  *JWT  // nil = no tokens

	// Anonymous lets in whoever presents no credential that is known: as
	// nobody. A key made at run time is still recognised.
	Anonymous bool
	Now       func() time.Time // nil = time.Now; asked only for keys that end
}

// Authenticator finds out who presents a credential. It is safe for
// concurrent use.
type Authenticator struct {
	keys    registry
	runtime registry // see SetRuntime
	missing atomic.Bool
	jwt     *JWT
	now     func() time.Time
	nobody  *llm.Caller // nil = a credential is required
}

// New returns an Authenticator. Without keys and JWT it refuses everyone.
func New(o Options) *Authenticator {
	a := &Authenticator{jwt: o.JWT, now: o.Now}
	if a.now == nil {
		a.now = time.Now
	}
	if o.Anonymous {
		a.nobody = &llm.Caller{}
	}
	a.keys.change(func(m map[[Size]byte]*entry) {
		names := make(map[string]bool, len(o.Keys))
		for _, k := range o.Keys {
			if k.Name == "" || names[k.Name] || m[k.Hash] != nil {
				continue
			}
			names[k.Name] = true
			m[k.Hash] = newEntry(k)
		}
	})
	return a
}

// Authenticate returns the caller who presents token: a JWT when it has the
// form of one and tokens are accepted, otherwise an API key. The error is an
// *llm.Error, of KindUnauthenticated for a bad credential. The caller is
// shared and must not be changed.
func (a *Authenticator) Authenticate(ctx context.Context, token string) (*llm.Caller, error) {
	switch {
	case a.nobody != nil:
		return a.known(token), nil
	case token == "":
		return nil, refuse("no API key was given")
	case len(token) > maxToken:
		return nil, refuse("the credential is too long")
	case a.jwt != nil && strings.Count(token, ".") == 2:
		return a.jwt.Authenticate(ctx, token)
	}
	hash := hashToken(token)
	e := a.keys.find(hash)
	if e == nil {
		e = a.runtime.find(hash)
	}
	switch {
	case e == nil && a.missing.Load() && strings.HasPrefix(token, keyPrefix):
		return nil, errMissing()
	case e == nil:
		return nil, refuse("the API key is not valid")
	case e.key.ended(a.now):
		return nil, refuse("the API key has expired")
	}
	return &e.caller, nil
}

// known returns the caller of a key made at run time, else nobody.
func (a *Authenticator) known(token string) *llm.Caller {
	if token == "" || len(token) > maxToken || a.runtime.empty() {
		return a.nobody
	}
	if e := a.runtime.find(hashToken(token)); e != nil && !e.key.ended(a.now) {
		return &e.caller
	}
	return a.nobody
}

// errMissing answers for a key that may be one of those that could not be read
// yet: to call it wrong would make its owner throw it away.
func errMissing() *llm.Error {
	e := llm.Errorf(llm.KindOverloaded, "the API key cannot be checked now: the store of keys does not answer")
	e.RetryAfter = time.Second
	return e
}

// hashToken is HashKey without an allocation for credentials of usual length.
func hashToken(token string) [Size]byte {
	var buf [1024]byte
	return sha256.Sum256(append(buf[:0], token...))
}

// refuse makes the error for a bad credential. The message says what kind of
// credential was wrong and nothing of why, except where that helps nobody else.
func refuse(msg string) *llm.Error {
	return &llm.Error{Kind: llm.KindUnauthenticated, Message: msg, Code: "invalid_api_key"}
}
