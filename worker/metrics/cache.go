package metrics

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// cacheMetrics is a workspace.Observer.
type cacheMetrics struct {
	gets                    *prometheus.HistogramVec
	hits, misses            *prometheus.CounterVec
	acquired, failures      *prometheus.CounterVec
	fetches                 *prometheus.HistogramVec
	fetching                prometheus.Gauge
	fetched                 prometheus.Counter
	extracts, views, sweeps *prometheus.HistogramVec
	removals, removed       *prometheus.CounterVec
}

func newCacheMetrics() cacheMetrics {
	c := cacheMetrics{
		gets:     durations("cordon_workspace_get_duration_seconds", "How long runs waited for their workspaces.", "mode", "result"),
		hits:     counters("cordon_cache_hits_total", "Workspaces for which nothing was downloaded.", "mode"),
		misses:   counters("cordon_cache_misses_total", "Workspaces for which the target was downloaded.", "mode"),
		acquired: counters("cordon_workspaces_acquired_total", "Workspaces that runs got, by how they were made.", "mode", "driver"),
		failures: counters("cordon_workspace_failures_total", "Workspaces that runs did not get, by the type of the error.", "type"),
		fetches:  durations("cordon_fetch_duration_seconds", "How long downloads of targets took.", "result"),
		fetching: gauge("cordon_fetches_in_progress", "Downloads of targets that are under way in this process."),
		fetched:  counter("cordon_fetch_bytes_total", "Bytes of targets that were downloaded."),
		extracts: durations("cordon_extract_duration_seconds", "How long it took to make trees of archives, what was waited for their download included.", "result"),
		views:    durations("cordon_view_duration_seconds", "How long drivers took to make copy-on-write workspaces.", "driver", "result"),
		sweeps:   durations("cordon_sweep_duration_seconds", "How long sweeps of the cache took.", "result"),
		removals: counters("cordon_cache_removals_total", "Entries, and objects kept beside them, that were removed; cause limit and disk are evictions.", "kind", "cause"),
		removed:  counters("cordon_cache_removed_bytes_total", "Bytes of what was removed, by its records.", "kind", "cause"),
	}
	// What has not happened yet is 0: a rate begins with the first time.
	for _, mode := range cordon.Modes {
		c.hits.WithLabelValues(string(mode))
		c.misses.WithLabelValues(string(mode))
		c.gets.WithLabelValues(string(mode), resultHit)
		c.gets.WithLabelValues(string(mode), resultMiss)
	}
	for _, kind := range []cordon.Kind{cordon.NoSpace, cordon.StorageUnavailable, cordon.TargetNotFound, cordon.TargetTooLarge, cordon.ArchiveRejected, cordon.IntegrityMismatch, cordon.Busy} {
		c.failures.WithLabelValues(string(kind))
	}
	for _, h := range []*prometheus.HistogramVec{c.fetches, c.extracts, c.sweeps} {
		h.WithLabelValues(resultOK)
		h.WithLabelValues(resultFailed)
	}
	for _, kind := range []workspace.Kind{workspace.KindRun, workspace.KindShared, workspace.KindBase, workspace.KindObject} {
		for _, cause := range []workspace.Cause{workspace.ForLimit, workspace.ForDisk} {
			c.removals.WithLabelValues(string(kind), string(cause))
			c.removed.WithLabelValues(string(kind), string(cause))
		}
	}
	c.removals.WithLabelValues(string(workspace.KindRun), string(workspace.CleanedUp))
	c.removals.WithLabelValues(string(workspace.KindRun), string(workspace.RunOver))
	return c
}

func (c *cacheMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{c.gets, c.hits, c.misses, c.acquired, c.failures, c.fetches, c.fetching, c.fetched, c.extracts, c.views, c.sweeps, c.removals, c.removed}
}

// The results of pieces of work.
const (
	resultHit    = "hit"
	resultMiss   = "miss"
	resultOK     = "ok"
	resultFailed = "failed"
)

func resultOf(err error) string {
	if err != nil {
		return resultFailed
	}
	return resultOK
}

// Observer returns what a cache tells its metrics to.
func (m *Metrics) Observer() workspace.Observer { return &m.cache }

// Begin implements workspace.Observer.
func (c *cacheMetrics) Begin(ctx context.Context, w workspace.Work) (context.Context, func(workspace.Done)) {
	began := time.Now()
	if w.Kind == workspace.WorkDownload {
		c.fetching.Inc()
	}
	return ctx, func(d workspace.Done) {
		took := time.Since(began).Seconds()
		switch w.Kind {
		case workspace.WorkGet:
			c.got(w, d, took)
		case workspace.WorkDownload:
			c.fetching.Dec()
			c.fetches.WithLabelValues(resultOf(d.Err)).Observe(took)
		case workspace.WorkExtract:
			c.extracts.WithLabelValues(resultOf(d.Err)).Observe(took)
		case workspace.WorkView:
			c.views.WithLabelValues(w.Driver, resultOf(d.Err)).Observe(took)
		case workspace.WorkSweep:
			c.sweeps.WithLabelValues(resultOf(d.Err)).Observe(took)
		}
	}
}

