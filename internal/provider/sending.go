package provider

import (
	"bytes"
	"io"
	"net/http"
)

// sending is the body of a request that package h1 performs. That tells it when
// it is sent, and it lets go of the bytes: an answer may take long, and what
// came of the request, the answer's head included, hangs on to the request.
type sending struct {
	bytes.Reader
	body []byte
	over bool
}

// Close does nothing; see Sent.
func (s *sending) Close() error { return nil }

// Sent says that nobody reads the body any more.
func (s *sending) Sent() {
	s.over, s.body = true, nil
	s.Reset(nil)
}

// again returns the body for another try. It is http.Request's GetBody.
func (s *sending) again() (io.ReadCloser, error) { return inMemory(s.body), nil }

// inMemory has the form that net/http knows to be in memory.
func inMemory(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }

// setBody gives a request its body in the form that suits the transport.
func (p *HTTP) setBody(req *http.Request, body []byte) {
	if !p.direct {
		req.Body = inMemory(body)
		req.GetBody = func() (io.ReadCloser, error) { return inMemory(body), nil }
		return
	}
	s := &sending{body: body}
	s.Reset(body)
	req.Body, req.GetBody = s, s.again
}

// wasSent reports whether nobody reads a request's body any more. Transports other
// than package h1 may go on when they have returned
// (https://pkg.go.dev/net/http#RoundTripper).
func wasSent(req *http.Request) bool {
	s, ok := req.Body.(*sending)
	return ok && s.over
}
