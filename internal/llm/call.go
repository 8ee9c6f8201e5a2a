package llm

import (
	"context"
	"strings"
	"sync/atomic"
	"time"
)

// Op is what the caller wants done.
type Op uint8

// The operations that a Provider can perform.
const (
	OpChat Op = iota + 1
	OpEmbed
	OpCountTokens
)

// String returns the operation's name as logs and traces show it
// (OpenTelemetry gen_ai.operation.name).
func (o Op) String() string {
	switch o {
	case OpChat:
		return "chat"
	case OpEmbed:
		return "embeddings"
	case OpCountTokens:
		return "count_tokens"
	}
	return "unknown"
}

// Dialect is a wire format.
type Dialect uint8

// The wire formats that the gateway reads and writes.
const (
	DialectNative    Dialect = iota + 1 // POST /v1/generate
	DialectOpenAI                       // OpenAI Chat Completions and Embeddings
	DialectResponses                    // OpenAI Responses
	DialectAnthropic                    // Anthropic Messages
	DialectGemini                       // Gemini and Vertex AI generateContent
	DialectDashScope                    // Alibaba DashScope, native form
)

// String returns the dialect's name as logs, metrics and the ledger show it.
func (d Dialect) String() string {
	switch d {
	case DialectNative:
		return "native"
	case DialectOpenAI:
		return "openai"
	case DialectResponses:
		return "responses"
	case DialectAnthropic:
		return "anthropic"
	case DialectGemini:
		return "gemini"
	case DialectDashScope:
		return "dashscope"
	}
	return "none"
}

// Span is a half-open range of bytes [Start, End) in Call.Raw. The zero Span
// means that the member is absent.
type Span struct{ Start, End int }

// Present reports whether the span points at something.
func (s Span) Present() bool { return s.End > 0 }

// Peek is what one scan over the top level of a client's JSON body found: the
// members that routing and limits need, and where the few that may have to be
// replaced stand. It spares the pass-through path from decoding the body.
type Peek struct {
	Model         string // value of "model", decoded; "" when absent or null
	ModelSpan     Span   // the quoted value of "model"
	Stream        bool   // value of "stream"
	StreamOptions Span   // the value of "stream_options", whatever it is
	IncludeUsage  bool   // stream_options.include_usage was true
	MaxTokens     int64  // the largest of max_tokens, max_completion_tokens, max_output_tokens; 0 when absent
	End           int    // offset of the object's closing brace
	Empty         bool   // the object has no members
}

// Header is one client header that may be passed on to a provider.
type Header struct{ Name, Value string }

// Caller is who asks: what authentication found out.
type Caller struct {
	Name   string            // the key's or subject's name; "" when anonymous
	Tenant string            // the group of keys it belongs to; "" when none
	Models []string          // routes it may call; nil = all; a trailing * matches any rest
	Labels map[string]string // for the ledger
	Limits *Limits           // that it brings itself; nil = none but those that stand under its name
}

// May reports whether the caller may ask for a model by this name.
func (c *Caller) May(model string) bool {
	if c == nil || c.Models == nil {
		return true
	}
	for _, m := range c.Models {
		if rest, ok := strings.CutSuffix(m, "*"); m == model || ok && strings.HasPrefix(model, rest) {
			return true
		}
	}
	return false
}

// Quota is what is left of a caller's own limits, for the x-ratelimit headers.
// A limit of 0 means that there is none.
type Quota struct {
	Requests, RequestsLeft int64
	RequestsReset          time.Duration // until the full limit is there again
	Tokens, TokensLeft     int64
	TokensReset            time.Duration
}

// Meta says where a call came from. It is for logs, traces, metrics and the
// ledger; no provider receives it. The server makes it, the service completes
// it with the route; from then on it is only read.
type Meta struct {
	RequestID string
	TraceID   string // W3C trace id in hex, "" without tracing
	Sampled   bool   // the trace is recorded, so that TraceID finds it
	Route     string // the route's name, bounded: "other" when the model is no configured name
	Caller    *Caller
	Quota     *Quota            // where admission tells what is left; nil when nobody asks
	Tags      map[string]string // the client's metadata

	// Cache is what the route's cache had to do with the call: hit, miss, shared
	// (with an identical call under way), bypass; "" when none was asked. The
	// service sets it.
	Cache string

	// Path is the way that the call took through its route, when the first
	// target did not simply answer: each target with what became of it. The
	// service sets it before it returns.
	Path string

	attempts atomic.Int32
}

// Detached returns a Meta of the same request for work that may go on after the
// request has been answered. It counts attempts of its own.
func (m *Meta) Detached() *Meta {
	return &Meta{RequestID: m.RequestID, TraceID: m.TraceID, Sampled: m.Sampled, Route: m.Route, Caller: m.Caller, Tags: m.Tags, Cache: m.Cache}
}

// NextAttempt counts one attempt of the request and returns its running number,
// from 1.
func (m *Meta) NextAttempt() int { return int(m.attempts.Add(1)) }

// Attempts returns how many attempts have been counted so far.
func (m *Meta) Attempts() int { return int(m.attempts.Load()) }

// Call is one request on its way to one target. It is immutable: a decorator
// that needs another one copies it.
type Call struct {
	Op      Op
	Model   string  // the upstream's name for the model, after routing
	Stream  bool    // the client wants a stream
	Dialect Dialect // what the client spoke
	Raw     []byte  // the client's body, whole; nil for a call made in the program
	Loan    *Loan   // the memory of Raw is used again; nil = it is not. See Keep
	Peek    Peek    // what a scan of Raw found
	Drop    bool    // the client asked that unsupported members be dropped, not refused
	NoCache bool    // the client wants no answer that was given before
	NoStore bool    // nor that this one be kept; implies NoCache
	Forward []Header
	Meta    *Meta // never nil behind the service

	// Elsewhere says that another target follows this one: who is told here to
	// wait had better go there at once.
	Elsewhere bool

	// Deadline is when the whole request, with all its retries and targets,
	// must have ended; zero = none. It stands here and not in the context so
	// that a request costs one timer, not one for each layer.
	Deadline time.Time

	// Request returns the canonical form. It is decoded at most once, and
	// only if someone asks; the result is shared and must not be changed.
	Request func() (*Request, error)
}

// WithModel returns a copy of c that asks for another upstream model.
func (c *Call) WithModel(model string) *Call {
	d := *c
	d.Model = model
	return &d
}

// Provider performs one Call. It is safe for concurrent use. An error is
// always an *Error (see AsError); a Reply must be closed.
type Provider interface {
	Do(ctx context.Context, c *Call) (*Reply, error)
}

// ProviderFunc lets a function be a Provider.
type ProviderFunc func(ctx context.Context, c *Call) (*Reply, error)

// Do calls f.
func (f ProviderFunc) Do(ctx context.Context, c *Call) (*Reply, error) { return f(ctx, c) }
