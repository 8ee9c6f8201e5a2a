package app

import (
	"log/slog"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/server"
	"github.com/llm-gateway/llm-gateway/internal/telemetry"
)

// targetObserver joins a target's chain to its metrics.
type targetObserver struct {
	target *telemetry.Target
	prices prices
	kind   string
}

// CallStarted counts a stream in.
func (o *targetObserver) CallStarted(c *llm.Call) {
	if c.Stream {
		o.target.StreamOpened()
	}
}

// CallEnded counts a call.
func (o *targetObserver) CallEnded(c *llm.Call, d llm.Done, took, firstToken time.Duration) {
	if c.Stream {
		o.target.StreamClosed()
	}
	call := telemetry.Call{Route: c.Meta.Route, Done: d, Took: took, FirstToken: firstToken, Price: o.prices.of(o.kind, c.Model)}
	if c.Meta.Sampled {
		call.TraceID = c.Meta.TraceID
	}
	o.target.Ended(call)
}

// Retried counts a repeated attempt.
func (o *targetObserver) Retried(reason llm.Kind) { o.target.Retried(reason) }

// endpointObserver joins an endpoint of the server to its metrics.
type endpointObserver struct {
	metrics  *telemetry.Metrics
	endpoint *telemetry.Endpoint
}

// Started counts a request in.
func (o endpointObserver) Started() { o.endpoint.Started() }

// Ended counts a request out.
func (o endpointObserver) Ended(s server.RequestStats) {
	o.endpoint.Ended(telemetry.Answer{
		Method: s.Method, Status: s.Status, Took: s.Duration, Size: s.Size, Overhead: s.Overhead, TraceID: s.TraceID,
	})
	if s.Rejected != "" {
		o.metrics.Rejected(s.Rejected)
	}
}

func (a *App) observe(endpoint string) server.RequestObserver {
	return endpointObserver{metrics: a.metrics, endpoint: a.metrics.Endpoint(endpoint)}
}

// cutOff counts and tells of the requests that outlive the drain. The counter
// ends with the process soon after; the log line stays.
func (a *App) cutOff() func(requests int64) {
	count := a.metrics.CutOff()
	return func(n int64) {
		count(n)
		a.log.Warn("requests outlived the drain and were cut off", slog.Int64("requests", n))
	}
}
