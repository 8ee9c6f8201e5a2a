package llm

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind classifies a failure. What to do about it stands in one table (Traits);
// which status and body a client sees is the server's matter.
type Kind uint8

// The kinds of contract §5.
const (
	KindInternal Kind = iota
	KindInvalidRequest
	KindUnsupported
	KindContentFiltered
	KindUnauthenticated
	KindBudgetExceeded
	KindPermissionDenied
	KindNotFound
	KindRequestTooLarge
	KindRateLimited
	KindUpstreamRateLimited
	KindCanceled
	KindUpstreamAuth
	KindUpstreamError
	KindOverloaded
	KindTimeout

	KindCount // the number of kinds, for tables
)

// Traits says how the chain and the service treat a failure.
type Traits struct {
	Name       string // as the contract spells it
	Retryable  bool   // the same target may succeed on another try
	NextTarget bool   // another target may succeed
	Trips      bool   // counts against the target's circuit breaker
}

var traits = [KindCount]Traits{
	KindInternal:            {Name: "internal"},
	KindInvalidRequest:      {Name: "invalid_request"},
	KindUnsupported:         {Name: "unsupported"},
	KindContentFiltered:     {Name: "content_filtered"},
	KindUnauthenticated:     {Name: "unauthenticated"},
	KindBudgetExceeded:      {Name: "budget_exceeded", NextTarget: true}, // when it is a provider account's; a caller's ends before any target
	KindPermissionDenied:    {Name: "permission_denied"},
	KindNotFound:            {Name: "not_found"},
	KindRequestTooLarge:     {Name: "request_too_large"},
	KindRateLimited:         {Name: "rate_limited"},
	KindUpstreamRateLimited: {Name: "upstream_rate_limited", Retryable: true, NextTarget: true},
	KindCanceled:            {Name: "canceled"},
	KindUpstreamAuth:        {Name: "upstream_auth", NextTarget: true},
	KindUpstreamError:       {Name: "upstream_error", Retryable: true, NextTarget: true, Trips: true},
	KindOverloaded:          {Name: "overloaded", NextTarget: true},
	KindTimeout:             {Name: "timeout", Retryable: true, NextTarget: true, Trips: true},
}

// Traits returns the kind's row of the table.
func (k Kind) Traits() Traits {
	if k >= KindCount {
		return traits[KindInternal]
	}
	return traits[k]
}

// String returns the kind's name in the contract.
func (k Kind) String() string { return k.Traits().Name }

// Error is the one error type of the gateway. Message is fit for a client: it
// holds no credential, account id or internal address. Err is the cause, for
// logs alone.
type Error struct {
	Kind    Kind
	Message string
	Param   string // the request member at fault, as a path: messages[0].role
	Code    string // a finer code that clients know: context_length_exceeded, model_not_found

	Provider   string
	Status     int           // the upstream's HTTP status, 0 when there was none
	RetryAfter time.Duration // what the upstream or the limit asked for; 0 = not said
	Permanent  bool          // trying again (same account) cannot help: quota used up, bill unpaid

	Attempts int           // upstream attempts made, by all targets
	Upstream time.Duration // time spent waiting for upstreams and back-off

	Err error
}

// Error returns the kind, the message and the cause.
func (e *Error) Error() string {
	s := e.Kind.String() + ": " + e.Message
	if e.Provider != "" {
		s = e.Provider + ": " + s
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Retryable reports whether the same target may be tried again.
func (e *Error) Retryable() bool { return e.Kind.Traits().Retryable && !e.Permanent }

// Errorf makes an Error of a kind with a formatted message for the client.
func Errorf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Message: fmt.Sprintf(format, args...)}
}

// Invalid makes a KindInvalidRequest error about one member of the request.
func Invalid(param, format string, args ...any) *Error {
	return &Error{Kind: KindInvalidRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}

// Unsupported makes a KindUnsupported error about one member of the request.
func Unsupported(param, format string, args ...any) *Error {
	return &Error{Kind: KindUnsupported, Param: param, Code: "unsupported_parameter", Message: fmt.Sprintf(format, args...)}
}

// AsError returns err as an *Error: itself when it is one, otherwise a
// cancellation, a time-out or an internal error around it. AsError(nil) is nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return &Error{Kind: KindCanceled, Message: "the client went away", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: KindTimeout, Message: "the deadline passed", Err: err}
	}
	return &Error{Kind: KindInternal, Message: "internal error", Err: err}
}

// ContextError returns the *Error for a context that has ended: its cause when
// that is an *Error (a clock that ran out), otherwise a cancellation or a
// time-out. It returns nil while ctx is alive.
func ContextError(ctx context.Context) *Error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	var e *Error
	if errors.As(cause, &e) {
		return e
	}
	// A cause of another type says nothing about the kind; the context does.
	e = AsError(ctx.Err())
	e.Err = cause
	return e
}
