package anthropic

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// errorTypes are the words that a kind has for Anthropic clients.
var errorTypes = [llm.KindCount]string{
	llm.KindInternal:            "api_error",
	llm.KindInvalidRequest:      "invalid_request_error",
	llm.KindUnsupported:         "invalid_request_error",
	llm.KindContentFiltered:     "invalid_request_error",
	llm.KindUnauthenticated:     "authentication_error",
	llm.KindBudgetExceeded:      "billing_error",
	llm.KindPermissionDenied:    "permission_error",
	llm.KindNotFound:            "not_found_error",
	llm.KindRequestTooLarge:     "request_too_large",
	llm.KindRateLimited:         "rate_limit_error",
	llm.KindUpstreamRateLimited: "rate_limit_error",
	llm.KindCanceled:            "api_error",
	llm.KindUpstreamAuth:        "api_error",
	llm.KindUpstreamError:       "api_error",
	llm.KindOverloaded:          "overloaded_error",
	llm.KindTimeout:             "api_error",
}

// AppendError appends {"type":"error","error":{type, message},"request_id"}.
// Anthropic has no field for the member at fault; the message names it.
func (Codec) AppendError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	kind := e.Kind
	if kind >= llm.KindCount {
		kind = llm.KindInternal
	}
	dst = wire.Str(append(dst, `{"type":"error","error":{`...), "type", errorTypes[kind])
	dst = append(wire.Str(dst, "message", clientMessage(e)), '}')
	if f != nil {
		dst = wire.StrIf(dst, "request_id", f.RequestID)
	}
	return append(dst, '}')
}

// clientMessage begins as Anthropic's own message does where clients look for
// its words: coding agents compact the conversation when they read them.
func clientMessage(e *llm.Error) string {
	const tooLong = "prompt is too long"
	if e.Code == lenient.CodeTooLong && !strings.Contains(e.Message, tooLong) {
		return tooLong + ": " + e.Message
	}
	return e.Message
}

// AppendStreamError appends the error event that ends a stream that failed; no
// message_stop follows.
func (k Codec) AppendStreamError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	dst = k.AppendError(append(dst, "event: error\ndata: "...), e, f)
	return append(dst, "\n\n"...)
}

var (
	errorBodyNames = jsonedit.NewNames("error", "message", "type")
	errorNames     = jsonedit.NewNames("type", "message", "code")
)

const (
	bodyError = iota
	bodyMessage
	bodyType
)

// fault is what an error body says.
type fault struct{ typ, message string }

// readFault reads {"type":"error","error":{type, message}}, and what hosts
// that imitate Anthropic send instead: a bare error object, a bare string.
func readFault(body []byte) fault {
	var f fault
	b := bytes.TrimSpace(body)
	var at [3]jsonedit.Span
	lenient.Members(b, errorBodyNames, at[:])
	inner := lenient.Present(b, at[bodyError])
	switch {
	case len(inner) > 0 && inner[0] == '{':
		var in [3]jsonedit.Span
		lenient.Members(inner, errorNames, in[:])
		f.typ, f.message = lenient.Text(inner, in[0]), lenient.Text(inner, in[1])
		if f.typ == "" {
			f.typ = lenient.Text(inner, in[2])
		}
	case len(inner) > 0:
		f.message = lenient.Text(b, at[bodyError])
	default:
		f.message, f.typ = lenient.Text(b, at[bodyMessage]), lenient.Text(b, at[bodyType])
	}
	return f
}

// DecodeError reads an error body of the Anthropic API, or of one in front of
// it. status is 0 for an error inside a stream.
func (Codec) DecodeError(status int, body []byte) *llm.Error {
	f := readFault(body)
	e := &llm.Error{}
	e.Kind = f.classify(status, e)
	return lenient.Explain(e, status, f.message, body)
}

// kinds are the error types whose meaning does not depend on the status; both
// vary independently on hosts that imitate Anthropic.
var kinds = map[string]llm.Kind{
	"authentication_error": llm.KindUpstreamAuth,
	"permission_error":     llm.KindUpstreamAuth,
	"not_found_error":      llm.KindNotFound,
	"request_too_large":    llm.KindRequestTooLarge,
	"rate_limit_error":     llm.KindUpstreamRateLimited,
	"timeout_error":        llm.KindTimeout,
	"overloaded_error":     llm.KindUpstreamError, // status 529; clears in seconds
	"api_error":            llm.KindUpstreamError,
}

func (f *fault) classify(status int, e *llm.Error) llm.Kind {
	text := strings.ToLower(f.message)
	switch {
	case status == http.StatusPaymentRequired, f.typ == "billing_error", strings.Contains(text, "credit balance is too low"):
		e.Code, e.Permanent = lenient.CodeQuota, true
		return llm.KindUpstreamRateLimited
	case tooLong(status, text):
		e.Code = lenient.CodeTooLong
		return llm.KindInvalidRequest
	case status == http.StatusTooManyRequests && strings.Contains(text, "spend limit"):
		e.Code, e.Permanent = lenient.CodeQuota, true
		return llm.KindUpstreamRateLimited
	}
	kind, ok := kinds[f.typ]
	switch {
	case ok:
	case status > 0:
		kind = lenient.KindOf(status)
	case f.typ == "invalid_request_error":
		kind = llm.KindInvalidRequest
	default:
		kind = llm.KindUpstreamError
	}
	if kind == llm.KindNotFound && strings.HasPrefix(text, "model") {
		e.Code = lenient.CodeNoModel
	}
	return kind
}

// tooLong knows Anthropic's wordings for a prompt that does not fit.
func tooLong(status int, text string) bool {
	if status >= 500 || status == http.StatusTooManyRequests {
		return false
	}
	for _, s := range []string{"prompt is too long", "exceed context limit", "exceeds the maximum number of tokens", "context window"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}
