package metrics

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
)

// sdk collects what Temporal's SDK counts, by the names that its documentation gives them
// for Prometheus: counters end in _total, timers in _seconds. The SDK uses some names
// with different tags, so that nothing is said of them beforehand.
type sdk struct {
	mu   sync.RWMutex
	vecs map[string]*vec // by name and label names
}

// vec is one metric with one set of label names.
type vec struct {
	prometheus.Collector
	counter *prometheus.CounterVec
	gauge   *prometheus.GaugeVec
	timer   *prometheus.HistogramVec

	mu   sync.Mutex
	seen map[string]bool // label values, joined
}

// maxSeries bounds what callers can make of one metric, by names of activities for
// example: what comes later goes together, under "other".
const maxSeries = 500

func newSDK() *sdk { return &sdk{vecs: map[string]*vec{}} }

// Describe implements prometheus.Collector. That there is nothing makes it one whose
// metrics are not known beforehand.
func (s *sdk) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (s *sdk) Collect(ch chan<- prometheus.Metric) {
	s.mu.RLock()
	all := slices.Collect(maps.Values(s.vecs))
	s.mu.RUnlock()
	for _, v := range all {
		v.Collect(ch)
	}
}

// find returns the vec of a name with labels, making it by newVec if it is not there.
func (s *sdk) find(name string, labels []string, newVec func(help string) *vec) *vec {
	id := name + " " + strings.Join(labels, " ")
	s.mu.RLock()
	v := s.vecs[id]
	s.mu.RUnlock()
	if v != nil {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v = s.vecs[id]; v == nil {
		help := "Of Temporal's SDK."
		if strings.HasPrefix(name, "cordon_") {
			help = "Of an activity."
		}
		v = newVec(help)
		v.seen = map[string]bool{}
		s.vecs[id] = v
	}
	return v
}

// bounded returns values, or others instead where there are too many already.
func (v *vec) bounded(values []string) []string {
	id := strings.Join(values, "\xff")
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.seen[id] {
		if len(v.seen) >= maxSeries {
			return slices.Repeat([]string{"other"}, len(values))
		}
		v.seen[id] = true
	}
	return values
}

// handler is the SDK's door to it.
type handler struct {
	sdk            *sdk
	labels, values []string // sorted by the labels; nobody changes them
}

// WithTags implements client.MetricsHandler.
func (h handler) WithTags(tags map[string]string) client.MetricsHandler {
	all := make(map[string]string, len(h.labels)+len(tags))
	for i, l := range h.labels {
		all[l] = h.values[i]
	}
	for k, v := range tags {
		all[spelled(k)] = tagValue(k, v)
	}
	out := handler{sdk: h.sdk, labels: slices.Sorted(maps.Keys(all))}
	for _, l := range out.labels {
		out.values = append(out.values, all[l])
	}
	return out
}

// Counter implements client.MetricsHandler.
func (h handler) Counter(name string) client.MetricsCounter {
	name = ending(spelled(name), "_total")
	v := h.sdk.find(name, h.labels, func(help string) *vec {
		c := counters(name, help, h.labels...)
		return &vec{Collector: c, counter: c}
	})
	c := v.counter.WithLabelValues(v.bounded(h.values)...)
	return counted{c}
}

// Gauge implements client.MetricsHandler.
func (h handler) Gauge(name string) client.MetricsGauge {
	name = spelled(name)
	v := h.sdk.find(name, h.labels, func(help string) *vec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, h.labels)
		return &vec{Collector: g, gauge: g}
	})
	return gauged{v.gauge.WithLabelValues(v.bounded(h.values)...)}
}

// Timer implements client.MetricsHandler.
func (h handler) Timer(name string) client.MetricsTimer {
	name = ending(spelled(name), "_seconds")
	v := h.sdk.find(name, h.labels, func(help string) *vec {
		t := durations(name, help, h.labels...)
		return &vec{Collector: t, timer: t}
	})
	return timed{v.timer.WithLabelValues(v.bounded(h.values)...)}
}

type counted struct{ prometheus.Counter }

// Inc implements client.MetricsCounter.
func (c counted) Inc(n int64) { c.Add(float64(max(n, 0))) }

type gauged struct{ prometheus.Gauge }

// Update implements client.MetricsGauge.
func (g gauged) Update(v float64) { g.Set(v) }

type timed struct{ prometheus.Observer }

// Record implements client.MetricsTimer.
func (t timed) Record(d time.Duration) { t.Observe(d.Seconds()) }

// spelled makes of a name one that Prometheus takes.
func spelled(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

func ending(name, suffix string) string {
	if strings.HasSuffix(name, suffix) {
		return name
	}
	return name + suffix
}

// tagValue keeps the host's id out of the names of its queues: who scrapes knows the host.
func tagValue(tag, value string) string {
	if queue, _, of := strings.Cut(value, "@"); of && tag == "task_queue" {
		return queue + "@host"
	}
	return strings.ToValidUTF8(value, "�")
}
