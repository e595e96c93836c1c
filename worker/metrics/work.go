package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/workspace"
)

// sweepMetrics are what sweeps did.
type sweepMetrics struct {
	last, deferred  prometheus.Gauge
	removals, freed prometheus.Counter
}

func newSweepMetrics() sweepMetrics {
	return sweepMetrics{
		last:     gauge("cordon_sweep_last_success_timestamp_seconds", "When this process last swept the cache, or found another one sweeping it; 0: not yet."),
		deferred: gauge("cordon_sweep_deferred", "Things that the last sweep of this process could not remove."),
		removals: counter("cordon_sweep_removals_total", "Things that sweeps removed: entries, and what crashes left."),
		freed:    counter("cordon_sweep_freed_bytes_total", "Bytes that sweeps freed, by the records."),
	}
}

func (s *sweepMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{s.last, s.deferred, s.removals, s.freed}
}

// Swept counts a sweep that ended without an error.
func (m *Metrics) Swept(r workspace.SweepReport) {
	if m == nil {
		return
	}
	s := &m.sweeps
	s.last.Set(float64(time.Now().Unix()))
	if r.Busy {
		return
	}
	s.deferred.Set(float64(len(r.Deferred)))
	s.removals.Add(float64(len(r.Removals)))
	s.freed.Add(float64(max(r.Freed, 0)))
}

// toolMetrics are what ran confined.
type toolMetrics struct {
	running prometheus.Gauge
	ended   *prometheus.CounterVec
	cpu     prometheus.Counter
}

func newToolMetrics() toolMetrics {
	t := toolMetrics{
		running: gauge("cordon_sandboxes_in_progress", "Commands that run confined."),
		ended:   counters("cordon_sandboxes_total", "Commands that ran confined, by their end: ok, failed, signal, or the limit that ended them.", "tier", "result"),
		cpu:     counter("cordon_sandbox_cpu_seconds_total", "Processor time of commands that ran confined."),
	}
	return t
}

func (t *toolMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{t.running, t.ended, t.cpu}
}

// Sandbox makes the metrics of commands begin with 0, for the tier that they run in.
func (m *Metrics) Sandbox(tier sandbox.Tier) {
	if m != nil {
		m.tools.ended.WithLabelValues(string(tier), resultOK)
		m.tools.ended.WithLabelValues(string(tier), resultFailed)
	}
}

// Tool counts a command that begins; it is for sandbox.Options.
func (m *Metrics) Tool(_ context.Context, tier sandbox.Tier) (ended func(sandbox.Result)) {
	t := &m.tools
	t.running.Inc()
	return func(r sandbox.Result) {
		t.running.Dec()
		result := resultOK
		switch {
		case r.Limit != "":
			result = r.Limit
		case r.Signal != 0:
			result = "signal"
		case r.ExitCode != 0:
			result = resultFailed
		}
		t.ended.WithLabelValues(string(tier), result).Inc()
		t.cpu.Add(r.CPU.Seconds())
	}
}

// fuzzMetrics are what fuzzers do.
type fuzzMetrics struct {
	fuzzers    *prometheus.GaugeVec
	executions *prometheus.CounterVec
	crashes    *prometheus.CounterVec
}

func newFuzzMetrics() fuzzMetrics {
	return fuzzMetrics{
		fuzzers:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "cordon_fuzzers", Help: "Fuzzers that are built or run, one for each harness under way."}, []string{"engine"}),
		executions: counters("cordon_fuzz_executions_total", "Inputs that fuzzers ran.", "engine"),
		crashes:    counters("cordon_fuzz_crashes_total", "Different crashes that campaigns came upon, known ones too.", "engine"),
	}
}

func (f *fuzzMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{f.fuzzers, f.executions, f.crashes}
}

// FuzzEngine makes the metrics of an engine begin with 0.
func (m *Metrics) FuzzEngine(name string) {
	m.fuzzing.fuzzers.WithLabelValues(name)
	m.fuzzing.executions.WithLabelValues(name)
	m.fuzzing.crashes.WithLabelValues(name)
}

// Fuzzer counts a harness that is fuzzed; it is for activities.Fuzzing. What earlier
// attempts did has been counted, maybe elsewhere.
func (m *Metrics) Fuzzer(earlier fuzz.Live) (told func(fuzz.Live), ended func()) {
	f, before := &m.fuzzing, earlier
	f.fuzzers.WithLabelValues(earlier.Engine).Inc()
	told = func(l fuzz.Live) {
		f.executions.WithLabelValues(earlier.Engine).Add(float64(max(l.Executions-before.Executions, 0)))
		f.crashes.WithLabelValues(earlier.Engine).Add(float64(max(l.Bugs-before.Bugs, 0)))
		before.Executions, before.Bugs = max(before.Executions, l.Executions), max(before.Bugs, l.Bugs)
	}
	return told, func() { f.fuzzers.WithLabelValues(earlier.Engine).Dec() }
}
