package lenient

import (
	"bytes"
	"errors"
	"net/http"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Codes that mean the same for every provider.
const (
	CodeTooLong  = "context_length_exceeded"
	CodeNoModel  = "model_not_found"
	CodeFiltered = "content_filter"
	CodeQuota    = "insufficient_quota"
)

// quoted is how many bytes of a body that is no JSON a client gets to see.
const quoted = 200

// Explain completes an error of which the kind and code are decided: status is
// the HTTP status or 0, message the provider's own words, body what it sent.
// The message becomes fit for a client; what a provider says of the gateway's
// account or credential is kept for logs (Err) alone.
func Explain(e *llm.Error, status int, message string, body []byte) *llm.Error {
	e.Status = status
	if e.RetryAfter == 0 {
		e.RetryAfter = dialect.RetryHint(message)
	}
	e.Message = dialect.Redact(message)
	if own := ownMessage(e); own != "" {
		if e.Message != "" {
			e.Err = errors.New(e.Message)
		}
		e.Message = own
	}
	if e.Message == "" {
		e.Message = opaque(status, body)
	}
	return e
}

func ownMessage(e *llm.Error) string {
	switch {
	case e.Kind == llm.KindUpstreamAuth:
		return "the provider refused the gateway's credential"
	case e.Kind == llm.KindUpstreamRateLimited && e.Permanent && e.Code == CodeQuota:
		return "the gateway's quota with the provider is used up"
	}
	return ""
}

// opaque describes an error without words of its own. Of plain text it quotes
// the beginning, of HTML and JSON nothing.
func opaque(status int, body []byte) string {
	s := "the provider failed"
	if status > 0 {
		s = "the provider answered " + strconv.Itoa(status)
		if name := http.StatusText(status); name != "" {
			s += " " + name
		}
	}
	b := bytes.TrimSpace(body)
	if len(b) == 0 || bytes.IndexByte(b, '<') >= 0 || bytes.IndexByte(b, 0) >= 0 || b[0] == '{' || b[0] == '[' {
		return s
	}
	return s + ": " + dialect.Clip(dialect.Redact(string(b[:min(len(b), 4*quoted)])), quoted)
}

// KindOf is the kind of an error of which only the HTTP status is known.
func KindOf(status int) llm.Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return llm.KindUpstreamAuth
	case http.StatusPaymentRequired, http.StatusTooManyRequests:
		return llm.KindUpstreamRateLimited
	case http.StatusNotFound:
		return llm.KindNotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return llm.KindTimeout
	case http.StatusRequestEntityTooLarge:
		return llm.KindRequestTooLarge
	case http.StatusConflict, http.StatusTooEarly, statusCanceled:
		return llm.KindUpstreamError
	}
	if status >= 400 && status < 500 {
		return llm.KindInvalidRequest
	}
	return llm.KindUpstreamError
}

// statusCanceled is what Google answers when a call was cancelled on the way.
const statusCanceled = 499
