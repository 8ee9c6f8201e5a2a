package mockserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// worded lets a dialect's own codec word errors. The codec thinks of a
// gateway's errors; what a provider says follows from the status alone.
type worded struct{ codec dialect.ErrorEncoder }

// AppendError appends the body of an error answer.
func (w worded) AppendError(dst []byte, e *llm.Error) []byte {
	return w.codec.AppendError(dst, asSeen(e), &dialect.Facts{Status: e.Status})
}

// AppendStreamError appends the event that ends a stream that failed.
func (w worded) AppendStreamError(dst []byte, e *llm.Error) []byte {
	return w.codec.AppendStreamError(dst, asSeen(e), &dialect.Facts{Status: e.Status})
}

// seen are the kinds that a status has for those who get it.
var seen = map[int]llm.Kind{
	http.StatusUnauthorized:          llm.KindUnauthenticated,
	http.StatusPaymentRequired:       llm.KindBudgetExceeded,
	http.StatusForbidden:             llm.KindPermissionDenied,
	http.StatusNotFound:              llm.KindNotFound,
	http.StatusRequestEntityTooLarge: llm.KindRequestTooLarge,
	http.StatusTooManyRequests:       llm.KindRateLimited,
	http.StatusServiceUnavailable:    llm.KindOverloaded,
	http.StatusGatewayTimeout:        llm.KindTimeout,
	statusOverloaded:                 llm.KindOverloaded,
}

// statusOverloaded is Anthropic's own.
const statusOverloaded = 529

func asSeen(e *llm.Error) *llm.Error {
	d := *e
	if k, ok := seen[e.Status]; ok {
		d.Kind = k
	} else if e.Status >= http.StatusInternalServerError {
		d.Kind = llm.KindInternal
	}
	return &d
}

// bad is a refusal with status 400.
func bad(format string, args ...any) *llm.Error { return problem("", "", format, args...) }

// exactly reads a JSON value into a struct that names every member there may
// be. The error is the name of one that there may not be, or what is wrong.
func exactly(raw []byte, v any) (unknown string, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil {
		if _, more := d.Token(); more != io.EOF { //nolint:errorlint // Token returns io.EOF itself
			return "", errTrailing
		}
		return "", nil
	}
	if name, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
		return strings.TrimSuffix(name, `"`), err
	}
	return "", err
}

var errTrailing = &llm.Error{Kind: llm.KindInvalidRequest, Message: "there is something behind the value"}

// seal makes the opaque state that a provider binds to a piece of its answer:
// whoever changes either is found out.
func seal(who, what string) string {
	sum := sha256.Sum256([]byte("mock\x00" + who + "\x00" + what))
	return base64.StdEncoding.EncodeToString(append([]byte{0x12, 0x20}, sum[:]...))
}
