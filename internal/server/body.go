package server

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// firstBuffer is the most that is set aside on the word of a Content-Length:
// beyond it the buffer grows with what really arrives.
const firstBuffer = 1 << 20

// unknownBuffer is where a body without a length starts.
const unknownBuffer = 8 << 10

// body checks that the request carries JSON and reads it whole. The buffer is
// used for another request only if it is lent to a call; see bodyPool.
func (x *exchange) body() ([]byte, error) {
	if err := checkJSON(x.req.Header); err != nil {
		return nil, err
	}
	limit := x.snap.MaxBody
	if x.ep.maxBody > 0 {
		limit = x.ep.maxBody
	}
	if x.req.ContentLength > limit {
		return nil, x.tooLarge(limit)
	}
	began := time.Now()
	raw, err := x.readAll(limit)
	ended := time.Now()
	x.waited = ended.Sub(began)
	switch {
	case err == nil:
		// The deadline of the body would otherwise end the wait for the
		// client's departure, and with it the call. After a failure it stays,
		// as net/http then reads on for a while.
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Time{})
		x.bodyRead = true
		return raw, nil
	case errors.Is(err, errBodyLimit):
		return nil, x.tooLarge(limit)
	}
	return nil, x.readFailed(err, len(raw))
}

// linger is how long a client whose request is refused may go on sending its
// body. net/http reads some of it, so that the connection can be used again.
const linger = 2 * time.Second

// stopReading shortens the wait for a body that nobody wants.
func (x *exchange) stopReading() {
	if !x.bodyRead && x.req.ContentLength != 0 {
		_ = http.NewResponseController(x.w).SetReadDeadline(time.Now().Add(linger))
	}
}

var errBodyLimit = errors.New("the body is larger than the limit")

// readAll reads the body into a buffer that is used again if the body has the
// length that was announced.
func (x *exchange) readAll(limit int64) ([]byte, error) {
	n := x.req.ContentLength
	if n < 0 {
		return readInto(make([]byte, 0, min(unknownBuffer, limit)+1), x.req.Body, limit)
	}
	size := min(n, firstBuffer) + 1 // one byte more, so that the end is seen without growing
	lent := x.srv.bodies.get(size)
	if lent == nil {
		return readInto(make([]byte, 0, size), x.req.Body, limit)
	}
	raw, err := readInto(lent.buf[:0], x.req.Body, limit)
	if err == nil && cap(raw) == cap(lent.buf) {
		x.lent = lent
	}
	return raw, err
}

// readInto reads r to its end, behind what is in buf.
func readInto(buf []byte, r io.Reader, limit int64) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		k, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+k]
		switch {
		case int64(len(buf)) > limit:
			return nil, errBodyLimit
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
	}
}

func (x *exchange) tooLarge(limit int64) error {
	x.closeAfter() // the rest of the body is not worth reading
	return llm.Errorf(llm.KindRequestTooLarge, "the request body is larger than %d bytes", limit)
}

// readFailed says why a body did not arrive. A read that fails for whatever
// reason ends the request's context, so that a body that is late must be told
// from a client that left by the error itself.
func (x *exchange) readFailed(err error, got int) error {
	x.closeAfter()
	x.bodyRead = true // as far as it ever will be
	if errors.Is(err, os.ErrDeadlineExceeded) {
		e := llm.Errorf(llm.KindInvalidRequest, "the request body did not arrive within %v", x.srv.o.ReadBody)
		return &statusError{status: http.StatusRequestTimeout, err: e}
	}
	if gone := llm.ContextError(x.ctx()); gone != nil {
		return gone
	}
	e := llm.Errorf(llm.KindInvalidRequest, "the request body could not be read after %d bytes", got)
	e.Err = err
	return e
}

// checkJSON refuses what is not plain JSON. A missing type is refused too: a
// browser can send such a request across origins without asking first, and a
// gateway on a developer's machine may have no authentication.
func checkJSON(h http.Header) error {
	if enc := h["Content-Encoding"]; len(enc) > 0 && !(len(enc) == 1 && (enc[0] == "" || strings.EqualFold(enc[0], "identity"))) {
		return &statusError{status: http.StatusUnsupportedMediaType, header: "Accept-Encoding", value: "identity",
			err: llm.Errorf(llm.KindInvalidRequest, "Content-Encoding is not supported: send the body uncompressed")}
	}
	types := h["Content-Type"]
	if len(types) == 1 && (types[0] == "application/json" || isJSON(types[0])) {
		return nil
	}
	return &statusError{status: http.StatusUnsupportedMediaType, header: "Accept", value: "application/json",
		err: llm.Errorf(llm.KindInvalidRequest, "Content-Type must be application/json")}
}

func isJSON(contentType string) bool {
	t, params, err := mime.ParseMediaType(contentType)
	if err != nil || t != "application/json" {
		return false
	}
	cs, ok := params["charset"]
	return !ok || strings.EqualFold(cs, "utf-8")
}
