package keystore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Key is all that is known of a key; the key itself is not.
type Key struct {
	Name    string // unique
	Hash    [sha256.Size]byte
	Tenant  string
	Models  []string // nil = all
	Labels  map[string]string
	Limits  llm.Limits
	Created time.Time // to the microsecond
	Expires time.Time // zero = never
}

// Errors of a Keystore.
var (
	// ErrExists is returned for a key whose name or hash is in the store.
	ErrExists = errors.New("there is a key of this name already")
	// ErrUnknown is returned for a name that no key has.
	ErrUnknown = errors.New("there is no key of this name")
	errBody    = errors.New("the stored key cannot be read by this version")
)

// body is what is stored of a key as one text, so that a new member needs no new
// column. A version that does not know a member does not accept the key: it may
// be one that narrows what the key may do.
type body struct {
	Tenant string            `json:"tenant,omitempty"`
	Models []string          `json:"models,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	Limits llm.Limits        `json:"limits"`
}

// row is a key as the table has it.
type row struct {
	name, hash, body string
	created, expires int64 // Unix microseconds; 0 = never
}

func (k *Key) row() (row, error) {
	b, err := json.Marshal(body{k.Tenant, k.Models, k.Labels, k.Limits})
	if err != nil {
		return row{}, fmt.Errorf("key %q: %w", k.Name, err)
	}
	r := row{name: k.Name, hash: hex.EncodeToString(k.Hash[:]), body: string(b), created: k.Created.UnixMicro()}
	if !k.Expires.IsZero() {
		r.expires = k.Expires.UnixMicro()
	}
	return r, nil
}

func (r *row) key() (Key, error) {
	var b body
	dec := json.NewDecoder(bytes.NewReader([]byte(r.body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return Key{}, errBody
	}
	k := Key{Name: r.name, Tenant: b.Tenant, Models: b.Models, Labels: b.Labels, Limits: b.Limits, Created: time.UnixMicro(r.created).UTC()}
	sum, err := hex.DecodeString(r.hash)
	if err != nil || len(sum) != len(k.Hash) || r.name == "" {
		return Key{}, errBody
	}
	copy(k.Hash[:], sum)
	if r.expires != 0 {
		k.Expires = time.UnixMicro(r.expires).UTC()
	}
	return k, nil
}
