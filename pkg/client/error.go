package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Kind classifies a failure.
type Kind string

// The gateway's kinds, as in its documentation. A newer gateway may have more.
const (
	KindInvalidRequest      Kind = "invalid_request"
	KindUnsupported         Kind = "unsupported"
	KindContentFiltered     Kind = "content_filtered"
	KindUnauthenticated     Kind = "unauthenticated"
	KindBudgetExceeded      Kind = "budget_exceeded"
	KindPermissionDenied    Kind = "permission_denied"
	KindNotFound            Kind = "not_found"
	KindRequestTooLarge     Kind = "request_too_large"
	KindRateLimited         Kind = "rate_limited"          // the gateway's own limit
	KindUpstreamRateLimited Kind = "upstream_rate_limited" // the provider's
	KindInternal            Kind = "internal"
	KindUpstreamAuth        Kind = "upstream_auth"
	KindUpstreamError       Kind = "upstream_error"
	KindOverloaded          Kind = "overloaded"
	KindTimeout             Kind = "timeout" // the gateway's deadline, or the context's
)

// The client's own kinds.
const (
	KindConnection Kind = "connection" // no connection, or one that was cut before the answer was whole
	KindProtocol   Kind = "protocol"   // the answer is not what a gateway sends
	KindCanceled   Kind = "canceled"   // the caller's context was cancelled
)

// Error is every failure of a call. When the context ended it wraps the
// context's error, so that errors.Is(err, context.Canceled) works.
type Error struct {
	Kind       Kind
	Code       int    // the HTTP status that the gateway gave the failure; 0 when it did not come from the gateway
	Message    string // fit for people; holds no credential
	Retryable  bool   // the same request may succeed later
	RetryAfter time.Duration
	Provider   string
	Param      string // the request's member at fault, as a path: messages[0].role
	RequestID  string // names the call in the gateway's log and ledger

	Err error // the cause, if there is one
}

// Error returns kind, message and whatever else helps.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Kind))
	b.WriteString(": ")
	b.WriteString(e.Message)
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	var more []string
	for _, m := range [...]struct{ name, value string }{{"param", e.Param}, {"provider", e.Provider}, {"request", e.RequestID}} {
		if m.value != "" {
			more = append(more, m.name+" "+m.value)
		}
	}
	if len(more) > 0 {
		b.WriteString(" (" + strings.Join(more, ", ") + ")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// NeverSent reports whether the call failed before a connection was made: it
// reached nobody, and repeating it repeats nothing.
func (e *Error) NeverSent() bool { return e.Kind == KindConnection && neverConnected(e.Err) }

// wireError is the error object of the envelope.
type wireError struct {
	Kind         Kind   `json:"kind"`
	Retryable    bool   `json:"retryable"`
	RetryAfterMS int64  `json:"retry_after_ms"`
	Provider     string `json:"provider"`
	Param        string `json:"param"`
}

func protocolError(format string, args ...any) *Error {
	return &Error{Kind: KindProtocol, Message: fmt.Sprintf(format, args...)}
}

// transportError says why an exchange broke off.
func transportError(ctx context.Context, err error) *Error {
	if ended := ctx.Err(); ended != nil {
		e := &Error{Kind: KindCanceled, Message: "the call was cancelled", Err: ended}
		if errors.Is(ended, context.DeadlineExceeded) {
			e.Kind, e.Message = KindTimeout, "the caller's deadline passed"
		}
		if cause := context.Cause(ctx); cause != ended {
			e.Err = fmt.Errorf("%w: %w", ended, cause)
		}
		return e
	}
	e := &Error{Kind: KindConnection, Message: "the connection to the gateway failed", Retryable: true, Err: err}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		e.Message = "the gateway's answer was cut"
	case neverConnected(err):
		e.Message = "the gateway cannot be reached"
	}
	return e
}

// refused makes the error of an answer other than 200. When it is not the
// gateway's own (a load balancer's page), the status says what it can.
func (c *Client) refused(ctx context.Context, resp *http.Response) error {
	b, err := c.readAll(ctx, resp.Body)
	if err != nil && ctx.Err() != nil {
		return err
	}
	var e *Error
	if env, ok := parseEnvelope(b); ok {
		e = env.asError()
	} else {
		e = &Error{Kind: kindOf(resp.StatusCode), Code: resp.StatusCode, Message: "HTTP " + resp.Status}
		e.Retryable = resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode > http.StatusInternalServerError
		if s := excerpt(b); s != "" {
			e.Message += ", not by the gateway: " + s
		}
	}
	if e.RetryAfter <= 0 {
		e.RetryAfter = retryAfter(resp.Header)
	}
	if e.RequestID == "" {
		e.RequestID = resp.Header.Get("X-Request-Id")
	}
	return e
}

// kindOf gives a status the kind that says the least about it.
func kindOf(status int) Kind {
	switch status {
	case http.StatusUnauthorized:
		return KindUnauthenticated
	case http.StatusPaymentRequired:
		return KindBudgetExceeded
	case http.StatusForbidden:
		return KindPermissionDenied
	case http.StatusNotFound:
		return KindNotFound
	case http.StatusRequestEntityTooLarge:
		return KindRequestTooLarge
	case http.StatusTooManyRequests:
		return KindRateLimited
	case http.StatusBadGateway:
		return KindUpstreamError
	case http.StatusServiceUnavailable:
		return KindOverloaded
	case http.StatusGatewayTimeout:
		return KindTimeout
	}
	switch {
	case status >= 500:
		return KindInternal
	case status >= 400:
		return KindInvalidRequest
	}
	return KindProtocol
}

// retryAfter reads Retry-After-Ms, else Retry-After in seconds or as a date
// (RFC 9110 §10.2.3); 0 = not said.
func retryAfter(h http.Header) time.Duration {
	const longest = 365 * 24 * time.Hour
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return time.Duration(min(ms, float64(longest/time.Millisecond)) * float64(time.Millisecond))
	}
	v := h.Get("Retry-After")
	if s, err := strconv.ParseInt(v, 10, 64); err == nil {
		return time.Duration(min(max(s, 0), int64(longest/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// excerpt makes the start of a foreign body fit for a message.
func excerpt(b []byte) string {
	const longest = 200
	cut := len(b) > longest
	if cut {
		b = b[:longest]
	}
	s := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(b), ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if cut {
		s += "…"
	}
	return s
}
