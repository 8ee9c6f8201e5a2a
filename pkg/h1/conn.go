package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	readBuffer = 4 << 10
	keepWrite  = 16 << 10             // a larger head buffer is not kept
	joined     = 4 << 10              // up to here head and body are copied together; above, they are written as two vectors
	inline     = 128 << 10            // a larger body is written beside reading, as the server may answer before it has read all
	maxInterim = 8                    // 1xx responses before the answer
	sentGrace  = 5 * time.Millisecond // how long an answer waits to hear that a large body is out
	noLimit    = 1<<63 - 1
)

// conn is one connection. It is used by one exchange at a time.
type conn struct {
	t      *Transport
	key    key
	nc     net.Conn
	br     *bufio.Reader
	buf    []byte  // head of the request, while it is sent
	box    *[]byte // what buf came in
	limit  int64   // bytes that may still be read
	reused bool
	idleAt time.Time
	cut    atomic.Bool // abort has been called: the connection's deadline is spoilt
}

func newConn(t *Transport, k key, nc net.Conn) *conn {
	c := &conn{t: t, key: k, nc: nc, limit: noLimit}
	c.br = bufio.NewReaderSize(c, readBuffer)
	return c
}

// Read reads from the connection within the limit.
func (c *conn) Read(p []byte) (int, error) {
	if c.limit <= 0 {
		return 0, errors.New("h1: the response's head is too large")
	}
	if int64(len(p)) > c.limit {
		p = p[:c.limit]
	}
	n, err := c.nc.Read(p)
	c.limit -= int64(n)
	return n, err
}

func (c *conn) close() { _ = c.nc.Close() }

// abort makes every read and write fail from now on. It may be called from any
// goroutine.
func (c *conn) abort() {
	c.cut.Store(true)
	_ = c.nc.SetDeadline(time.Unix(1, 0))
}

// exchange writes the request and reads the head of the response.
func (c *conn) exchange(req *http.Request) (*http.Response, error) {
	stop := context.AfterFunc(req.Context(), c.abort)
	resp, err := c.converse(req)
	if err != nil {
		stop()
		c.close()
		return nil, err
	}
	if resp.ContentLength < 0 && isEvents(resp.Header) {
		c.slim()
	}
	b := &body{c: c, src: resp.Body, stop: stop, ctx: req.Context(), last: resp.Close}
	resp.Body = b
	if resp.ContentLength == 0 || bodiless(req, resp) {
		b.finish(true)
		resp.Body = http.NoBody
	}
	return resp, nil
}

func bodiless(req *http.Request, resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols, http.StatusNoContent, http.StatusNotModified:
		return true
	}
	return req.Method == http.MethodHead
}

func (c *conn) converse(req *http.Request) (*http.Response, error) {
	c.head(req)
	if req.ContentLength > inline {
		return c.converseBeside(req)
	}
	n, err := c.send(req)
	switch {
	case errors.As(err, new(*bodyError)):
		return nil, err // the server waits for the rest in vain
	case err != nil && n == 0 && c.reused && !c.cut.Load():
		return nil, errStale
	}
	resp, rerr := c.receive(req)
	if rerr == nil {
		if err != nil {
			resp.Close = true // it answered without reading: an early refusal
		}
		return resp, nil
	}
	if err != nil {
		return nil, err
	}
	return nil, rerr
}

// converseBeside writes a large body while it reads the answer.
func (c *conn) converseBeside(req *http.Request) (*http.Response, error) {
	sent := make(chan error, 1)
	go func() {
		_, err := c.send(req)
		if errors.As(err, new(*bodyError)) {
			c.close()
		}
		sent <- err
	}()
	resp, err := c.receive(req)
	if err == nil {
		// A server that has read all answers at once, perhaps before the writer
		// has said so.
		grace := time.NewTimer(sentGrace)
		defer grace.Stop()
		select {
		case werr := <-sent:
			resp.Close = resp.Close || werr != nil
			return resp, nil
		case <-grace.C:
		}
		// The answer came before the body was out: nobody needs the rest.
		c.breakWrite()
		resp.Close = true
		<-sent
		return resp, nil
	}
	c.close()
	if werr := <-sent; werr != nil && !errors.Is(werr, net.ErrClosed) {
		return nil, werr
	}
	return nil, err
}

// breakWrite ends a write under way and leaves reading as it is.
func (c *conn) breakWrite() { _ = c.nc.SetWriteDeadline(time.Unix(1, 0)) }

