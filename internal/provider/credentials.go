package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// mask is what a secret looks like from outside.
const mask = "[redacted]"

// Credential is one secret of an upstream account. It prints masked in every
// form. The zero value is the absence of a credential.
type Credential struct{ m *material }

type material struct {
	// open is a function because package fmt looks behind pointers and into
	// unexported fields, but not into functions.
	open        func() *opened
	fingerprint string
	used        atomic.Int64 // Unix nanoseconds
	until       atomic.Int64 // set aside until then
	count       atomic.Int64 // times it was picked
	aside       atomic.Pointer[aside]
	quota       quota
}

// aside says why and since when a credential rests.
type aside struct {
	since  time.Time
	reason llm.Kind
}

// opened is the secret in the forms in which it is sent. The slices are made
// once and shared by all requests.
type opened struct {
	secret        string
	plain, bearer []string
}

// NewCredential makes a Credential of a secret. Surrounding white space, as
// the end of line of a mounted file, is not part of it. A secret that cannot
// stand in a header is an error, which does not show it.
func NewCredential(secret string) (Credential, error) {
	secret = strings.TrimSpace(secret)
	for i := range len(secret) {
		if c := secret[i]; c < ' ' || c == 0x7f {
			return Credential{}, errors.New("the credential holds a control character")
		}
	}
	if secret == "" {
		return Credential{}, nil
	}
	sum := sha256.Sum256([]byte(secret))
	o := &opened{secret, []string{secret}, []string{"Bearer " + secret}}
	return Credential{&material{
		open:        func() *opened { return o },
		fingerprint: hex.EncodeToString(sum[:6]),
	}}, nil
}

// Empty reports whether there is no secret.
func (c Credential) Empty() bool { return c.m == nil }

// Plain returns the secret as a header value, nil when there is none. The
// slice is shared and must not be changed.
func (c Credential) Plain() []string {
	if c.m == nil {
		return nil
	}
	return c.m.open().plain
}

// Bearer returns the value of an Authorization header, nil when there is no
// secret. The slice is shared and must not be changed.
func (c Credential) Bearer() []string {
	if c.m == nil {
		return nil
	}
	return c.m.open().bearer
}

// Fingerprint tells credentials apart in logs and metrics without saying
// anything of them: twelve hex digits of the SHA-256, "" when there is no
// secret.
func (c Credential) Fingerprint() string {
	if c.m == nil {
		return ""
	}
	return c.m.fingerprint
}

// String returns the fingerprint, marked as such.
func (c Credential) String() string {
	if c.m == nil {
		return "none"
	}
	return "credential " + c.m.fingerprint
}

// GoString masks the secret for %#v.
func (c Credential) GoString() string { return c.String() }

// MarshalText masks the secret for JSON and its like.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// LogValue masks the secret for slog.
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// scrub returns s without the secret.
func (c Credential) scrub(s string) string {
	if c.m == nil {
		return s
	}
	return strings.ReplaceAll(s, c.m.open().secret, mask)
}

// CredentialUse says when a credential was last sent.
type CredentialUse struct {
	Fingerprint string
	LastUsed    time.Time // zero when it never was
	Requests    int64     // sent with it since the configuration was loaded; 0 where nobody counts
	AsideSince  time.Time // zero = it is in use
	AsideUntil  time.Time
	Reason      string // the kind of the failure for which it was set aside
}

// Credentials chooses among the secrets of one provider account. It is safe
// for concurrent use.
type Credentials interface {
	// Pick returns the credential for one exchange. It may wait for a token
	// to be fetched, as long as ctx lasts.
	Pick(ctx context.Context) (Credential, error)
	// Report says that the exchange made with a credential failed. The answer
	// is whether the next Pick will return another one that may do better.
	Report(used Credential, e *llm.Error) (other bool)
	// Uses lists the credentials for the metrics.
	Uses() []CredentialUse
}

// How long a key rests, unless the provider said how long.
const (
	restRefused   = time.Minute     // the provider refused it, or its quota is used up
	restThrottled = 5 * time.Second // it is over its rate
)

// Keys is a fixed set of API keys. The one with the most left of its quota, as
// far as the provider's answers tell, is used; equals are used in turn. A key
// that the provider refuses or limits rests for a while, as long as there is
// another.
type Keys struct {
	keys []Credential
	next atomic.Uint64
}

// NewKeys makes Keys. Empty strings and repeats are left out; without any key
// requests carry no credential.
func NewKeys(secrets ...string) (*Keys, error) {
	k := &Keys{}
	seen := map[string]bool{}
	for i, s := range secrets {
		c, err := NewCredential(s)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		if s = strings.TrimSpace(s); s != "" && !seen[s] {
			seen[s] = true
			k.keys = append(k.keys, c)
		}
	}
	return k, nil
}

// Pick returns the key with the most left that is not resting, or the one that
// rests the shortest. It never fails.
func (k *Keys) Pick(context.Context) (Credential, error) {
	if len(k.keys) == 0 {
		return Credential{}, nil
	}
	now := time.Now().UnixNano()
	c := k.keys[0]
	if len(k.keys) > 1 {
		c = k.choose(now)
	}
	c.m.used.Store(now)
	c.m.count.Add(1)
	return c, nil
}

func (k *Keys) choose(now int64) Credential {
	most, equals := int64(0), uint64(0)
	soonest := k.keys[0]
	for _, c := range k.keys {
		if until := c.m.until.Load(); until > now {
			if until < soonest.m.until.Load() {
				soonest = c
			}
			continue
		}
		switch left := c.m.quota.left(now); {
		case left > most:
			most, equals = left, 1
		case left == most:
			equals++
		}
	}
	if equals == 0 {
		return soonest
	}
	turn := (k.next.Add(1) - 1) % equals
	for _, c := range k.keys {
		if c.m.until.Load() > now || c.m.quota.left(now) != most {
			continue
		}
		if turn == 0 {
			return c
		}
		turn--
	}
	return soonest // things have moved between the two looks
}

// Report sets the key aside when the failure is the key's own: refused, out of
// quota, or over its rate. It returns whether a key that is not resting is
// left.
func (k *Keys) Report(used Credential, e *llm.Error) bool {
	if used.Empty() || len(k.keys) < 2 {
		return false
	}
	if e.Kind != llm.KindUpstreamAuth && e.Kind != llm.KindUpstreamRateLimited {
		return false
	}
	now, rest := time.Now(), restRefused
	if e.Retryable() {
		rest = restThrottled
	}
	used.m.until.Store(now.Add(or(e.RetryAfter, rest)).UnixNano())
	used.m.aside.Store(&aside{now, e.Kind})
	for _, c := range k.keys {
		if c.m.until.Load() <= now.UnixNano() {
			return true
		}
	}
	return false
}

// Uses lists the keys.
func (k *Keys) Uses() []CredentialUse {
	uses := make([]CredentialUse, len(k.keys))
	for i, c := range k.keys {
		uses[i].Fingerprint = c.m.fingerprint
		if at := c.m.used.Load(); at != 0 {
			uses[i].LastUsed = time.Unix(0, at)
		}
		uses[i].Requests = c.m.count.Load()
		until := time.Unix(0, c.m.until.Load())
		if why := c.m.aside.Load(); why != nil && until.After(time.Now()) {
			uses[i].AsideSince, uses[i].AsideUntil, uses[i].Reason = why.since, until, why.reason.String()
		}
	}
	return uses
}
