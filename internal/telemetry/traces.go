package telemetry

import "github.com/prometheus/client_golang/prometheus"

// SpansDropped declares the counter of spans that never reached the collector,
// and returns what counts. It must be called once, and what it returns with no
// other reasons than these.
func (m *Metrics) SpansDropped(reasons []string) func(spans int, reason string) {
	dropped := m.counterVec("gateway_trace_spans_dropped_total",
		"Spans that never reached the collector, by reason (queue_full, export_failed, rejected, shutdown).", "reason")
	counters := make(map[string]prometheus.Counter, len(reasons))
	for _, r := range reasons {
		counters[r] = dropped.WithLabelValues(r)
	}
	return func(spans int, reason string) {
		if c := counters[reason]; c != nil {
			c.Add(float64(spans))
		}
	}
}
