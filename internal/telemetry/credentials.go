package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// CredentialUse says when a provider's credential was last sent.
type CredentialUse struct {
	Provider    string
	Fingerprint string    // never the secret
	LastUsed    time.Time // zero when it never was
}

// credentials asks for the uses at each scrape, so that a request writes
// nothing for them but the time.
type credentials struct {
	desc *prometheus.Desc
	uses func() []CredentialUse
}

// Credentials lets uses be asked at each scrape. It must bound what it lists.
// It is called once.
func (m *Metrics) Credentials(uses func() []CredentialUse) {
	m.registry.MustRegister(credentials{
		desc: prometheus.NewDesc("provider_credential_last_used_timestamp_seconds",
			"When a credential, named by its fingerprint, was last used; 0 = not since the gateway started.", []string{"provider", "credential"}, nil),
		uses: uses,
	})
}

// Describe tells the one description.
func (c credentials) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect tells the uses.
func (c credentials) Collect(ch chan<- prometheus.Metric) {
	for _, u := range c.uses() {
		at := 0.0
		if !u.LastUsed.IsZero() {
			at = float64(u.LastUsed.UnixMilli()) / 1000
		}
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, at, u.Provider, u.Fingerprint)
	}
}
