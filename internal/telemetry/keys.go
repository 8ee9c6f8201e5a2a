package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Keys declares the metrics of the keys made at run time. count returns how many
// there are. It must be called once; the function it returns is told whether
// their store answers.
func (m *Metrics) Keys(count func() int) (up func(bool)) {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "gateway_key_store_up", Help: "1 while the store of run-time keys answers, 0 while the keys last known are in force."})
	keys := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_runtime_keys", Help: "API keys made at run time that this replica knows, expired ones included."},
		func() float64 { return float64(count()) })
	m.registry.MustRegister(gauge, keys)
	return func(ok bool) {
		gauge.Set(0)
		if ok {
			gauge.Set(1)
		}
	}
}
