package telemetry

// CutOff declares the counter of requests that outlived the drain at shutdown,
// and returns what adds to it. It must be called once.
func (m *Metrics) CutOff() func(requests int64) {
	c := m.counterVec("gateway_requests_cut_off_total", "Requests, streams among them, that were cut off with an error because they outlived server.drain_timeout.").WithLabelValues()
	return func(n int64) { c.Add(float64(n)) }
}