// head renders the request's head into c.buf.
func (c *conn) head(req *http.Request) {
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	c.box = c.t.buffer()
	b := append(append((*c.box)[:0], method...), ' ')
	b = append(append(b, req.URL.RequestURI()...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, hostOf(req)...), "\r\n"...)
	if req.ContentLength > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		b = strconv.AppendInt(append(b, "Content-Length: "...), req.ContentLength, 10)
		b = append(b, "\r\n"...)
	}
	for name, values := range req.Header {
		if name == "Host" || name == "Content-Length" || name == "Transfer-Encoding" {
			continue
		}
		for _, v := range values {
			b = append(append(b, name...), ": "...)
			b = append(append(b, v...), "\r\n"...)
		}
	}
	if req.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	c.buf = append(b, "\r\n"...)
}

// send writes head and body and returns how many bytes went out.
func (c *conn) send(req *http.Request) (int64, error) {
	w := writer{c: c, head: c.buf}
	defer c.sent()
	if req.Body != nil && req.ContentLength > 0 {
		n, err := io.Copy(&w, req.Body)
		if w.err == nil && (err != nil || n != req.ContentLength) {
			return w.n, &bodyError{got: n, want: req.ContentLength, err: err}
		}
		if err != nil {
			return w.n, err
		}
	}
	err := w.flush()
	return w.n, err
}

// sent gives the buffer back: an answer may take long, and a connection that
// waits for the next one needs none either.
func (c *conn) sent() {
	if cap(c.buf) <= keepWrite {
		*c.box = c.buf
		c.t.buffers.Put(c.box)
	}
	c.buf, c.box = nil, nil
}

// bodyError is a request body that failed or is not as long as it was said to
// be. Nothing is wrong with the connection, but the request cannot be finished.
type bodyError struct {
	got, want int64
	err       error
}

// Error tells the two lengths and what reading the body failed with.
func (e *bodyError) Error() string {
	s := fmt.Sprintf("h1: the body has %d bytes, its Content-Length says %d", e.got, e.want)
	if e.err != nil {
		s += ": " + e.err.Error()
	}
	return s
}

// Unwrap returns what reading the body failed with.
func (e *bodyError) Unwrap() error { return e.err }

// writer sends the head together with the first piece of the body.
type writer struct {
	c    *conn
	head []byte
	n    int64 // bytes written to the connection
	err  error // the connection's failure
}

func (w *writer) Write(p []byte) (int, error) {
	head := w.head
	w.head = nil
	n, err := w.write(head, p)
	w.n, w.err = w.n+n, err
	return max(int(n)-len(head), 0), err
}

func (w *writer) write(head, p []byte) (int64, error) {
	switch {
	case head == nil:
		n, err := w.c.nc.Write(p)
		return int64(n), err
	case len(p) <= joined || w.c.key.tls:
		w.c.buf = append(head, p...)
		n, err := w.c.nc.Write(w.c.buf)
		return int64(n), err
	}
	v := net.Buffers{head, p}
	return v.WriteTo(w.c.nc)
}

func (w *writer) flush() error {
	if w.head == nil {
		return nil
	}
	n, err := w.c.nc.Write(w.head)
	w.n += int64(n)
	return err
}

// receive reads the head of the answer, past interim ones.
func (c *conn) receive(req *http.Request) (*http.Response, error) {
	for range maxInterim {
		c.limit = c.t.o.MaxHead
		resp, err := http.ReadResponse(c.br, req)
		c.limit = noLimit
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
				err = errClosed
			}
			return nil, err
		}
		switch {
		case resp.StatusCode == http.StatusSwitchingProtocols:
			resp.Close = true // unasked: what follows is not HTTP
			return resp, nil
		case resp.StatusCode >= 200:
			return resp, nil
		}
	}
	return nil, errors.New("h1: too many interim responses")
}

// errClosed is io.ErrUnexpectedEOF in words.
var errClosed = fmt.Errorf("h1: the server closed the connection without an answer: %w", io.ErrUnexpectedEOF)

// body is the response's body. At its end the connection goes back to the pool;
// closed before, the connection is closed, which tells the server to stop.
// Close may be called while Read is under way.
type body struct {
	c    *conn
	src  io.Reader
	stop func() bool // ends the watch on the context
	ctx  context.Context
	last bool // the server closes the connection behind this answer
	done atomic.Bool
	err  error // what Read returns from now on
}

// Read reads the body. When the exchange's context has ended it fails with the
// context's cause.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	switch {
	case err == nil:
	case err == io.EOF:
		b.err = io.EOF
		b.finish(true)
	default:
		b.finish(false)
		if b.err = cause(b.ctx, err); b.err == nil {
			b.err = err
		}
		err = b.err
	}
	return n, err
}

// Close gives the connection up unless the body has been read to its end.
func (b *body) Close() error {
	b.finish(false)
	return nil
}

func (b *body) finish(whole bool) {
	if !b.done.CompareAndSwap(false, true) {
		return
	}
	watched := b.stop()
	if whole && watched && !b.last && b.c.br.Buffered() == 0 && !b.c.cut.Load() {
		b.c.restore()
		b.c.t.pool.put(b.c)
		return
	}
	b.c.close()
}
