package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/h1"
)

const (
	defaultMaxBody = 64 << 20  // a whole answer; long embeddings lists reach tens of MiB
	maxErrorBody   = 256 << 10 // more of an error body says nothing new
)

// Wire is what differs between upstreams that speak one dialect.
type Wire interface {
	// Endpoint returns where a call goes. c.Dialect is that of the body that
	// is sent. The URL may be shared between calls: nobody changes it.
	Endpoint(c *llm.Call) (*url.URL, error)
	// Authorize puts the credential, and what goes with it, into the head of
	// one request. Value slices may be shared; the map is the request's own.
	Authorize(ctx context.Context, h http.Header, cred Credential) error
}

// Codec is an upstream's dialect. One that is a dialect.Passer too lets bodies
// of clients of the same dialect pass through.
type Codec interface {
	dialect.Provider
	dialect.ErrorDecoder
}

// Fitter makes a canonical request fit for the target, or refuses it; see
// dialect.Fit. The request is shared and must not be written to.
type Fitter func(c *llm.Call, r *llm.Request) (fitted *llm.Request, dropped []string, err error)

// OnRefused is told each time the upstream refuses a credential (401 or 403),
// by the credential's fingerprint. It must not block.
type OnRefused func(fingerprint string)

// Options makes an HTTP.
type Options struct {
	Name    string      // the provider's name in the configuration
	Dialect llm.Dialect // what Codec speaks
	Codec   Codec
	Wire    Wire

	// Pass lists further client dialects that the upstream speaks, beside
	// Codec's own, with the codec that watches them pass.
	Pass map[llm.Dialect]dialect.Passer

	// Client's Transport makes the exchange. It is called directly: Client.Do
	// clones the head of each request for redirects, which are not followed.
	Client      *http.Client
	Credentials Credentials       // nil = requests carry none
	Headers     map[string]string // sent with every request; values may be secret
	Fit         Fitter            // nil = translated requests are sent as they are
	OnRefused   OnRefused         // nil = nobody is told
	Version     string            // the gateway's, for User-Agent
	MaxBody     int64             // largest whole answer in bytes; 0 = 64 MiB
	MaxEvent    int               // largest event of a stream in bytes; 0 = 8 MiB
}

// HTTP is the one exchange for all upstreams: an llm.Provider that makes
// exactly one HTTP exchange for a call. It is safe for concurrent use.
type HTTP struct {
	name     string
	dialect  llm.Dialect
	codec    Codec
	wire     Wire
	pass     [maxDialect]dialect.Passer
	trip     http.RoundTripper
	direct   bool // trip is package h1, which tells bodies when they are sent
	creds    Credentials
	keys     *Keys // creds, when there is a choice among several keys
	head     *head
	fit      Fitter
	refused  OnRefused
	maxBody  int64
	maxEvent int
	batches  sync.Pool // of *[]byte, for the raw streams
}

// maxDialect bounds the values of llm.Dialect.
const maxDialect = 16

// New makes an HTTP. Errors never show the value of a header.
func New(o Options) (*HTTP, error) {
	switch {
	case o.Name == "":
		return nil, errors.New("provider: a name is needed")
	case o.Codec == nil || o.Wire == nil || o.Client == nil || o.Client.Transport == nil:
		return nil, fmt.Errorf("provider %s: codec, wire and a client with a transport are needed", o.Name)
	}
	head, err := newHead(o.Headers, o.Version)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", o.Name, err)
	}
	p := &HTTP{
		name: o.Name, dialect: o.Dialect, codec: o.Codec, wire: o.Wire,
		trip: o.Client.Transport, creds: o.Credentials, head: head, fit: o.Fit, refused: o.OnRefused,
		maxBody: or(o.MaxBody, defaultMaxBody), maxEvent: o.MaxEvent,
	}
	_, p.direct = p.trip.(*h1.Transport)
	p.batches.New = func() any { return new([]byte) }
	if p.creds == nil {
		p.creds = &Keys{}
	}
	if k, ok := p.creds.(*Keys); ok && len(k.keys) > 1 {
		p.keys = k
	}
	if passer, ok := o.Codec.(dialect.Passer); ok && o.Dialect < maxDialect {
		p.pass[o.Dialect] = passer
	}
	for d, passer := range o.Pass {
		p.pass[d] = passer
	}
	return p, nil
}

