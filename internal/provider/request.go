package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// request builds the one request. Its body is in memory and of known length,
// so head and body leave in one write, and the transport can send it again
// when a kept connection turns out dead before anything was written.
func (x *exchange) request(ctx context.Context, body []byte) (*http.Request, error) {
	target, err := x.endpoint()
	if err != nil {
		return nil, err
	}
	if x.cred, err = x.p.creds.Pick(ctx); err != nil {
		return nil, err
	}
	h := x.p.head.fresh(x.call)
	if err := x.p.wire.Authorize(ctx, h, x.cred); err != nil {
		return nil, err
	}
	req := http.Request{
		Method:        http.MethodPost,
		URL:           target,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        h,
		ContentLength: int64(len(body)),
	}
	x.p.setBody(&req, body)
	return req.WithContext(ctx), nil // the one copy on the heap
}

func (x *exchange) endpoint() (*url.URL, error) {
	c := x.call
	if x.passer == nil && c.Dialect != x.p.dialect {
		d := *c
		d.Dialect = x.p.dialect
		c = &d
	}
	return x.p.wire.Endpoint(c)
}

// head is what goes into the head of each request. The value slices are made
// once and shared; only the map is made per request.
type head struct {
	contentType, json, stream, agent []string
	static                           []field
	secrets                          []string // values of static: no error shows them
}

type field struct {
	name   string
	values []string
}

func newHead(static map[string]string, version string) (*head, error) {
	d := &head{
		contentType: []string{"application/json"},
		json:        []string{"application/json"},
		stream:      []string{"text/event-stream"},
		agent:       []string{"llm-gateway/" + or(version, "dev")},
	}
	for name, value := range static {
		if !validName(name) {
			return nil, fmt.Errorf("%q is no header name", name)
		}
		if !validValue(value) {
			return nil, fmt.Errorf("the value of header %s holds a control character", name)
		}
		d.static = append(d.static, field{http.CanonicalHeaderKey(name), []string{value}})
		d.secrets = append(d.secrets, value)
	}
	return d, nil
}

// fresh returns the head of one request, without the credential. What the
// gateway sets itself overrides what the client sent along.
func (d *head) fresh(c *llm.Call) http.Header {
	h := make(http.Header, 5+len(d.static)+len(c.Forward))
	forward(h, c.Forward)
	h["Content-Type"] = d.contentType
	h["User-Agent"] = d.agent
	if streams(c) {
		h["Accept"] = d.stream
	} else {
		h["Accept"] = d.json
	}
	for _, f := range d.static {
		h[f.name] = f.values
	}
	return h
}

func forward(h http.Header, list []llm.Header) {
	if len(list) == 0 {
		return
	}
	values := make([]string, len(list))
	for i, f := range list {
		name := http.CanonicalHeaderKey(f.Name)
		if ours(name) || !validName(name) || !validValue(f.Value) {
			continue
		}
		values[i] = f.Value
		h[name] = values[i : i+1 : i+1]
	}
}

// ours reports whether a header is never taken from a client, whatever the
// allow-list says: it belongs to one connection, frames the message, or is the
// client's credential for the gateway.
func ours(name string) bool {
	switch name {
	case "Host", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect",
		"Content-Length", "Content-Encoding", "Accept-Encoding",
		"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Cookie":
		return true
	}
	return strings.HasPrefix(name, "Proxy-")
}

// streams reports whether the answer to c is a stream.
func streams(c *llm.Call) bool { return c.Stream && c.Op == llm.OpChat }

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

func validValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
