// Package dialect holds what the wire formats share: the interfaces of their
// codecs, the peek at a client's body, and the one check of what a target can
// honour. A codec is pure: bytes to llm types and back, no I/O, no state but
// that of one stream. Each client dialect and each provider dialect is one
// package below this one, so N + M packages serve N x M pairs.
package dialect

import (
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// Client is a dialect as the gateway's clients speak it.
type Client interface {
	// DecodeRequest reads a whole body. Errors name the member at fault
	// (llm.Error.Param) or the byte offset of malformed JSON.
	DecodeRequest(op llm.Op, raw []byte) (*llm.Request, error)
	// AppendResponse appends the body of a whole answer to dst.
	AppendResponse(dst []byte, op llm.Op, r *llm.Response, f *Facts) ([]byte, error)
	// NewStreamEncoder starts a stream to one client.
	NewStreamEncoder(o StreamOptions) StreamEncoder
}

// Facts is what the gateway knows of an answer beyond its content. Dialects
// that have no place for a fact leave it out.
type Facts struct {
	RequestID string
	Status    int // the HTTP status of the answer or error
	Provider  string
	Model     string // the upstream's model that was asked
	Attempts  int
	Cache     string     // hit, miss, shared; "" when no cache was asked
	Cost      *llm.Money // nil when the model has no price
	Usage     llm.Usage
	Latency   time.Duration
}

// StreamOptions is what a stream encoder must know of the request.
type StreamOptions struct {
	Model        string // the model's name, for chunks that come before the provider said it
	IncludeUsage bool   // the client asked for a usage event
	Created      int64  // Unix seconds
	ID           string // the answer's id, where the provider gives none
}

// StreamEncoder turns canonical events into the bytes of server-sent events.
// It keeps the state of one stream and no part of the answer.
type StreamEncoder interface {
	// Append appends what ev becomes, which may be nothing, to dst.
	Append(dst []byte, ev *llm.Event) []byte
	// AppendEnd appends the normal end of the stream.
	AppendEnd(dst []byte, f *Facts) []byte
}

// ErrorEncoder renders errors in a client dialect. Which HTTP status goes with
// them is the server's matter.
type ErrorEncoder interface {
	// AppendError appends the body of an error answer.
	AppendError(dst []byte, e *llm.Error, f *Facts) []byte
	// AppendStreamError appends the terminal event of a stream that failed.
	AppendStreamError(dst []byte, e *llm.Error, f *Facts) []byte
}

// Provider is a dialect as upstreams speak it.
type Provider interface {
	// AppendRequest appends the body that asks r of c.Model. The request has
	// been through Fit: whatever r still holds is honoured.
	AppendRequest(dst []byte, c *llm.Call, r *llm.Request) ([]byte, error)
	// DecodeResponse reads the body of a successful whole answer.
	DecodeResponse(op llm.Op, body []byte) (*llm.Response, error)
	// NewStreamDecoder starts reading one stream.
	NewStreamDecoder() StreamDecoder
}

// StreamDecoder turns a provider's server-sent events into canonical events.
type StreamDecoder interface {
	// Decode appends what ev means to dst. An error event of the provider is
	// returned as *llm.Error. ev is valid only during the call.
	Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error)
	// End is called when the upstream closed the stream. It appends what was
	// held back and returns nil when the answer was complete, an *llm.Error
	// of KindUpstreamError when the stream was cut.
	End(dst []llm.Event) ([]llm.Event, error)
}

// ErrorDecoder reads a provider's error body: any shape, also HTML or nothing.
// It decides the kind from status, codes and message; the caller fills in
// provider name, Status and RetryAfter from headers. The message it returns is
// fit for clients.
type ErrorDecoder interface {
	DecodeError(status int, body []byte) *llm.Error
}

// Passer is a provider dialect in which a client's body can pass through.
type Passer interface {
	// Rewrite returns c.Raw with the model replaced by c.Model and, for a
	// stream, with usage asked for. It returns c.Raw itself when nothing
	// changes and never writes to it.
	Rewrite(c *llm.Call) ([]byte, error)
	// Inspect scans a whole successful answer for usage and finish reason. An
	// answer that is an error in disguise (status 200) is returned as *llm.Error.
	Inspect(op llm.Op, body []byte) (llm.Usage, llm.FinishReason, error)
	// NewInspector starts watching a stream that passes through. hideUsage
	// says that the client did not ask for the usage event.
	NewInspector(hideUsage bool) Inspector
}

// Inspector watches a passing stream, event by event.
type Inspector interface {
	// Inspect looks at the data of one event and says what to do with it. u
	// and fin are set when this event told them. An error event is returned
	// as *llm.Error.
	Inspect(ev sse.Event) (Verdict, error)
	// End says whether the stream, now closed by the upstream, was complete;
	// tail is what must still be sent to the client (a missing [DONE]).
	End() (tail []byte, err error)
}

// Verdict is what an Inspector says of one event.
type Verdict struct {
	Hide      bool // do not show this event to the client
	Preamble  bool // carries nothing of the answer: join it to what follows
	Last      bool // the terminal event: what follows is ignored
	Usage     *llm.Usage
	Finish    llm.FinishReason
	TextBytes int
}
