package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

type targetKey struct{ provider, model string }

type outcomeKey struct{ route, outcome string }

// Target holds the resolved metric handles of one target. It watches the
// target's chain; see the observers that package chain declares.
type Target struct {
	requests *handles[outcomeKey, prometheus.Counter]
	retries  *handles[llm.Kind, prometheus.Counter]
	streams  prometheus.Gauge
	circuit  prometheus.Gauge
	unpriced prometheus.Counter
	cost     prometheus.Counter

	input, cached, output, reasoning prometheus.Counter
	duration, firstToken             *timed
	perToken                         prometheus.Observer
}

// Target returns the handles for a target. Both names must be bounded by the
// caller: a model that no one configured is "other".
func (m *Metrics) Target(provider, model string) *Target {
	return m.targetCache.get(targetKey{provider, model})
}

func (m *Metrics) newTarget(k targetKey) *Target {
	p, mo := k.provider, k.model
	t := &Target{
		streams:    m.streams,
		circuit:    m.circuit.WithLabelValues(p, mo),
		unpriced:   m.unpriced.WithLabelValues(p, mo),
		cost:       m.cost.WithLabelValues(p, mo),
		input:      m.tokens.WithLabelValues(p, mo, "input"),
		cached:     m.tokens.WithLabelValues(p, mo, "cached_input"),
		output:     m.tokens.WithLabelValues(p, mo, "output"),
		reasoning:  m.tokens.WithLabelValues(p, mo, "reasoning"),
		duration:   newTimed(m.duration.WithLabelValues(p, mo)),
		firstToken: newTimed(m.firstToken.WithLabelValues(p, mo)),
		perToken:   m.perToken.WithLabelValues(p, mo),
	}
	t.requests = newHandles(func(o outcomeKey) prometheus.Counter {
		return m.requests.WithLabelValues(p, mo, o.route, o.outcome)
	})
	t.retries = newHandles(func(k llm.Kind) prometheus.Counter {
		return m.retries.WithLabelValues(p, k.String())
	})
	return t
}

// StreamOpened and StreamClosed keep the number of open streams.
func (t *Target) StreamOpened() { t.streams.Inc() }

// StreamClosed undoes StreamOpened.
func (t *Target) StreamClosed() { t.streams.Dec() }

// Call is how one call to a target ended, as the metrics want it.
type Call struct {
	Route      string
	Done       llm.Done
	Took       time.Duration
	FirstToken time.Duration // 0 when no token came, or no stream
	Price      llm.Pricer
	TraceID    string // of a trace that is recorded; "" otherwise
}

// Ended counts one call.
func (t *Target) Ended(c Call) {
	t.requests.get(outcomeKey{c.Route, c.Done.Outcome()}).Inc()
	t.duration.observe(c.Took, c.TraceID)
	if c.FirstToken > 0 {
		t.firstToken.observe(c.FirstToken, c.TraceID)
		if n := c.Done.Usage.Output; n > 1 && c.Done.Err == nil && !c.Done.Gone {
			t.perToken.Observe((c.Took - c.FirstToken).Seconds() / float64(n-1))
		}
	}
	t.countUsage(c.Done.Usage, c.Price)
}

func (t *Target) countUsage(u llm.Usage, price llm.Pricer) {
	if u.Source == llm.UsageUnknown {
		return
	}
	add(t.input, u.Input)
	add(t.cached, u.CachedInput)
	add(t.output, u.Output)
	add(t.reasoning, u.Reasoning)
	if price == nil {
		t.unpriced.Inc()
		return
	}
	if cost, ok := price.Cost(u); ok {
		t.cost.Add(cost.Dollars())
	} else {
		t.unpriced.Inc()
	}
}

func add(c prometheus.Counter, n int64) {
	if n > 0 {
		c.Add(float64(n))
	}
}

// Retried counts one repeated attempt.
func (t *Target) Retried(reason llm.Kind) { t.retries.get(reason).Inc() }

// CircuitState sets the breaker's state: 0 closed, 1 half-open, 2 open.
func (t *Target) CircuitState(state int) { t.circuit.Set(float64(state)) }
