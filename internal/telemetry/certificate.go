package telemetry

import "time"

// CertificateExpiry declares the metric of the certificate with which the
// gateway serves TLS, and returns what sets it. It must be called once.
func (m *Metrics) CertificateExpiry() func(time.Time) {
	g := m.gauge("gateway_tls_certificate_not_after_timestamp_seconds", "Until when the certificate is good with which the gateway serves TLS; absent when it does not.")
	return func(at time.Time) { g.Set(float64(at.Unix())) }
}
