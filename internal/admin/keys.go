package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// KeyKeeper knows the API keys of clients and changes those made at run time.
// Errors are *llm.Error, or made with Conflict.
type KeyKeeper interface {
	// Keys returns all keys, sorted by name.
	Keys() []Key
	// CreateKey makes a key and returns it with the secret, which nobody can
	// ask for again.
	CreateKey(ctx context.Context, k NewKey) (key Key, secret string, err error)
	// RevokeKey takes a key away from every replica.
	RevokeKey(ctx context.Context, name string) error
}

// The sources of keys.
const (
	SourceConfig  = "config"  // the configuration: what changes it is a reload
	SourceRuntime = "runtime" // this API
)

// Key is what operators see of a key.
type Key struct {
	Name        string            `json:"name"`
	Tenant      string            `json:"tenant"`
	Models      []string          `json:"models"` // empty = all
	Labels      map[string]string `json:"labels"`
	Limits      llm.Limits        `json:"limits"`
	Source      string            `json:"source"`      // SourceConfig or SourceRuntime
	Fingerprint string            `json:"fingerprint"` // the beginning of the key's SHA-256
	CreatedAt   *time.Time        `json:"created_at"`  // nil: in the configuration
	ExpiresAt   *time.Time        `json:"expires_at"`  // nil = never
}

// NewKey is a key to be made. It has been checked as far as no configuration is
// needed for that.
type NewKey struct {
	Name    string
	Tenant  string
	Models  []string
	Labels  map[string]string
	Limits  llm.Limits
	Expires time.Time // zero = never
}

// Conflict makes the error for what stands against a request that is good in
// itself: 409.
func Conflict(param, format string, args ...any) error {
	return &statusError{http.StatusConflict, llm.Invalid(param, format, args...)}
}

const (
	maxKeyBody = 64 << 10
	maxModels  = 200
	maxLabels  = 32
	maxWord    = 256 // bytes of a model's, tenant's or label's name, or a label
)

// keyName leaves out what would need quoting in a path, a log or a list. A first
// "jwt:" is for the subjects of tokens.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$`)

// listKeys answers GET /admin/v1/keys.
func (a *API) listKeys(w http.ResponseWriter, _ *http.Request) error {
	keys := append([]Key{}, a.o.Keys.Keys()...)
	for i := range keys {
		keys[i].complete()
	}
	return answer(w, struct {
		Keys []Key `json:"keys"`
	}{keys})
}

// complete makes what is empty an empty list, and not null.
func (k *Key) complete() {
	if k.Models == nil {
		k.Models = []string{}
	}
	if k.Labels == nil {
		k.Labels = map[string]string{}
	}
}

// createKey answers POST /admin/v1/keys.
func (a *API) createKey(w http.ResponseWriter, r *http.Request) error {
	raw, err := readJSON(w, r, maxKeyBody)
	if err != nil {
		return err
	}
	n, err := parseNewKey(raw, a.o.Now())
	if err != nil {
		return err
	}
	k, secret, err := a.o.Keys.CreateKey(r.Context(), n)
	if err != nil {
		return err
	}
	k.complete()
	a.audit(w, r, "create key", k.Name)
	return answer(w, struct {
		Key
		Secret string `json:"key"`
	}{k, secret})
}

// revokeKey answers DELETE /admin/v1/keys/{name}.
func (a *API) revokeKey(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	if err := a.o.Keys.RevokeKey(r.Context(), name); err != nil {
		return err
	}
	a.audit(w, r, "revoke key", name)
	return answer(w, struct {
		Name    string `json:"name"`
		Revoked bool   `json:"revoked"`
	}{name, true})
}

// readJSON reads a body of JSON up to a bound.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, &statusError{http.StatusUnsupportedMediaType, llm.Errorf(llm.KindInvalidRequest, "Content-Type must be application/json")}
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, llm.Errorf(llm.KindRequestTooLarge, "the request body is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, llm.Errorf(llm.KindInvalidRequest, "the request body could not be read")
	}
	return raw, nil
}

// parseNewKey reads and checks a body. Errors name the member.
func parseNewKey(raw []byte, now time.Time) (n NewKey, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return n, llm.Errorf(llm.KindInvalidRequest, "the request body must be a JSON object")
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := n.set(name, members[name], now); err != nil {
			return n, err
		}
	}
	switch {
	case !keyName.MatchString(n.Name):
		return n, llm.Invalid("name", "name must have 1 to 128 letters, digits or . _ : @ + - and begin with a letter or digit")
	case strings.HasPrefix(n.Name, "jwt:"):
		return n, llm.Invalid("name", `name must not begin with "jwt:": the subjects of tokens are called so`)
	}
	return n, nil
}

// set reads one member; null is the same as none.
func (n *NewKey) set(name string, raw json.RawMessage, now time.Time) error {
	if bytes.Equal(raw, []byte("null")) {
		return nil
	}
	var err error
	switch name {
	case "name":
		err = read(name, raw, &n.Name, "a string")
	case "tenant":
		if err = read(name, raw, &n.Tenant, "a string"); err == nil && !word(n.Tenant) {
			err = llm.Invalid(name, "tenant must have 1 to %d visible characters", maxWord)
		}
	case "models":
		if err = read(name, raw, &n.Models, "a list of strings"); err == nil {
			err = n.checkModels()
		}
	case "labels":
		if err = read(name, raw, &n.Labels, "an object of strings"); err == nil {
			err = n.checkLabels()
		}
	case "limits":
		if n.Limits, err = llm.ParseLimits(raw); err != nil {
			e := llm.AsError(err)
			param := strings.TrimSuffix("limits."+e.Param, ".")
			err = llm.Invalid(param, "%s %s", param, e.Message)
		}
	case "expires_at":
		if err = read(name, raw, &n.Expires, "a time as 2026-12-31T00:00:00Z"); err == nil && !n.Expires.After(now) {
			err = llm.Invalid(name, "expires_at has passed")
		}
	default:
		err = llm.Invalid(name, "there is no member %q; there are name, tenant, models, labels, limits and expires_at", name)
	}
	return err
}

func read(name string, raw json.RawMessage, into any, what string) error {
	if json.Unmarshal(raw, into) != nil {
		return llm.Invalid(name, "%s must be %s", name, what)
	}
	return nil
}

// word reports whether s can be the name of something.
func word(s string) bool {
	return s != "" && len(s) <= maxWord && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == ',' || r == '=' })
}

func (n *NewKey) checkModels() error {
	if len(n.Models) > maxModels {
		return llm.Invalid("models", "models has more than %d names", maxModels)
	}
	for i, m := range n.Models {
		if !word(m) {
			param := fmt.Sprintf("models[%d]", i)
			return llm.Invalid(param, "%s must have 1 to %d visible characters", param, maxWord)
		}
	}
	return nil
}

func (n *NewKey) checkLabels() error {
	if len(n.Labels) > maxLabels {
		return llm.Invalid("labels", "there are more than %d labels", maxLabels)
	}
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		if !word(name) || len(n.Labels[name]) > maxWord {
			return llm.Invalid("labels", "a label needs a name of visible characters, and name and value at most %d bytes each", maxWord)
		}
	}
	return nil
}