func (c *cacheMetrics) got(w workspace.Work, d workspace.Done, took float64) {
	mode := string(w.Mode)
	switch {
	case d.Err != nil:
		c.gets.WithLabelValues(modeOf(w.Mode), resultFailed).Observe(took)
		c.failures.WithLabelValues(typeOf(d.Err)).Inc()
		return
	case d.Hit:
		c.gets.WithLabelValues(mode, resultHit).Observe(took)
		c.hits.WithLabelValues(mode).Inc()
	default:
		c.gets.WithLabelValues(mode, resultMiss).Observe(took)
		c.misses.WithLabelValues(mode).Inc()
	}
	c.acquired.WithLabelValues(mode, cmp.Or(d.Driver, "none")).Inc()
}

// modeOf keeps what callers made up out of the labels.
func modeOf(m cordon.Mode) string {
	if m, err := cordon.ParseMode(string(m)); err == nil {
		return string(m)
	}
	return "none"
}

// typeOf is the type of the error that an activity fails with, or cancelled where
// nobody waits any more.
func typeOf(err error) string {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return "cancelled"
	}
	return string(cmp.Or(cordon.KindOf(err), cordon.StorageUnavailable))
}

// Arrived implements workspace.Observer.
func (c *cacheMetrics) Arrived(bytes int64) { c.fetched.Add(float64(bytes)) }

// Gone implements workspace.Observer.
func (c *cacheMetrics) Gone(g workspace.Gone) {
	c.removals.WithLabelValues(string(g.Kind), string(g.Cause)).Inc()
	c.removed.WithLabelValues(string(g.Kind), string(g.Cause)).Add(float64(max(g.Bytes, 0)))
}

// Cache adds what there is in a cache.
func (m *Metrics) Cache(stats func() (workspace.Stats, error)) {
	m.registry.MustRegister(&stock{stats: stats, warn: func(err error) { m.log.Warn("the cache cannot be counted for its metrics", "error", err) }})
}

// stockLife is for how long what was counted is told again: scrapes are as far apart,
// and whoever scrapes more often must not keep the disk busy.
const stockLife = 15 * time.Second

// stock collects what there is in a cache.
type stock struct {
	stats func() (workspace.Stats, error)
	warn  func(error)

	mu    sync.Mutex
	last  workspace.Stats
	err   error
	taken time.Time
}

func (s *stock) take() (workspace.Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.taken) > stockLife {
		s.last, s.err = s.stats()
		s.taken = time.Now()
		if s.err != nil {
			s.warn(s.err)
		}
	}
	return s.last, s.err
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descCounted   = desc("cordon_cache_counted", "1 where the other gauges of the cache could be taken, 0 where not, and they are missing.")
	descEntries   = desc("cordon_cache_entries", "Entries of the cache; mode is that of runs' own.", "kind", "mode")
	descBytes     = desc("cordon_cache_bytes", "Bytes of the entries, by their records.", "kind", "mode")
	descHolds     = desc("cordon_cache_holds", "Holds of runs, and of views on their bases.")
	descPins      = desc("cordon_cache_pins", "Entries that somebody pinned.")
	descLimit     = desc("cordon_cache_limit_bytes", "The most bytes that the cache may take (CACHE_MAX_SIZE).")
	descMaking    = desc("cordon_cache_reservations", "Entries that are being made.")
	descReserved  = desc("cordon_cache_reserved_bytes", "Bytes that are promised to what is being made.")
	descTrash     = desc("cordon_cache_trash_items", "Things that wait for their deletion.")
	descTrashSize = desc("cordon_cache_trash_bytes", "What is known of the bytes of what waits for its deletion.")
	descFree      = desc("cordon_cache_disk_free_bytes", "Bytes that are free on the cache's disk.")
	descDisk      = desc("cordon_cache_disk_bytes", "Bytes that the cache's disk has.")
	descFloor     = desc("cordon_cache_disk_min_free_bytes", "Bytes that the cache leaves free (CACHE_MIN_FREE).")
	descINodes    = desc("cordon_cache_disk_inodes_free", "Inodes that are free on the cache's disk; missing where it makes them as it needs them.")
	descAllINodes = desc("cordon_cache_disk_inodes", "Inodes that the cache's disk has; missing likewise.")
)

// Describe implements prometheus.Collector.
func (s *stock) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descCounted, descEntries, descBytes, descHolds, descPins, descLimit, descMaking, descReserved,
		descTrash, descTrashSize, descFree, descDisk, descFloor, descINodes, descAllINodes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *stock) Collect(ch chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, v int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	st, err := s.take()
	if err != nil {
		tell(descCounted, 0)
		return
	}
	tell(descCounted, 1)
	classes := []workspace.Class{{Kind: workspace.KindShared}, {Kind: workspace.KindBase}, {Kind: workspace.KindQuarantine}}
	for _, mode := range cordon.Modes {
		classes = append(classes, workspace.Class{Kind: workspace.KindRun, Mode: mode})
	}
	for _, c := range classes {
		tell(descEntries, int64(st.Entries[c].Entries), string(c.Kind), string(c.Mode))
		tell(descBytes, st.Entries[c].Bytes, string(c.Kind), string(c.Mode))
	}
	tell(descHolds, int64(st.Holds))
	tell(descPins, int64(st.Pins))
	tell(descLimit, st.MaxSize)
	tell(descMaking, int64(st.Reservations))
	tell(descReserved, st.Reserved)
	tell(descTrash, int64(st.Trash))
	tell(descTrashSize, st.TrashBytes)
	tell(descFree, st.DiskFree)
	tell(descDisk, st.DiskTotal)
	tell(descFloor, st.MinFree)
	if st.InodesTotal > 0 {
		tell(descINodes, st.InodesFree)
		tell(descAllINodes, st.InodesTotal)
	}
}
