// Package telemetry declares every metric of the gateway in one place, resolves
// their handles once, and sets up structured logging. It knows no HTTP handler
// and no provider: the rooms that are watched declare the small interfaces
// that its types satisfy.
package telemetry

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics holds all metric families of contract §9 on a registry of its own.
type Metrics struct {
	registry *prometheus.Registry

	httpRequests *prometheus.CounterVec   // method, route, status
	httpInFlight prometheus.Gauge         //
	httpDuration *prometheus.HistogramVec // route
	httpSize     *prometheus.SummaryVec   // route
	overhead     *prometheus.HistogramVec // route
	rejected     *prometheus.CounterVec   // reason

	requests    *prometheus.CounterVec   // provider, model, route, outcome
	tokens      *prometheus.CounterVec   // provider, model, kind
	cost        *prometheus.CounterVec   // provider, model
	retries     *prometheus.CounterVec   // provider, reason
	fallbacks   *prometheus.CounterVec   // route, from, to
	streams     prometheus.Gauge         //
	circuit     *prometheus.GaugeVec     // provider, model
	duration    *prometheus.HistogramVec // provider, model
	firstToken  *prometheus.HistogramVec // provider, model
	perToken    *prometheus.HistogramVec // provider, model
	reloads     *prometheus.CounterVec   // result
	cache       *prometheus.CounterVec   // result
	hedges      *prometheus.CounterVec   // route, result
	canary      *prometheus.GaugeVec     // route
	unpriced    *prometheus.CounterVec   // provider, model
	redisUp     *prometheus.GaugeVec     // none; a series only once there is a Redis
	localOnly   *prometheus.CounterVec   // none; likewise
	targetCache *handles[targetKey, *Target]
	endpoints   *handles[string, *Endpoint]
	rejections  *handles[string, prometheus.Counter]
	hedgeCounts *handles[hedgeKey, prometheus.Counter]
}

// Buckets for model latencies: from a cached token to a long reasoning answer.
var (
	latencyBuckets  = []float64{.01, .025, .05, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600}
	perTokenBuckets = []float64{.001, .0025, .005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1}
	overheadBuckets = []float64{.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1}
)

// NewMetrics declares all metrics. version and commit appear in
// gateway_build_info.
func NewMetrics(version, commit string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.declareHTTP()
	m.declareLLM()
	m.targetCache = newHandles(m.newTarget)
	m.endpoints = newHandles(m.newEndpoint)
	m.rejections = newHandles(func(reason string) prometheus.Counter { return m.rejected.WithLabelValues(reason) })
	m.hedgeCounts = newHandles(m.newHedged)
	build := m.gaugeVec("gateway_build_info", "Always 1; the labels tell what is running.", "version", "commit", "goversion")
	build.WithLabelValues(version, commit, runtime.Version()).Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *Metrics) declareHTTP() {
	m.httpRequests = m.counterVec("http_requests_total", "HTTP requests answered.", "method", "route", "status")
	m.httpInFlight = m.gauge("http_requests_in_flight", "HTTP requests being answered now, streams included.")
	m.httpDuration = m.histogramVec("http_request_duration_seconds", "Time from the request's head to the end of the answer.", latencyBuckets, "route")
	m.httpSize = prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "http_response_size_bytes", Help: "Bytes of response body.",
	}, []string{"route"})
	m.registry.MustRegister(m.httpSize)
	m.overhead = m.histogramVec("gateway_overhead_seconds",
		"The gateway's own time for a request: waiting for upstreams and back-off excluded; for a stream, until the first event.", overheadBuckets, "route")
	m.rejected = m.counterVec("gateway_rejected_total", "Requests that the gateway itself refused, by error kind.", "reason")
	m.redisUp = m.gaugeVec("gateway_redis_up", "1 while Redis answers, 0 while it is away; absent when none is configured.")
	m.localOnly = m.counterVec("gateway_limits_fallback_total", "Calls whose limits were checked, or refused, without Redis though one is configured.")
	m.reloads = m.counterVec("config_reloads_total", "Configuration reloads by result (success, failure).", "result")
}

