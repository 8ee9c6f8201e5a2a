package telemetry

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type answerKey struct {
	method string
	status int
}

// Endpoint holds the resolved HTTP metric handles of one route of the API.
type Endpoint struct {
	requests *handles[answerKey, prometheus.Counter]
	inFlight prometheus.Gauge
	duration prometheus.Observer
	size     prometheus.Observer
	overhead prometheus.Observer
}

// Endpoint returns the handles for a route, named by its pattern.
func (m *Metrics) Endpoint(route string) *Endpoint { return m.endpoints.get(route) }

func (m *Metrics) newEndpoint(route string) *Endpoint {
	e := &Endpoint{
		inFlight: m.httpInFlight,
		duration: m.httpDuration.WithLabelValues(route),
		size:     m.httpSize.WithLabelValues(route),
		overhead: m.overhead.WithLabelValues(route),
	}
	e.requests = newHandles(func(k answerKey) prometheus.Counter {
		return m.httpRequests.WithLabelValues(k.method, route, strconv.Itoa(k.status))
	})
	return e
}

// Started counts a request in.
func (e *Endpoint) Started() { e.inFlight.Inc() }

// Ended counts a request out. overhead is negative when it has no meaning for
// this endpoint.
func (e *Endpoint) Ended(method string, status int, took time.Duration, size int64, overhead time.Duration) {
	e.inFlight.Dec()
	e.requests.get(answerKey{knownMethod(method), status}).Inc()
	e.duration.Observe(took.Seconds())
	e.size.Observe(float64(size))
	if overhead >= 0 {
		e.overhead.Observe(overhead.Seconds())
	}
}

// Rejected counts a request that the gateway refused, by error kind.
func (m *Metrics) Rejected(reason string) { m.rejections.get(reason).Inc() }

// knownMethod bounds the method label: a client may send any word.
func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return m
	}
	return "other"
}
