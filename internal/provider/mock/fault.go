package mock

import (
	"fmt"
	"net/http"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// FaultKind is a way in which an upstream fails.
type FaultKind uint8

// The faults. Those that happen within an answer do so after Fault.After
// events of a stream, or in the middle of a whole answer.
const (
	FaultNone   FaultKind = iota
	FaultStatus           // an error answer with Fault.Status
	FaultHTML             // the same, with the HTML page of an edge server for a body
	FaultBody             // status 200, and an error object where the answer should be
	FaultHang             // no answer at all, not even a head, until the caller gives up
	FaultReset            // the connection is reset (RST)
	FaultCut              // the connection is closed (FIN) before the end
	FaultStall            // nothing more comes, and the connection stays open
	FaultEvent            // an error event ends the stream
)

// Fault is one failure that a model name asked for. It is an error, and the
// cause of the *llm.Error that a call fails with, so that whoever has a
// connection to break can see how.
type Fault struct {
	Kind       FaultKind
	After      int // events that come before it; -1 = it happens before the head
	Status     int
	RetryAfter time.Duration // 0 = not said
	Quota      bool          // the account is used up: waiting does not help
}

// Error describes the fault.
func (f *Fault) Error() string {
	switch f.Kind {
	case FaultStatus, FaultHTML:
		return fmt.Sprintf("status %d was asked for by the model's name", f.Status)
	case FaultReset:
		return "connection reset by peer"
	case FaultCut:
		return "unexpected EOF"
	}
	return "a failure was asked for by the model's name"
}

// inStream reports whether the fault strikes after the head of a stream.
func (f *Fault) inStream() bool {
	switch f.Kind {
	case FaultCut, FaultStall, FaultEvent:
		return true
	case FaultReset:
		return f.After >= 0
	}
	return false
}

// silent reports whether the fault is an answer that never comes.
func (f *Fault) silent() bool { return f.Kind == FaultHang || f.Kind == FaultStall }

// Err returns the fault as the gateway's error, as a provider's client would
// report it.
func (f *Fault) Err(provider string) *llm.Error {
	e := &llm.Error{Kind: llm.KindUpstreamError, Provider: provider, Err: f}
	switch f.Kind {
	case FaultStatus, FaultHTML:
		f.statusError(e)
	case FaultReset:
		e.Message = "the connection to the provider was reset"
	case FaultCut:
		e.Message = "the provider's answer ended before it was complete"
	default:
		e.Message = "the provider reported an error: the mock was told to fail"
		e.Code = "server_error"
	}
	return e
}

func (f *Fault) statusError(e *llm.Error) {
	e.Kind = statusKind(f.Status)
	e.Status = f.Status
	e.RetryAfter = f.RetryAfter
	e.Message = f.Message()
	if f.Quota {
		e.Code, e.Permanent = "insufficient_quota", true
	}
	if f.Status == http.StatusPaymentRequired {
		e.Permanent = true
	}
}

// Message is the text of an error answer.
func (f *Fault) Message() string {
	switch {
	case f.Quota:
		return "You exceeded your current quota: the mock was told so by the model's name."
	case f.Status == http.StatusTooManyRequests:
		return "Rate limit reached: the mock was told so by the model's name."
	}
	text := http.StatusText(f.Status)
	if text == "" {
		text = "Error"
	}
	return fmt.Sprintf("%s (%d): the mock was told to answer so by the model's name.", text, f.Status)
}

// statusKind says what an upstream's HTTP status means to the gateway.
func statusKind(status int) llm.Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return llm.KindUpstreamAuth
	case http.StatusNotFound:
		return llm.KindNotFound
	case http.StatusRequestEntityTooLarge:
		return llm.KindRequestTooLarge
	case http.StatusTooManyRequests, http.StatusPaymentRequired:
		return llm.KindUpstreamRateLimited
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return llm.KindTimeout
	case http.StatusConflict:
		return llm.KindUpstreamError
	}
	if status >= http.StatusInternalServerError {
		return llm.KindUpstreamError
	}
	return llm.KindInvalidRequest
}
