// Package metrics counts what a worker does, for Prometheus: its cache, its sandboxes,
// its fuzzers, and what Temporal's SDK counts, all on one endpoint.
//
// Counters and histograms are of this process. Gauges that begin with cordon_cache_ are
// of the cache, which several processes may have in common. No label is an id: targets,
// runs and workflows are in the log and in traces. What there is: docs/monitoring.md.
package metrics

import (
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.temporal.io/sdk/client"
)

// Metrics has all of a worker's. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	log      *slog.Logger
	sdk      *sdk
	cache    cacheMetrics
	sweeps   sweepMetrics
	tools    toolMetrics
	fuzzing  fuzzMetrics
}

// New returns the metrics of a worker of that version.
func New(version string, log *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), log: log, sdk: newSDK(), cache: newCacheMetrics(), sweeps: newSweepMetrics(), tools: newToolMetrics(), fuzzing: newFuzzMetrics()}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "cordon_build_info", Help: "1; its labels say which program this is."}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, m.sdk, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(m.cache.all()...)
	m.registry.MustRegister(m.sweeps.all()...)
	m.registry.MustRegister(m.tools.all()...)
	m.registry.MustRegister(m.fuzzing.all()...)
	return m
}

// scrapeTime bounds one answer: a cache on a disk that hangs must not collect scrapes.
const scrapeTime = 10 * time.Second

// maxScrapes is how many answers are made at once.
const maxScrapes = 4

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: complaints{m.log}, Timeout: scrapeTime, MaxRequestsInFlight: maxScrapes,
	}))
}

// complaints logs what could not be collected.
type complaints struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (c complaints) Println(v ...any) {
	c.log.Warn("metrics could not be collected in full", "errors", v)
}

// SDK returns what Temporal's SDK tells its metrics to.
func (m *Metrics) SDK() client.MetricsHandler { return handler{sdk: m.sdk} }

// Ready adds a gauge of whether the worker can work.
func (m *Metrics) Ready(ready func() bool) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "cordon_worker_ready", Help: "1 where the worker can work, as /readyz says, else 0."}, func() float64 {
		if ready() {
			return 1
		}
		return 0
	}))
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
}

// durations are in seconds. A hit takes some 0.0001, a download of many gigabytes an hour.
func durations(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds}, labels)
}

var seconds = []float64{0.0005, 0.002, 0.01, 0.05, 0.2, 1, 5, 20, 60, 300, 1800}
