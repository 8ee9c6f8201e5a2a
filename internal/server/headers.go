package server

import (
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// maxRequestID is the longest request id that is taken over from a client.
const maxRequestID = 128

// requestID returns the client's own id when it sent exactly one and that one
// is sane; otherwise a new one of 128 random bits.
func requestID(h http.Header) string {
	if ids := h["X-Request-Id"]; len(ids) == 1 && saneID(ids[0]) {
		return ids[0]
	}
	return newRequestID()
}

// saneID reports whether s may stand in headers, log lines and ledger records:
// 1 to 128 printable ASCII characters, no blanks.
func saneID(s string) bool {
	if s == "" || len(s) > maxRequestID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func newRequestID() string {
	var b [36]byte
	copy(b[:], "req_")
	hex16(b[4:], rand.Uint64())  //nolint:gosec // an id must differ, not be secret
	hex16(b[20:], rand.Uint64()) //nolint:gosec // likewise
	return string(b[:])
}

func hex16(dst []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := range 16 {
		dst[i] = digits[v>>60]
		v <<= 4
	}
}

// traceID returns the trace id of a W3C traceparent header, "" when there is
// none or it is malformed (https://www.w3.org/TR/trace-context/#traceparent-header).
func traceID(h http.Header) string {
	v := h["Traceparent"]
	if len(v) != 1 || len(v[0]) < 55 {
		return ""
	}
	p := v[0]
	if p[2] != '-' || p[35] != '-' || p[52] != '-' || p[:2] == "ff" || (p[:2] == "00" && len(p) != 55) {
		return ""
	}
	id := p[3:35]
	if !lowerHex(p[:2]) || !lowerHex(id) || !lowerHex(p[36:52]) || !lowerHex(p[53:55]) || strings.Trim(id, "0") == "" {
		return ""
	}
	return id
}

func lowerHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// token returns the credential that a request presents: a bearer token, else
// x-api-key. A header that comes twice says nothing.
func token(h http.Header) string {
	if v := h["Authorization"]; len(v) > 0 {
		scheme, rest, _ := strings.Cut(v[0], " ")
		if len(v) == 1 && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(rest)
		}
		return ""
	}
	if v := h["X-Api-Key"]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// forward picks the headers that may go on to a provider. A header that comes
// several times is joined, as HTTP allows (RFC 9110 §5.3).
func forward(h http.Header, names []string) []llm.Header {
	var out []llm.Header
	for _, name := range names {
		switch v := h[name]; len(v) {
		case 0:
		case 1:
			out = append(out, llm.Header{Name: name, Value: v[0]})
		default:
			out = append(out, llm.Header{Name: name, Value: strings.Join(v, ", ")})
		}
	}
	return out
}

// wantsDrop reads X-Gateway-Unsupported (contract §4). Any word but the two
// known ones is an error, so that a typo does not pass for consent.
func wantsDrop(h http.Header) (bool, error) {
	v := h["X-Gateway-Unsupported"]
	if len(v) == 0 {
		return false, nil
	}
	switch {
	case len(v) == 1 && v[0] == "drop":
		return true, nil
	case len(v) == 1 && v[0] == "refuse":
		return false, nil
	}
	return false, llm.Invalid("X-Gateway-Unsupported", "the header X-Gateway-Unsupported must be drop or refuse")
}
