package server

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// statusCanceled is what the log shows for a client that left (contract §5).
const statusCanceled = 499

// statuses is the status of each kind of failure (contract §5).
var statuses = [llm.KindCount]int{
	llm.KindInternal:            http.StatusInternalServerError,
	llm.KindInvalidRequest:      http.StatusBadRequest,
	llm.KindUnsupported:         http.StatusBadRequest,
	llm.KindContentFiltered:     http.StatusBadRequest,
	llm.KindUnauthenticated:     http.StatusUnauthorized,
	llm.KindBudgetExceeded:      http.StatusPaymentRequired,
	llm.KindPermissionDenied:    http.StatusForbidden,
	llm.KindNotFound:            http.StatusNotFound,
	llm.KindRequestTooLarge:     http.StatusRequestEntityTooLarge,
	llm.KindRateLimited:         http.StatusTooManyRequests,
	llm.KindUpstreamRateLimited: http.StatusTooManyRequests,
	llm.KindCanceled:            statusCanceled,
	llm.KindUpstreamAuth:        http.StatusBadGateway,
	llm.KindUpstreamError:       http.StatusBadGateway,
	llm.KindOverloaded:          http.StatusServiceUnavailable,
	llm.KindTimeout:             http.StatusGatewayTimeout,
}

func statusOf(k llm.Kind) int {
	if k >= llm.KindCount {
		k = llm.KindInternal
	}
	return statuses[k]
}

// statusError is a failure of HTTP itself, whose status no kind has.
type statusError struct {
	status        int
	header, value string // one header that goes with it, its name canonical; "" = none
	err           *llm.Error
}

func (e *statusError) Error() string { return strconv.Itoa(e.status) + " " + e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// noSuchPath answers what no route matches.
func noSuchPath(*exchange) error {
	return llm.Errorf(llm.KindNotFound, "there is no such path")
}

// wrongMethod answers a known path with a method that it does not have.
func wrongMethod(allow string) func(*exchange) error {
	return func(*exchange) error {
		return &statusError{status: http.StatusMethodNotAllowed, header: "Allow", value: allow,
			err: llm.Errorf(llm.KindInvalidRequest, "the method is not allowed here; use %s", allow)}
	}
}

// fail ends the exchange with an error: as an ordinary answer while the head is
// not out, as the terminal event of a stream after that, by closing the
// connection when neither is possible.
func (x *exchange) fail(err error) {
	x.sendDue()
	e := x.classify(err)
	x.rec.err = e
	x.noteError(llm.AsError(err))
	switch {
	case x.finished:
	case x.writeErr != nil || e.Kind == llm.KindCanceled:
		// Nobody is there to read it. Without this net/http would end the
		// exchange with an empty 200.
		x.aborted = true
	case x.streaming:
		x.finished = true
		x.buf = x.ep.errors.AppendStreamError(x.buf[:0], e, x.fillFacts(statusOf(e.Kind)))
		x.send(x.buf)
	case x.status != 0:
		x.aborted = true
	default:
		x.writeError(err, e)
	}
}

// classify gives err its kind, seen from the client: once the client has left
// or the server has cut the request off, whatever failed did so for that. What
// HTTP itself refuses stays as it is.
func (x *exchange) classify(err error) *llm.Error {
	if x.writeErr != nil {
		return &llm.Error{Kind: llm.KindCanceled, Message: "the client could not be written to", Err: x.writeErr}
	}
	var se *statusError
	if errors.As(err, &se) {
		return se.err
	}
	if ctx := x.ctx(); ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			return llm.AsError(cause)
		}
	}
	return llm.AsError(err)
}

// writeError writes an error as a whole answer. cause is what fail was given.
func (x *exchange) writeError(cause error, e *llm.Error) {
	status := statusOf(e.Kind)
	var se *statusError
	if errors.As(cause, &se) {
		status = se.status
		if se.header != "" {
			x.set(se.header, se.value)
		}
	}
	e = x.withRetryAfter(e)
	if e.Kind == llm.KindUnauthenticated {
		x.set("Www-Authenticate", "Bearer")
	}
	if finalUpstream(e) {
		x.set("X-Should-Retry", "false")
	}
	x.stopReading()
	x.Header()["Cache-Control"] = noStore
	x.gatewayHeaders()
	x.buf = x.ep.errors.AppendError(x.buf[:0], e, x.fillFacts(status))
	x.whole(status, x.buf)
}

// withRetryAfter sets Retry-After where the contract promises one. A wait that
// nobody knows is a second, in header and body alike. Where waiting cannot help
// none is promised.
func (x *exchange) withRetryAfter(e *llm.Error) *llm.Error {
	if e.Kind == llm.KindRateLimited && e.Permanent {
		return e
	}
	switch e.Kind {
	case llm.KindRateLimited, llm.KindUpstreamRateLimited, llm.KindOverloaded:
	default:
		if e.RetryAfter <= 0 {
			return e
		}
	}
	if e.RetryAfter <= 0 {
		d := *e
		d.RetryAfter = time.Second
		e = &d
	}
	x.set("Retry-After", strconv.FormatInt(int64(math.Ceil(e.RetryAfter.Seconds())), 10))
	// The SDKs read this one first, and it does not round 20 ms up to a second.
	x.set("Retry-After-Ms", strconv.FormatInt(max(int64(math.Ceil(float64(e.RetryAfter)/1e6)), 1), 10))
	return e
}

// finalUpstream reports whether e is what remained after the gateway's own
// retries. The official SDKs would try three times more, three upstream calls
// each; x-should-retry: false keeps them from it.
func finalUpstream(e *llm.Error) bool {
	switch e.Kind {
	case llm.KindUpstreamRateLimited, llm.KindUpstreamAuth, llm.KindUpstreamError, llm.KindTimeout:
		return true
	case llm.KindOverloaded:
		return e.Attempts > 0
	}
	return e.Permanent
}

// noteError puts what an error tells of the call on record.
func (x *exchange) noteError(e *llm.Error) {
	if e.Provider != "" {
		x.rec.provider = e.Provider
	}
	if e.Attempts > 0 && x.status == 0 { // after the head the reply has told it
		x.rec.attempts = e.Attempts
		x.rec.upstream = e.Upstream
	}
}

// fillFacts makes the facts that codecs put into bodies.
func (x *exchange) fillFacts(status int) *dialect.Facts {
	x.facts = dialect.Facts{
		RequestID: x.id, Status: status,
		Provider: x.rec.provider, Model: x.rec.model, Attempts: x.rec.attempts,
		Cache: x.facts.Cache, Usage: x.rec.usage, Latency: time.Since(x.start),
	}
	if x.rec.priced {
		x.facts.Cost = &x.rec.cost
	}
	return &x.facts
}