// String returns the provider's name.
func (p *HTTP) String() string { return p.name }

// GoString returns the provider's name: what else is in there may be secret.
func (p *HTTP) GoString() string { return "provider " + p.name }

// CredentialUses says when each credential was last sent.
func (p *HTTP) CredentialUses() []CredentialUse { return p.creds.Uses() }

// Do performs c in one HTTP exchange. Errors are *llm.Error, with the
// provider's name. A stream's error before its first event comes from Recv.
func (p *HTTP) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	x := exchange{p: p, call: c, passer: p.passer(c)}
	r, err := x.run(ctx)
	if err != nil {
		return nil, x.failed(err)
	}
	return r, nil
}

// Speaks returns the dialect in which c reaches the upstream: the client's own
// when its bytes pass through.
func (p *HTTP) Speaks(c *llm.Call) llm.Dialect {
	if p.passer(c) != nil {
		return c.Dialect
	}
	return p.dialect
}

// passer returns the codec that watches c's bytes pass, nil when c must be
// translated.
func (p *HTTP) passer(c *llm.Call) dialect.Passer {
	if c.Raw == nil || c.Dialect >= maxDialect {
		return nil
	}
	return p.pass[c.Dialect]
}

// exchange is the state of one call.
type exchange struct {
	p       *HTTP
	call    *llm.Call
	passer  dialect.Passer // nil = translated
	cred    Credential
	dropped []string
	sent    bool
}

func (x *exchange) run(ctx context.Context) (*llm.Reply, error) {
	body, err := x.body()
	if err != nil {
		return nil, err
	}
	req, err := x.request(ctx, body)
	if err != nil {
		return nil, err
	}
	x.sent = true
	resp, err := x.p.trip.RoundTrip(req)
	if !wasSent(req) {
		x.call.Keep()
	}
	if err != nil {
		return nil, networkError(ctx, err)
	}
	if x.p.keys != nil {
		x.p.keys.Answered(x.cred, resp.Header)
	}
	return x.answer(ctx, resp)
}

// body returns what is sent: the client's bytes with the needed edits, or the
// canonical form in the provider's dialect.
func (x *exchange) body() ([]byte, error) {
	if x.passer != nil {
		return x.passer.Rewrite(x.call)
	}
	if x.call.Request == nil {
		return nil, llm.Errorf(llm.KindInternal, "a call without a canonical form cannot be translated")
	}
	r, err := x.call.Request()
	if err != nil {
		return nil, err
	}
	if x.p.fit != nil {
		if r, x.dropped, err = x.p.fit(x.call, r); err != nil {
			return nil, err
		}
	}
	return x.p.codec.AppendRequest(nil, x.call, r)
}

// reply starts a Reply with what is known of any answer.
func (x *exchange) reply(resp *http.Response) *llm.Reply {
	r := &llm.Reply{
		Provider: x.p.name,
		Model:    x.call.Model,
		Attempts: 1,
		Dropped:  x.dropped,
		ID:       requestID(resp.Header),
	}
	if x.passer != nil {
		r.Dialect = x.call.Dialect
	}
	return r
}

// failed completes an error with what the exchange knows, takes secrets out,
// and tells the credentials: a refused one makes the error permanent, unless
// there is another. The error may be shared (a context's cause), so it is
// copied.
func (x *exchange) failed(err error) *llm.Error {
	e := *llm.AsError(err)
	if e.Provider == "" {
		e.Provider = x.p.name
	}
	if x.sent {
		e.Attempts = 1
	}
	x.scrub(&e)
	other := x.p.creds.Report(x.cred, &e)
	if x.sent && e.Kind == llm.KindUpstreamAuth && x.p.refused != nil {
		x.p.refused(x.cred.Fingerprint())
	}
	switch {
	case other:
		// The next attempt is made with another key: what this one must
		// wait for does not hold there.
		e.Permanent, e.RetryAfter = false, 0
	case e.Kind == llm.KindUpstreamAuth:
		e.Permanent = true
	}
	return &e
}
