package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Size is the length of a key's hash in bytes.
const Size = sha256.Size

const (
	keyPrefix  = "gw_"
	hashPrefix = "sha256:"
)

// Key is one client's API key: what is known of it, and its SHA-256.
type Key struct {
	Name   string // unique; it appears in logs and the ledger
	Hash   [Size]byte
	Tenant string
	Models []string // routes it may call; nil = all
	Labels map[string]string

	// Limits are those of a key that is not in the configuration; nil = none
	// but what the configuration says of its name.
	Limits  *llm.Limits
	Expires time.Time // not accepted from then on; zero = never ends
}

// ended reports whether the key's time is over.
func (k *Key) ended(now func() time.Time) bool {
	return !k.Expires.IsZero() && !now().Before(k.Expires)
}

// Generate returns a new API key with 256 random bits, and its hash in the
// form that ParseHash reads. The key is to be shown once and stored nowhere.
func Generate() (key, hash string) {
	var b [32]byte
	rand.Read(b[:]) // never fails: see crypto/rand
	key = keyPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	return key, FormatHash(HashKey(key))
}

// HashKey returns the SHA-256 of a key. A fast hash is right here, because
// generated keys are too random to be guessed.
func HashKey(key string) [Size]byte { return sha256.Sum256([]byte(key)) }

// FormatHash returns a hash as "sha256:" and 64 hexadecimal digits.
func FormatHash(hash [Size]byte) string { return hashPrefix + hex.EncodeToString(hash[:]) }

// The text is not part of the message: it may be a key put in the wrong place.
var errHash = errors.New(`not a hash: want "sha256:" and 64 hexadecimal digits`)

// ParseHash reads what FormatHash writes.
func ParseHash(s string) (hash [Size]byte, err error) {
	digits, ok := strings.CutPrefix(s, hashPrefix)
	if !ok || len(digits) != 2*Size {
		return hash, errHash
	}
	if _, err := hex.Decode(hash[:], []byte(digits)); err != nil {
		return [Size]byte{}, errHash
	}
	return hash, nil
}
