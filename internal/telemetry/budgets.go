package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Spending is the share of one budget that is spent.
type Spending struct {
	Scope, Name, Period string
	Ratio               float64 // 1 = all of it; above that what was in flight
}

// budgets asks for the shares at each scrape, so that a request writes nothing
// for them.
type budgets struct {
	desc  *prometheus.Desc
	spent func() []Spending
}

// Budgets lets the shares of budgets be asked at each scrape. spent must bound
// what it lists. It is called once.
func (m *Metrics) Budgets(spent func() []Spending) {
	m.registry.MustRegister(budgets{
		desc: prometheus.NewDesc("gateway_budget_spent_ratio",
			"Share of a budget that is spent in the current day or month (UTC), as far as this replica knows: 1 = all of it.", []string{"scope", "name", "period"}, nil),
		spent: spent,
	})
}

// Describe tells the one description.
func (b budgets) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }

// Collect tells the shares.
func (b budgets) Collect(ch chan<- prometheus.Metric) {
	for _, s := range b.spent() {
		ch <- prometheus.MustNewConstMetric(b.desc, prometheus.GaugeValue, s.Ratio, s.Scope, s.Name, s.Period)
	}
}
