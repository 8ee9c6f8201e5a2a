package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Cache holds the metrics of the answer cache.
type Cache struct {
	results map[string]prometheus.Counter
	failed  *prometheus.CounterVec
}

// cacheResults are the values of the label result.
var cacheResults = []string{"hit", "miss", "shared", "bypass"}

// Cache resolves the metrics of the answer cache. size returns the entries in
// memory and their bytes, nil = they are not in memory. It must be called once.
func (m *Metrics) Cache(size func() (entries int, bytes int64)) *Cache {
	c := &Cache{results: map[string]prometheus.Counter{}}
	for _, r := range cacheResults {
		c.results[r] = m.cache.WithLabelValues(r)
	}
	c.failed = m.counterVec("llm_cache_errors_total", "Look-ups (read) and entries (write) of the cache that were lost because Redis did not answer or was behind.", "op")
	if size == nil {
		return c
	}
	entries := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "llm_cache_entries", Help: "Answers that the cache keeps in memory."},
		func() float64 { n, _ := size(); return float64(n) })
	bytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "llm_cache_bytes", Help: "Bytes of the answers that the cache keeps in memory."},
		func() float64 { _, n := size(); return float64(n) })
	m.registry.MustRegister(entries, bytes)
	return c
}

// Looked counts a look-up by its result.
func (c *Cache) Looked(result string) {
	if n, ok := c.results[result]; ok {
		n.Inc()
	}
}

// Failed counts a lost look-up (read) or entry (write).
func (c *Cache) Failed(op string) { c.failed.WithLabelValues(op).Inc() }

// hedgeKey is what hedges are counted by.
type hedgeKey struct{ route, result string }

// Hedged counts a hedge by its result: won, lost, failed, no_budget.
func (m *Metrics) Hedged(route, result string) { m.hedgeCounts.get(hedgeKey{route, result}).Inc() }

func (m *Metrics) newHedged(k hedgeKey) prometheus.Counter {
	return m.hedges.WithLabelValues(k.route, k.result)
}
