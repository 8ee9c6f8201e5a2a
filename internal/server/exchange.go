package server

import (
	"context"
	"errors"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// exchange is one request and its answer: the ResponseWriter that handlers
// see, and the record that log line and metrics are made of. It is reused, so
// nothing that outlives the request may point into it.
type exchange struct {
	w    http.ResponseWriter // net/http's own
	req  *http.Request
	srv  *Server
	snap *Snapshot
	ep   *endpoint

	start  time.Time
	id     string
	vals   []string // backs the header values that are set; see set
	caller *llm.Caller
	client string // the client's address once somebody asked; see clientAddr

	traced  context.Context // the request's with its span; nil = no traces
	traceID string
	sampled bool // the span is recorded

	status   int           // 0 until the head is written
	size     int64         // body bytes accepted by net/http
	writeErr error         // the client's side failed
	guest    *guest        // the connection over HTTP/1; nil over HTTP/2, whose streams share one, and in tests
	fresh    time.Time     // without guest: until then the write deadline needs no renewal
	waited   time.Duration // time in which the client's body was read
	headAt   time.Time     // when the head was written
	rec      record
	facts    dialect.Facts

	lent *lentBody // what the request's body was read into; nil = it is not used again
	loan *llm.Loan // of the call that body was lent to; nil = none

	bodyRead  bool // nothing of the request is left to read
	called    bool // the service was asked: what becomes of it is not the edge's to report
	counted   bool // the observer was told of the start
	streaming bool // the head of a stream is out: an error becomes an event
	finished  bool // the terminal event is out
	aborted   bool // the answer cannot be completed: the connection must go
	buf       []byte
	due       []byte     // events of a translated stream that wait for more; see relay
	dueBuf    *[]byte    // what due is kept in, while there is something
	begun     bool       // due holds a part of the answer, or did
	line      jsonFields // of the access log; here, as it is reached through an interface
}

// record is what is known of the call that the request turned into.
type record struct {
	route    string
	provider string
	model    string
	attempts int
	path     string // the way through the route, when it was not the straight one
	routed   bool   // route is one of a bounded set of names
	stream   bool
	cache    string // what the route's cache had to do with it
	upstream time.Duration
	timed    bool      // one call was to be made, so overhead has a meaning
	firstAt  time.Time // first piece of a stream's answer written
	usage    llm.Usage
	cost     llm.Money
	priced   bool // cost is known
	tags     map[string]string
	err      *llm.Error
}

// keepBuf is the largest output buffer that is kept for the next request.
const keepBuf = 64 << 10

func (s *Server) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := s.exchanges.Get().(*exchange)
	x.w, x.req, x.srv = w, r, s
	x.snap = s.snap.Load()
	x.ep = s.unmatched
	x.start = time.Now()
	x.caller = &s.anonymous
	if r.ProtoMajor == 1 {
		x.guest, _ = r.Context().Value(guestKey{}).(*guest)
	}
	x.extend(x.start) // what an earlier request left may be over, and net/http itself may write "100 Continue"
	x.id = requestID(r.Header)
	x.vals = make([]string, 0, 16)
	x.set("X-Request-Id", x.id)
	x.protect()
	if s.draining.Load() {
		x.set("Connection", "close")
	}
	return x
}

// end is deferred around every request: it turns a panic into an answer,
// writes the log line, tells the observer, and gives x back.
func (x *exchange) end() {
	if p := recover(); p != nil {
		x.panicked(p)
		x.loan = nil // nobody knows who holds what
	}
	x.takeBack()
	x.noneDue()
	now := time.Now()
	if x.counted {
		stats := x.stats(now)
		x.ep.observer.Ended(stats)
		x.endTrace(stats)
	}
	x.watch(now)
	if x.streaming {
		x.srv.streams.Add(-1)
	}
	x.log(now)
	aborted := x.aborted
	buf, line, srv := x.buf, x.line, x.srv
	if cap(buf) > keepBuf {
		buf = nil
	}
	if cap(line.b) > keepBuf {
		line.b = nil
	}
	*x = exchange{buf: buf[:0], line: line}
	srv.exchanges.Put(x)
	if aborted {
		panic(http.ErrAbortHandler) // net/http closes the connection, and the client sees that the answer is cut
	}
}

// panicked answers for a handler that panicked, if that is still possible.
// The value itself is logged only when the runtime made it, as any other may
// hold a part of a prompt.
func (x *exchange) panicked(p any) {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		x.aborted = true
		return
	}
	x.logPanic(p, debug.Stack())
	x.fail(llm.Errorf(llm.KindInternal, "internal error"))
}

// set puts one header value without an allocation of its own.
func (x *exchange) set(canonicalKey, value string) {
	x.vals = append(x.vals, value)
	n := len(x.vals)
	x.w.Header()[canonicalKey] = x.vals[n-1 : n : n]
}

// Header returns the header of the answer.
func (x *exchange) Header() http.Header { return x.w.Header() }

// Unwrap gives http.ResponseController its way to the connection.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

// WriteHeader writes the head of the answer, once.
func (x *exchange) WriteHeader(status int) {
	if x.status != 0 {
		return
	}
	if status >= 200 {
		x.status = status
		x.headAt = time.Now()
		x.extend(x.headAt)
		x.w.Header()["Date"] = x.srv.date.at(x.headAt)
	}
	x.w.WriteHeader(status)
}

// Write writes a piece of the body and remembers the first failure.
func (x *exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.WriteHeader(http.StatusOK)
	}
	n, err := x.w.Write(p)
	x.size += int64(n)
	if err != nil && x.writeErr == nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		x.writeErr = err
	}
	return n, err
}

// extend gives the next write to the client its time: at least three quarters
// of Snapshot.Write, as a deadline that is still that fresh is left alone, also
// from one request of a connection to the next. Servers that cannot set
// deadlines (tests) go without.
func (x *exchange) extend(now time.Time) {
	fresh := &x.fresh
	if x.guest != nil {
		fresh = &x.guest.writable
	}
	if now.Before(*fresh) {
		return
	}
	*fresh = now.Add(x.snap.Write / 4)
	_ = http.NewResponseController(x.w).SetWriteDeadline(now.Add(x.snap.Write))
}

// ctx ends when the client leaves or the server cuts the request off. It holds
// the request's span, if there is one.
func (x *exchange) ctx() context.Context {
	if x.traced != nil {
		return x.traced
	}
	return x.req.Context()
}
