package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Shadows holds the metrics of copies to other targets.
type Shadows struct {
	copies, dropped, pairs, seconds, tokens, cost *prometheus.CounterVec
}

// Shadows declares what is counted of copies. It must be called once.
func (m *Metrics) Shadows() *Shadows {
	return &Shadows{
		copies:  m.counterVec("llm_shadow_requests_total", "Copies sent to a shadow target, by outcome.", "route", "outcome"),
		dropped: m.counterVec("llm_shadow_dropped_total", "Copies that were not made, by reason.", "route", "reason"),
		pairs:   m.counterVec("llm_shadow_pairs_total", "Calls and their copies that have both ended: ok, target_failed, primary_failed, both_failed.", "route", "result"),
		seconds: m.counterVec("llm_shadow_seconds_total", "Latency of pairs that are ok, by side (primary, target).", "route", "side"),
		tokens:  m.counterVec("llm_shadow_output_tokens_total", "Output tokens of pairs that are ok, by side (primary, target).", "route", "side"),
		cost:    m.counterVec("llm_shadow_cost_usd_total", "Cost in US dollars of pairs that are ok, by side (primary, target).", "route", "side"),
	}
}

// Dropped counts a copy that was not made.
func (s *Shadows) Dropped(route, reason string) { s.dropped.WithLabelValues(route, reason).Inc() }

// Ended counts a copy.
func (s *Shadows) Ended(route, outcome string) { s.copies.WithLabelValues(route, outcome).Inc() }

// Paired counts a call and its copy.
func (s *Shadows) Paired(route, result string) { s.pairs.WithLabelValues(route, result).Inc() }

// Measured adds one side of a pair that is ok.
func (s *Shadows) Measured(route, side string, seconds, tokens, dollars float64) {
	s.seconds.WithLabelValues(route, side).Add(max(seconds, 0))
	s.tokens.WithLabelValues(route, side).Add(max(tokens, 0))
	s.cost.WithLabelValues(route, side).Add(max(dollars, 0))
}
