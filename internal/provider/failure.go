package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// refusal turns an answer with a status outside 2xx into an error. The codec
// judges status and body, and may find there when to come back; the head
// overrules it.
func (x *exchange) refusal(ctx context.Context, resp *http.Response) error {
	if resp.StatusCode < 200 {
		return redirected(resp.StatusCode) // what follows is no body
	}
	body, err := readBody(resp, maxErrorBody)
	if err != nil && ctx.Err() != nil {
		return llm.ContextError(ctx)
	}
	if resp.StatusCode < 400 {
		return redirected(resp.StatusCode)
	}
	// A body that was cut still says more than none.
	e := x.decodeError(resp.StatusCode, body)
	e.Status = resp.StatusCode
	if mayComeBack(resp.StatusCode) {
		e.RetryAfter = or(retryAfter(resp.Header), e.RetryAfter)
		if strings.EqualFold(resp.Header.Get("X-Should-Retry"), "false") {
			e.Permanent = true // official SDKs obey it over the status
		}
	} else {
		e.RetryAfter = 0
	}
	if id := requestID(resp.Header); id != "" {
		e.Err = identified(id, e.Err)
	}
	return e
}

// redirected is the error for 1xx and 3xx. Following would take the credential
// to another host, and asking again would not change the answer.
func redirected(status int) *llm.Error {
	e := llm.Errorf(llm.KindUpstreamError, "the provider answered with a redirect (status %d): its base URL is probably wrong", status)
	if status < 300 {
		e.Message = fmt.Sprintf("the provider answered with the unexpected status %d", status)
	}
	e.Status, e.Permanent = status, true
	return e
}

// mayComeBack reports whether a status is one that passes with time. On others
// Retry-After means nothing (Anthropic sends it with 200).
func mayComeBack(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests,
		498: // Groq: flex capacity
		return true
	}
	return status >= 500
}

func identified(id string, err error) error {
	if err == nil {
		return fmt.Errorf("upstream request %q", id)
	}
	return fmt.Errorf("upstream request %q: %w", id, err)
}

// networkError is the error of an exchange that brought no response. The cause
// is kept for logs without the URL, which may hold a key.
func networkError(ctx context.Context, err error) *llm.Error {
	if e := llm.ContextError(ctx); e != nil {
		return e
	}
	var withURL *url.Error
	if errors.As(err, &withURL) {
		err = withURL.Err
	}
	e := describe(err)
	e.Err = cause(err)
	return e
}

// cause keeps err for the logs. An io.EOF that means a broken connection must
// not be found in the chain: to a reader of a stream it means a complete one.
func cause(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New(err.Error())
	}
	return err
}

// describe says in words for the client what went wrong on the network:
// no addresses, no names.
func describe(err error) *llm.Error {
	var (
		dns  *net.DNSError
		cert *tls.CertificateVerificationError
		host x509.HostnameError
		rec  tls.RecordHeaderError
		alrt tls.AlertError
		op   *net.OpError
		slow net.Error
	)
	switch {
	case errors.As(err, &cert), errors.As(err, &host):
		e := llm.Errorf(llm.KindUpstreamError, "the provider's TLS certificate is not trusted")
		e.Permanent = true
		return e
	case errors.As(err, &slow) && slow.Timeout():
		if errors.As(err, &op) && op.Op == "dial" {
			return llm.Errorf(llm.KindTimeout, "connecting to the provider took too long")
		}
		return llm.Errorf(llm.KindTimeout, "the provider took too long")
	case errors.As(err, &dns):
		return llm.Errorf(llm.KindUpstreamError, "the provider's host name cannot be resolved")
	case errors.As(err, &rec), errors.As(err, &alrt):
		return llm.Errorf(llm.KindUpstreamError, "the TLS handshake with the provider failed")
	case errors.Is(err, syscall.ECONNREFUSED):
		return llm.Errorf(llm.KindUpstreamError, "the provider refused the connection")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return llm.Errorf(llm.KindUpstreamError, "the connection to the provider was reset")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return llm.Errorf(llm.KindUpstreamError, "the provider closed the connection without an answer")
	}
	return llm.Errorf(llm.KindUpstreamError, "the exchange with the provider failed")
}

// bodyError is the error of an answer whose head came and whose body broke.
func bodyError(ctx context.Context, err error) *llm.Error {
	if e := llm.ContextError(ctx); e != nil {
		return e
	}
	var e *llm.Error
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, sse.ErrTooLong):
		e = llm.Errorf(llm.KindUpstreamError, "the provider's answer is too large")
	case errors.Is(err, io.ErrUnexpectedEOF):
		e = llm.Errorf(llm.KindUpstreamError, "the provider's answer was cut short")
	default:
		e = describe(err)
	}
	e.Err = cause(err)
	return e
}

// scrub takes the secrets of this exchange out of an error, should the
// upstream have echoed them. The cause loses its type then.
func (x *exchange) scrub(e *llm.Error) {
	e.Message, e.Param, e.Code = x.clean(e.Message), x.clean(e.Param), x.clean(e.Code)
	if e.Err == nil {
		return
	}
	text := e.Err.Error()
	if clean := x.clean(text); clean != text {
		e.Err = errors.New(clean)
	}
}

func (x *exchange) clean(s string) string {
	s = x.cred.scrub(s)
	for _, secret := range x.p.head.secrets {
		if len(secret) >= minSecret {
			s = strings.ReplaceAll(s, secret, mask)
		}
	}
	return s
}

// minSecret is the length from which a configured header's value is taken for
// a secret: "true" is none.
const minSecret = 8
