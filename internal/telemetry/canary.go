package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Canaries holds the metrics of routes that try a candidate.
type Canaries struct {
	weight     *prometheus.GaugeVec
	judgements *prometheus.CounterVec
}

// Canaries declares what is counted of canaries. It must be called once.
func (m *Metrics) Canaries() *Canaries {
	return &Canaries{
		weight: m.canary,
		judgements: m.counterVec("llm_canary_judgements_total",
			"Moves of a canary by result: promoted, held (another window at the same step), rolled_back, completed, paused, resumed.", "route", "result"),
	}
}

// Weight sets the candidate's share of a route, in per cent.
func (c *Canaries) Weight(route string, percent float64) {
	c.weight.WithLabelValues(route).Set(percent)
}

// Forget takes a route away that has no canary any more.
func (c *Canaries) Forget(route string) { c.weight.DeleteLabelValues(route) }

// Judged counts one move.
func (c *Canaries) Judged(route, result string) { c.judgements.WithLabelValues(route, result).Inc() }
