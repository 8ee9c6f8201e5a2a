package config

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
)

// masked is what every printed form of a set Secret shows.
const masked = "[masked]"

// Secret is a text that never shows itself: String, every fmt verb, JSON,
// YAML, text and slog forms are masked. Only Reveal gives it away. The zero
// Secret is empty. The text stands behind a pointer, so that even a struct
// that keeps a Secret in an unexported field, where fmt cannot call methods,
// prints an address.
type Secret struct{ p *string }

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{p: &s}
}

// Reveal returns the text itself.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.p == nil }

// Fingerprint returns the first eight hexadecimal digits of the SHA-256 of the
// text, or "" for an empty one: enough to tell two secrets apart in a metric
// or a difference, too little to find a random one.
func (s Secret) Fingerprint() string {
	if s.p == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(*s.p))
	return hex.EncodeToString(sum[:4])
}

// Equal compares two secrets in a time that depends on their lengths only.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// String returns a mask, or "" for an empty secret.
func (s Secret) String() string {
	if s.p == nil {
		return ""
	}
	return masked
}

// GoString returns the mask that %#v shows.
func (s Secret) GoString() string { return fmt.Sprintf("config.Secret(%q)", s.String()) }

// Format writes the mask for every verb and flag.
func (s Secret) Format(f fmt.State, verb rune) {
	out := s.String()
	switch {
	case verb == 'v' && f.Flag('#'):
		out = s.GoString()
	case verb == 'q':
		out = fmt.Sprintf("%q", out)
	}
	// The writer is fmt's own buffer: it does not fail.
	_, _ = io.WriteString(f, out)
}

// MarshalText returns the mask; it also serves JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML returns the mask.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue returns the mask for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText takes the text as it is. The mask itself is refused, so that a
// printed configuration cannot be loaded by mistake with its secrets missing.
func (s *Secret) UnmarshalText(b []byte) error {
	if string(b) == masked {
		return fmt.Errorf("holds the mask %s of a printed configuration; fill the secret in", masked)
	}
	*s = NewSecret(string(b))
	return nil
}