func (m *Metrics) declareLLM() {
	pm := []string{"provider", "model"}
	m.requests = m.counterVec("llm_requests_total", "Calls to a target, retries included as one, by outcome.", "provider", "model", "route", "outcome")
	m.tokens = m.counterVec("llm_tokens_total", "Tokens by kind: input, cached_input, output, reasoning. input includes cached_input, output includes reasoning.", "provider", "model", "kind")
	m.cost = m.counterVec("llm_cost_usd_total", "Cost in US dollars by the price catalogue.", pm...)
	m.unpriced = m.counterVec("llm_unpriced_requests_total", "Calls whose model has no known price.", pm...)
	m.retries = m.counterVec("llm_retries_total", "Attempts repeated at the same target, by the kind of the failure.", "provider", "reason")
	m.fallbacks = m.counterVec("llm_fallbacks_total", "Moves to the next target, as provider/model.", "route", "from", "to")
	m.cache = m.counterVec("llm_cache_total", "Cache look-ups by result (hit, miss, shared, bypass).", "result")
	m.hedges = m.counterVec("llm_hedges_total", "Calls whose first target was slow, by what became of asking a second one (won, lost, failed, no_budget).", "route", "result")
	m.streams = m.gauge("llm_streams_in_flight", "Streams open to clients.")
	m.circuit = m.gaugeVec("llm_circuit_state", "Circuit breaker: 0 closed, 1 half-open, 2 open.", pm...)
	m.canary = m.gaugeVec("llm_canary_weight", "Share of traffic on the canary candidate, in percent.", "route")
	m.duration = m.histogramVec("llm_request_duration_seconds", "Time of a call to a target, from the first attempt to the end of the answer.", latencyBuckets, pm...)
	m.firstToken = m.histogramVec("llm_time_to_first_token_seconds", "Time from the start of a streaming call to its first piece of content.", latencyBuckets, pm...)
	m.perToken = m.histogramVec("llm_time_per_output_token_seconds", "Time per output token after the first, of streams that were complete.", perTokenBuckets, pm...)
}

func (m *Metrics) counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	m.registry.MustRegister(g)
	return g
}

// Native histograms, for scrapers that ask for protobuf: buckets that grow by a
// tenth, at most so many; when they would be more, the histogram starts anew,
// and within the hour it becomes coarser instead.
const (
	nativeFactor  = 1.1
	nativeBuckets = 100
	nativeReset   = time.Hour
)

func (m *Metrics) histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: buckets,
		NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
	}, labels)
	m.registry.MustRegister(v)
	return v
}

// maxScrapes bounds the scrapes that are answered at once: each holds all the
// metrics while a scraper that hangs does not read them.
const maxScrapes = 16

// Handler serves the metrics to Prometheus (text, OpenMetrics or, with native
// histograms, protobuf, as asked). More scrapes at once than it takes get 503.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, Registry: m.registry, MaxRequestsInFlight: maxScrapes})
}

// Registry returns the registry, for tests and for the collectors of others.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Reloaded counts one configuration reload.
func (m *Metrics) Reloaded(err error) {
	result := "success"
	if err != nil {
		result = "failure"
	}
	m.reloads.WithLabelValues(result).Inc()
}

// RedisUp tells whether Redis answers.
func (m *Metrics) RedisUp(up bool) {
	v := 0.0
	if up {
		v = 1
	}
	m.redisUp.WithLabelValues().Set(v)
}

// LimitsWithoutRedis returns the counter of calls whose limits could not be
// checked in Redis. It appears at zero from then on.
func (m *Metrics) LimitsWithoutRedis() prometheus.Counter { return m.localOnly.WithLabelValues() }

// FellBack counts one move to the next target of a route.
func (m *Metrics) FellBack(route, from, to string) {
	m.fallbacks.WithLabelValues(route, from, to).Inc()
}
