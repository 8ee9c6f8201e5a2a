package provider

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// firstRead bounds what is allocated on the word of a Content-Length alone.
const firstRead = 1 << 20

var errTooLarge = errors.New("body exceeds the size limit")

// answer turns a response into a reply. Whatever comes, the body is closed or
// in the hands of the reply's stream.
func (x *exchange) answer(ctx context.Context, resp *http.Response) (*llm.Reply, error) {
	if err := decompress(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	if streams(x.call) && succeeded(resp.StatusCode) && isEventStream(resp.Header) {
		r := x.reply(resp)
		r.Stream = x.stream(ctx, resp)
		return r, nil
	}
	defer resp.Body.Close()
	switch {
	case !succeeded(resp.StatusCode):
		return nil, x.refusal(ctx, resp)
	case streams(x.call):
		return nil, x.noStream(ctx, resp)
	}
	return x.whole(ctx, resp)
}

func succeeded(status int) bool { return status >= 200 && status < 300 }

func isEventStream(h http.Header) bool {
	const want = "text/event-stream"
	ct := h.Get("Content-Type")
	return len(ct) >= len(want) && strings.EqualFold(ct[:len(want)], want)
}

// whole reads a whole answer.
func (x *exchange) whole(ctx context.Context, resp *http.Response) (*llm.Reply, error) {
	body, err := readBody(resp, x.p.maxBody)
	if err != nil {
		return nil, bodyError(ctx, err)
	}
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		return nil, notJSON(resp.StatusCode, body)
	}
	r := x.reply(resp)
	if x.passer != nil {
		r.Raw = body
		r.Usage, r.Finish, err = x.passer.Inspect(x.call.Op, body)
	} else if r.Response, err = x.p.codec.DecodeResponse(x.call.Op, body); err == nil {
		r.Usage, r.Finish = r.Response.Usage, r.Response.Finish
		r.Response.Model = or(r.Response.Model, x.call.Model) // DashScope says none
	}
	if err != nil {
		return nil, disguised(resp.StatusCode, err)
	}
	return r, nil
}

// noStream explains a success that should have been a stream and is not. Some
// servers answer so when they fail.
func (x *exchange) noStream(ctx context.Context, resp *http.Response) error {
	body, err := readBody(resp, maxErrorBody)
	if err != nil && !errors.Is(err, errTooLarge) {
		return bodyError(ctx, err)
	}
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		return notJSON(resp.StatusCode, body)
	}
	return disguised(resp.StatusCode, x.decodeError(resp.StatusCode, body))
}

// decodeError asks the codec, and trusts it no further than needed.
func (x *exchange) decodeError(status int, body []byte) *llm.Error {
	if e := x.p.codec.DecodeError(status, body); e != nil {
		return e
	}
	return llm.Errorf(llm.KindUpstreamError, "the provider answered with status %d and an unexpected body", status)
}

// disguised completes the error that a codec found in a successful answer.
func disguised(status int, err error) *llm.Error {
	var e *llm.Error
	if !errors.As(err, &e) {
		e = llm.Errorf(llm.KindUpstreamError, "the provider's answer cannot be read")
		e.Err = err
	}
	e.Status = status
	return e
}

func notJSON(status int, body []byte) *llm.Error {
	e := llm.Errorf(llm.KindUpstreamError, "the provider's answer is not JSON")
	if len(body) == 0 {
		e.Message = "the provider's answer is empty"
	}
	e.Status = status
	return e
}

// readBody reads a body of at most limit bytes and takes white space off its
// front: some servers keep a connection alive with blank lines while they
// think (DeepSeek). With an error it returns what there is.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	n := resp.ContentLength
	if n > limit {
		return nil, errTooLarge
	}
	if n < 0 {
		n = 4 << 10
	}
	// One byte more than expected, so that the read that fills the buffer
	// is not taken for a reason to grow it.
	body, err := readAll(resp.Body, make([]byte, 0, min(n, firstRead)+1), limit)
	return bytes.TrimLeft(body, " \t\r\n"), err
}

func readAll(r io.Reader, buf []byte, limit int64) ([]byte, error) {
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case int64(len(buf)) > limit:
			return buf[:limit], errTooLarge
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return buf, err
		}
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), 2*cap(buf))
			copy(grown, buf)
			buf = grown
		}
	}
}

// decompress undoes a compression that was not asked for: some edges compress
// whatever the request said.
func decompress(resp *http.Response) error {
	coding := resp.Header.Get("Content-Encoding")
	switch strings.ToLower(coding) {
	case "", "identity":
		return nil
	case "gzip", "x-gzip":
		resp.Body = &gunzip{src: resp.Body}
		resp.ContentLength = -1
		return nil
	}
	e := llm.Errorf(llm.KindUpstreamError, "the provider's answer has an unknown content encoding")
	e.Status = resp.StatusCode
	return e
}

// gunzip decompresses on the fly. It starts with the first Read, so that a
// stream's head does not wait for its first byte.
type gunzip struct {
	src io.ReadCloser
	z   *gzip.Reader
	err error
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil && g.err == nil {
		g.z, g.err = gzip.NewReader(g.src)
	}
	if g.err != nil {
		return 0, g.err
	}
	return g.z.Read(p)
}

func (g *gunzip) Close() error { return g.src.Close() }

// requestIDs are the headers that carry an upstream's request id: OpenAI and
// DashScope; Anthropic; DeepSeek; Azure API Management; Mistral.
var requestIDs = [...]string{"X-Request-Id", "Request-Id", "X-Ds-Trace-Id", "Apim-Request-Id", "Mistral-Correlation-Id"}

// maxRequestID is the longest id that is kept.
const maxRequestID = 128

func requestID(h http.Header) string {
	for _, name := range requestIDs {
		if v := h[name]; len(v) > 0 && v[0] != "" && len(v[0]) <= maxRequestID {
			return v[0]
		}
	}
	return ""
}
