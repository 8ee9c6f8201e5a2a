package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// minRSA is the least size of an RSA key in bits (RFC 7518, 3.3).
const minRSA = 2048

// maxKeys bounds the keys of a key set, and so the work that a token without a
// kid can cause.
const maxKeys = 32

var errKeyType = errors.New("want an RSA key of at least 2048 bits, an ECDSA key on P-256 or an Ed25519 key")

// bind gives a public key the one algorithm that it may be used with.
func bind(key any) (verifyKey, error) {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSA {
			return verifyKey{alg: jose.RS256, key: k}, nil
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return verifyKey{alg: jose.ES256, key: k}, nil
		}
	case ed25519.PublicKey:
		return verifyKey{alg: jose.EdDSA, key: k}, nil
	}
	return verifyKey{}, errKeyType
}

// parsePEM reads public keys and certificates.
func parsePEM(text []byte) ([]verifyKey, error) {
	var keys []verifyKey
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		pub, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		k, err := bind(pub)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWT public key is not in PEM form")
	}
	return keys, nil
}

func parseBlock(b *pem.Block) (any, error) {
	switch b.Type {
	case "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(b.Bytes)
	case "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(b.Bytes)
	case "CERTIFICATE":
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	}
	return nil, fmt.Errorf("the JWT public key holds a PEM block of type %q; want PUBLIC KEY or CERTIFICATE", b.Type)
}

// parseJWKS reads a key set (RFC 7517). Keys that are not for signatures, of
// other types or malformed are left out; none left is an error.
func parseJWKS(body []byte) ([]verifyKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("the answer is not a JSON key set")
	}
	var keys []verifyKey
	for _, raw := range set.Keys {
		if k, ok := parseJWK(raw); ok && len(keys) < maxKeys {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set holds no usable key")
	}
	return keys, nil
}

func parseJWK(raw []byte) (verifyKey, bool) {
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(raw) != nil || jwk.Use != "" && jwk.Use != "sig" || !jwk.IsPublic() || !jwk.Valid() {
		return verifyKey{}, false
	}
	k, err := bind(jwk.Key)
	if err != nil || jwk.Algorithm != "" && jwk.Algorithm != string(k.alg) {
		return verifyKey{}, false
	}
	k.id = jwk.KeyID
	return k, true
}
