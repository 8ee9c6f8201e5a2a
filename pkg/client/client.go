package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

const (
	// DefaultBaseURL is where a gateway without client authentication listens.
	DefaultBaseURL = "http://127.0.0.1:8080"
	// DefaultMaxAnswer is the largest answer taken, in bytes.
	DefaultMaxAnswer = 64 << 20

	defaultUserAgent = "llm-gateway-client"
	// idlePerHost is how many connections to the gateway are kept: all calls
	// go to one host, where net/http's own two would undo the pool.
	idlePerHost = 256
)

const (
	typeJSON   = "application/json"
	typeNDJSON = "application/x-ndjson"
	typeSSE    = "text/event-stream"
)

// Options says where the gateway is and who is calling. The zero value calls
// DefaultBaseURL without a key.
type Options struct {
	BaseURL    string       // scheme, host and perhaps a path before /v1; a trailing /v1 is understood. "" = DefaultBaseURL
	Key        string       `json:"-"` // the caller's API key or JWT; "" = none
	HTTPClient *http.Client // nil = one of the client's own; its Timeout, if set, cuts streams
	UserAgent  string       // "" = llm-gateway-client

	// ConnectRetries is how often a call is repeated, after a short wait, when
	// no connection could be made. 0 = never.
	ConnectRetries int
	// MaxAnswer bounds one answer, one event of a stream and one result of a
	// batch, in bytes. 0 = DefaultMaxAnswer.
	MaxAnswer int
}

// String shows the options without the key.
func (o Options) String() string {
	key := ""
	if o.Key != "" {
		key = " (with a key)"
	}
	return o.BaseURL + key
}

// GoString is String.
func (o Options) GoString() string { return o.String() }

// LogValue is String, for slog.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Client calls one gateway. It is safe for concurrent use.
type Client struct {
	base string
	o    Options
	own  *http.Transport // nil when the caller brought a client
	wait backoff.Backoff
}

// New returns a client. It makes no call; the error is about Options.BaseURL.
func New(o Options) (*Client, error) {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	u, err := url.Parse(o.BaseURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("client: base URL: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("client: base URL %q is not http(s)://host", u.Redacted())
	case u.User != nil:
		return nil, errors.New("client: the base URL has credentials in it; use Options.Key")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("client: base URL %q has a query or a fragment", o.BaseURL)
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = DefaultMaxAnswer
	}
	c := &Client{base: strings.TrimSuffix(strings.TrimRight(o.BaseURL, "/"), "/v1"), o: o}
	if o.HTTPClient == nil {
		c.own = newTransport()
		c.o.HTTPClient = &http.Client{Transport: c.own}
	}
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        idlePerHost,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		DisableCompression:  true, // a compressed stream arrives in lumps
	}
}

// Close closes idle connections, unless the caller brought the HTTP client.
// Calls under way are not touched.
func (c *Client) Close() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// String shows where the client calls, without the key.
func (c *Client) String() string { return c.o.String() }

// GoString is String.
func (c *Client) GoString() string { return c.String() }

// Generate asks for one whole answer.
func (c *Client) Generate(ctx context.Context, req Request) (*Response, error) {
	body, err := req.encode(false)
	if err != nil {
		return nil, err
	}
	resp, err := c.send(ctx, &call{path: "/v1/generate", accept: typeJSON, body: body, drop: req.DropUnsupported})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	env, err := c.envelope(ctx, resp)
	if err != nil {
		return nil, err
	}
	r, err := env.response()
	if err != nil {
		return nil, err
	}
	r.Dropped = dropped(resp.Header)
	return r, nil
}

func dropped(h http.Header) []string {
	v := h.Get("X-Gateway-Dropped")
	if v == "" {
		return nil
	}
	names := strings.Split(v, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// call is one HTTP request of the API.
type call struct {
	path, accept string
	body         []byte // nil = GET
	drop         bool
}

// send sends one request and returns its successful answer, whose body the
// caller closes. Anything but a 200 becomes the error that it tells of.
func (c *Client) send(ctx context.Context, call *call) (*http.Response, error) {
	for n := 0; ; n++ {
		resp, err := c.once(ctx, call)
		switch {
		case err == nil && resp.StatusCode == http.StatusOK:
			return resp, nil
		case err == nil:
			defer resp.Body.Close()
			return nil, c.refused(ctx, resp)
		case n >= c.o.ConnectRetries || !neverConnected(err) || ctx.Err() != nil:
			return nil, transportError(ctx, err)
		}
		if err := backoff.Wait(ctx, c.wait.Delay(n)); err != nil {
			return nil, transportError(ctx, err)
		}
	}
}

func (c *Client) once(ctx context.Context, call *call) (*http.Response, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if call.body != nil {
		method, body = http.MethodPost, bytes.NewReader(call.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+call.path, body)
	if err != nil {
		return nil, err
	}
	if call.body != nil {
		req.Header.Set("Content-Type", typeJSON)
	}
	req.Header.Set("Accept", call.accept)
	req.Header.Set("User-Agent", c.o.UserAgent)
	if c.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Key)
	}
	if call.drop {
		req.Header.Set("X-Gateway-Unsupported", "drop")
	}
	return c.o.HTTPClient.Do(req)
}

// neverConnected reports whether err came before a connection was made, so
// that nobody can have seen the request.
func neverConnected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// readAll reads a whole body of at most MaxAnswer bytes.
func (c *Client) readAll(ctx context.Context, r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, int64(c.o.MaxAnswer)+1))
	switch {
	case err != nil:
		return nil, transportError(ctx, err)
	case len(b) > c.o.MaxAnswer:
		return nil, protocolError("the answer is larger than %d bytes", c.o.MaxAnswer)
	}
	return b, nil
}

// envelope reads a successful answer. An error in the clothes of a success is
// an error all the same.
func (c *Client) envelope(ctx context.Context, resp *http.Response) (*envelope, error) {
	b, err := c.readAll(ctx, resp.Body)
	if err != nil {
		return nil, err
	}
	env, ok := parseEnvelope(b)
	if !ok {
		return nil, protocolError("the answer is not the gateway's: %s", excerpt(b))
	}
	return env, env.failure()
}
