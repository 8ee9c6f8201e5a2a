package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/service"
)

// Service performs calls. It is safe for concurrent use.
type Service interface {
	// Do performs one call; Call.Model is what the client asked for, "" for
	// the default. The Reply must be closed. It ends soon after ctx does.
	Do(ctx context.Context, c *llm.Call) (*llm.Reply, error)
	// Models lists what a caller may ask for, in a stable order.
	Models(c *llm.Caller) []service.Model
}

// Authenticator finds out who presents a token. token is "" when the request
// carries none. Errors are *llm.Error of KindUnauthenticated.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*llm.Caller, error)
}

// Check is one line of detail in GET /readyz.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"` // StateOK, StateDegraded or StateFailed
	Detail string `json:"detail,omitempty"`
	Fatal  bool   `json:"-"` // with this check failed the gateway is not ready
}

// Snapshot is what a reload may replace. It is immutable once it has been
// handed to New or Swap; its zero numbers mean the defaults.
type Snapshot struct {
	Service Service        // required
	Auth    Authenticator  // nil: every caller is anonymous
	Limit   *Limit         // requests per second of the whole gateway; nil = no limit
	Checks  func() []Check // detail for /readyz; nil = none
	Forward []string       // client headers that may be passed on to providers; nil = DefaultForward
	Proxies []netip.Prefix // whose word on the address of a client counts; nil = nobody's
	MaxBody int64          // bytes of a request body; default 16 MiB
	Write   time.Duration  // time for one write to a client, give or take a quarter; default 30 s
	Batch   BatchOptions   // limits of POST /v1/generate/batch
	Usage   UsageReader    // answers GET /v1/usage; nil: the path is unknown
	Limits  LimitsReader   // the limits that GET /v1/usage shows; nil = none
	Admin   http.Handler   // answers the paths under /admin/v1/ and /dashboard; nil: the paths are unknown

	// Watch is told of every call to a model that has ended, each item of a
	// batch included, and of every one that was refused. It must not block and
	// not keep the record. nil = nobody.
	Watch func(*CallRecord)

	// Refused is told of every request for a model that this edge refused
	// before it became a call, except for want of a good credential. The call
	// holds what is known. It must not block. nil = nobody.
	Refused func(c *llm.Call, e *llm.Error)
}

// The states of a Check.
const (
	StateOK       = "ok"
	StateDegraded = "degraded"
	StateFailed   = "failed"
)

// BatchOptions bounds POST /v1/generate/batch.
type BatchOptions struct {
	MaxItems       int           // default 1,000
	Concurrency    int           // items at once when the request does not say; default 8
	MaxConcurrency int           // what a request may ask for at most; default 64
	MaxWait        time.Duration // how long an item waits for the rate limit before it fails with 429; default 60 s
}

// Options are the settings of a Server that last as long as it does. Zero
// values mean the defaults.
type Options struct {
	Snapshot *Snapshot    // required
	Logger   *slog.Logger // access log and panics; nil = none
	Metrics  http.Handler // answers GET /metrics; nil: the path is unknown

	// OperatorsApart keeps what is the operators' off the clients' listeners:
	// it answers on those of ServeOperators alone.
	OperatorsApart bool

	// TLS returns what the next connection is served with, on every listener;
	// its NextProtos must name h2 and http/1.1. It is called by connections at
	// the same time. nil: plain HTTP.
	TLS func() *tls.Config

	// Observe returns the observer of one endpoint, named by its path pattern
	// or "other". It is called once for each endpoint by New; nil = none.
	Observe func(endpoint string) RequestObserver

	Tracer Tracer // nil = no traces

	ReadHeader     time.Duration // time for a request's head; default 10 s
	ReadBody       time.Duration // time for head and body together; default 2 min
	Idle           time.Duration // life of an idle connection; default 120 s
	MaxHeaderBytes int           // default 64 KiB

	Grace time.Duration // from "not ready" to refusing connections, at shutdown; 0 = none
	Drain time.Duration // for requests in flight to finish after that; default 120 s

	// Cut is told how many requests are cut off because they outlive the drain
	// time; nil = nobody is.
	Cut func(requests int64)
}

// RequestObserver counts the requests of one endpoint.
type RequestObserver interface {
	Started()
	Ended(RequestStats)
}

// RequestStats is what there is to count of a request that has ended.
type RequestStats struct {
	Endpoint string        // path pattern, or "other"
	Method   string        // as the client sent it: any word
	Status   int           // 499 when the client left before the answer was complete
	Duration time.Duration // from the head of the request to the end of the answer
	Size     int64         // bytes of answer body
	Overhead time.Duration // the gateway's own time; negative when it has no meaning here
	Rejected string        // the error kind when this edge refused the request; "" otherwise
	TraceID  string        // of a trace that is recorded; "" otherwise
}

// DefaultForward returns the client headers that are passed on to providers
// unless a Snapshot says otherwise.
func DefaultForward() []string {
	return []string{"Anthropic-Beta", "Anthropic-Version", "Openai-Beta", "Idempotency-Key"}
}

const (
	defaultMaxBody    = 16 << 20
	defaultWrite      = 30 * time.Second
	defaultReadHeader = 10 * time.Second
	defaultReadBody   = 2 * time.Minute
	defaultIdle       = 120 * time.Second
	defaultMaxHeader  = 64 << 10
	defaultDrain      = 120 * time.Second

	defaultBatchItems   = 1000
	defaultBatchWorkers = 8
	defaultBatchMax     = 64
	defaultBatchWait    = 60 * time.Second
)

// withDefaults returns a copy of s with every zero replaced.
func (s *Snapshot) withDefaults() *Snapshot {
	d := *s
	d.MaxBody = or(d.MaxBody, defaultMaxBody)
	d.Write = or(d.Write, defaultWrite)
	d.Batch.MaxItems = or(d.Batch.MaxItems, defaultBatchItems)
	d.Batch.MaxConcurrency = or(d.Batch.MaxConcurrency, defaultBatchMax)
	d.Batch.Concurrency = min(or(d.Batch.Concurrency, defaultBatchWorkers), d.Batch.MaxConcurrency)
	d.Batch.MaxWait = or(d.Batch.MaxWait, defaultBatchWait)
	names := d.Forward
	if names == nil {
		names = DefaultForward()
	}
	d.Forward = make([]string, len(names))
	for i, n := range names {
		d.Forward[i] = http.CanonicalHeaderKey(n)
	}
	return &d
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(string) RequestObserver { return noObserver{} }
	}
	o.ReadHeader = or(o.ReadHeader, defaultReadHeader)
	o.ReadBody = or(o.ReadBody, defaultReadBody)
	o.Idle = or(o.Idle, defaultIdle)
	o.MaxHeaderBytes = or(o.MaxHeaderBytes, defaultMaxHeader)
	o.Drain = or(o.Drain, defaultDrain)
	return o
}

type noObserver struct{}

func (noObserver) Started()           {}
func (noObserver) Ended(RequestStats) {}

// or returns v, or def when v is zero or negative.
func or[T int | int64 | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}
