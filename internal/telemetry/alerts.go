package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Alerts holds the metrics of what operators are told.
type Alerts struct {
	alerts, deliveries *prometheus.CounterVec
}

// Alerts declares the metrics of alerts and webhooks. The kinds appear at zero.
// It must be called once.
func (m *Metrics) Alerts(kinds ...string) *Alerts {
	a := &Alerts{
		alerts: m.counterVec("gateway_alerts_total", "Events that operators are told of by log line and webhook, by kind.", "kind"),
		deliveries: m.counterVec("gateway_webhook_deliveries_total",
			"Events at webhooks by result (delivered, failed after all tries, dropped because too many waited).", "result"),
	}
	for _, k := range kinds {
		a.alerts.WithLabelValues(k)
	}
	return a
}

// Alerted counts one event.
func (a *Alerts) Alerted(kind string) { a.alerts.WithLabelValues(kind).Inc() }

// Delivered counts the end of one event at one webhook.
func (a *Alerts) Delivered(result string) { a.deliveries.WithLabelValues(result).Inc() }
