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
	duration *timed
	size     prometheus.Observer
	overhead *timed
}

// Endpoint returns the handles for a route, named by its pattern.
func (m *Metrics) Endpoint(route string) *Endpoint { return m.endpoints.get(route) }

func (m *Metrics) newEndpoint(route string) *Endpoint {
	e := &Endpoint{
		inFlight: m.httpInFlight,
		duration: newTimed(m.httpDuration.WithLabelValues(route)),
		size:     m.httpSize.WithLabelValues(route),
		overhead: newTimed(m.overhead.WithLabelValues(route)),
	}
	e.requests = newHandles(func(k answerKey) prometheus.Counter {
		return m.httpRequests.WithLabelValues(k.method, route, strconv.Itoa(k.status))
	})
	return e
}

// Started counts a request in.
func (e *Endpoint) Started() { e.inFlight.Inc() }

// Answer is how one request ended, as the metrics want it.
type Answer struct {
	Method   string // as the client sent it: any word
	Status   int
	Took     time.Duration
	Size     int64         // bytes of answer body
	Overhead time.Duration // negative when it has no meaning for this endpoint
	TraceID  string        // of a trace that is recorded; "" otherwise
}

// Ended counts a request out.
func (e *Endpoint) Ended(a Answer) {
	e.inFlight.Dec()
	e.requests.get(answerKey{knownMethod(a.Method), a.Status}).Inc()
	e.duration.observe(a.Took, a.TraceID)
	e.size.Observe(float64(a.Size))
	if a.Overhead >= 0 {
		e.overhead.observe(a.Overhead, a.TraceID)
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
