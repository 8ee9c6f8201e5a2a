package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Drains holds the metrics of streams that are read on after their client left.
type Drains struct {
	running prometheus.Gauge
	ended   *prometheus.CounterVec
}

// Drains declares the metrics of drains. It must be called once.
func (m *Metrics) Drains() *Drains {
	return &Drains{
		running: m.gauge("llm_drains_in_flight", "Streams whose client has left and that are read on to learn their usage."),
		ended: m.counterVec("llm_drains_total",
			"Streams that were left under on_client_gone: drain, by result (complete, cut by the upstream, bound reached, refused as too many were under way).", "result"),
	}
}

// DrainStarted counts a drain in.
func (d *Drains) DrainStarted() { d.running.Inc() }

// DrainEnded counts a drain out, or one that was refused.
func (d *Drains) DrainEnded(result string) {
	if result != "refused" {
		d.running.Dec()
	}
	d.ended.WithLabelValues(result).Inc()
}
