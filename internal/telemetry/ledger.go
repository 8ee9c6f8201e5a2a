package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Ledger holds the metrics of the usage ledger.
type Ledger struct {
	written, lost, failed prometheus.Counter
	commit                prometheus.Histogram
}

// commitBuckets reach from a file on a fast disk to a server that is restarted.
var commitBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Ledger declares the metrics of the usage ledger. waiting returns how many
// records are not committed yet. It must be called once.
func (m *Metrics) Ledger(waiting func() int) *Ledger {
	l := &Ledger{
		written: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_ledger_records_total", Help: "Usage records committed."}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gateway_ledger_lost_total", Help: "Usage records lost: the queue was full, or the store refused them.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "gateway_ledger_failures_total", Help: "Failed tries to commit a batch of usage records."}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "gateway_ledger_commit_seconds", Help: "Time to commit a batch of usage records, repeated tries included.", Buckets: commitBuckets,
		}),
	}
	queue := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gateway_ledger_waiting", Help: "Usage records not committed yet."},
		func() float64 { return float64(waiting()) })
	m.registry.MustRegister(l.written, l.lost, l.failed, l.commit, queue)
	return l
}

// Written counts a committed batch.
func (l *Ledger) Written(records int, took time.Duration) {
	l.written.Add(float64(records))
	l.commit.Observe(took.Seconds())
}

// Lost counts records that will never be written.
func (l *Ledger) Lost(records int) { l.lost.Add(float64(records)) }

// Failed counts a failed try.
func (l *Ledger) Failed() { l.failed.Inc() }
