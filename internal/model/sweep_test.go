package model_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon/workspace"
)

const grace = 5 * time.Minute

// over reports whether somebody says that run is over, and has been for the grace.
func (w *world) over(run string, h *hold) bool {
	f := w.fates[run]
	return w.isAsked(run) && h.view == nil && h.kept.IsZero() && !h.live() && f.State == workspace.RunClosed &&
		(f.Closed.IsZero() || w.now.Sub(f.Closed) >= grace)
}

// verdict is what a sweep does to the model, before it looks at the limit.
type verdict struct {
	entries []*entry // are removed
	kept    []*hold  // keep the workspace of a run that failed
	until   []time.Time
}

// verdict also ends holds, unless dry.
func (w *world) verdict(dry bool) verdict {
	var v verdict
	renewed := map[*hold]bool{} // of runs that are open, which are renewed where they are stale
	for k, list := range w.holds {
		for run, h := range list {
			if w.isAsked(run) && h.view == nil && h.kept.IsZero() && w.fates[run].State == workspace.RunOpen {
				renewed[h] = true
				if !dry && w.now.Sub(h.renewed) > ttl/64 {
					h.renewed = w.now
				}
			}
		}
		_ = k
	}
	keeps := map[*hold]bool{}
	counts := func(run string, h *hold) bool { return !w.over(run, h) && (renewed[h] || !w.expired(h)) }
	for _, e := range w.entries {
		held := false
		for run, h := range w.holds[e.key] {
			held = held || counts(run, h)
			if e.kind == workspace.KindRun && !w.lost(e) && w.over(run, h) && run == keeper && w.fates[run].Failed {
				since := w.fates[run].Closed
				if since.IsZero() {
					since = h.renewed
				}
				if until := since.Add(ttl); !w.now.After(until) {
					held, keeps[h] = true, true
					v.kept, v.until = append(v.kept, h), append(v.until, until)
				}
			}
		}
		idle := w.now.Sub(e.used)
		switch {
		case w.lost(e):
		case held:
			continue
		case e.kind == workspace.KindRun:
		case idle > ttl+time.Minute:
		default:
			continue
		}
		v.entries = append(v.entries, e)
	}
	if dry {
		return v
	}
	for i, h := range v.kept {
		h.kept = v.until[i]
	}
	for _, e := range v.entries {
		w.remove(e)
	}
	for k, list := range w.holds {
		for run, h := range list {
			if !keeps[h] && !h.live() && (!counts(run, h) || w.entries[k] == nil) {
				delete(list, run)
			}
		}
	}
	return v
}

// Sweep sweeps, and a second time at once now and then: then nothing may be left
// to do.
func (w *world) Sweep(t *rapid.T) {
	cache := rapid.IntRange(0, len(w.caches)-1).Draw(t, "cache")
	opts := workspace.SweepOptions{Restore: true}
	keep := w.limit
	if rapid.IntRange(0, 3).Draw(t, "shrink") == 0 {
		keep = rapid.SampledFrom([]int64{0, 50_000, 150_000, 400_000}).Draw(t, "keep")
		opts.Shrink, opts.KeepBytes = true, keep
	}
	w.tick()
	if w.views && w.undecided() {
		t.Skip("a view goes, and nobody knows whether its base is free before the sweep looks at that")
	}
	v := w.verdict(false)
	held := map[*entry]bool{}
	for _, e := range w.all() {
		held[e] = w.held(e.key)
	}
	report, err := w.caches[cache].Sweep(w.ctx(t), opts)
	must(t, err)
	w.sayf(t, "sweep %+v by %d = %+v; want %v gone, and no more than %d kept", opts, cache, report, len(v.entries), keep)
	if report.Busy || len(report.Deferred) > 0 {
		t.Errorf("it could not do all: %+v", report)
	}
	s := &shrunk{w: w, held: held, keep: keep, freed: map[*entry]int64{}}
	s.judge(t)
	w.seen.add("swept", len(v.entries))
	w.seen.add("failed runs kept", len(v.kept))
	w.seen.add("evicted by sweep", len(s.gone))
	w.seen.add("objects evicted by sweep", len(s.objects))
	said := map[string]bool{}
	for _, r := range report.Removals {
		if r.Key != "" {
			said[r.Path] = true
		}
	}
	for _, e := range slices.Concat(v.entries, s.gone) {
		if !said[w.abs(e.path())] {
			t.Errorf("%v went, and the report does not say so: %+v", e.key, report)
		}
		delete(said, w.abs(e.path()))
	}
	if len(said) > 0 {
		t.Errorf("the report says that these went too: %v", slices.Collect(maps.Keys(said)))
	}
	w.settled(t)
	if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
		again, err := w.caches[cache].Sweep(w.ctx(t), opts)
		must(t, err)
		if len(again.Removals)+len(again.Deferred) > 0 {
			t.Errorf("a second sweep: %+v", again)
		}
	}
}

// undecided reports whether a sweep would remove a view: its base is free once the
// view is deleted, which takes as long as it takes.
func (w *world) undecided() bool {
	return slices.ContainsFunc(w.verdict(true).entries, func(e *entry) bool { return e.base != (key{}) })
}

// shrunk is what a sweep evicted to make the cache smaller.
type shrunk struct {
	w       *world
	held    map[*entry]bool
	keep    int64
	gone    []*entry
	objects []*entry
	freed   map[*entry]int64
}

// judge finds out what was evicted, whether it might, and takes it out of the model.
func (s *shrunk) judge(t *rapid.T) {
	t.Helper()
	w := s.w
	have := w.listed(t)
	for _, e := range w.all() {
		// It measures what runs may have written into before it evicts.
		if x, there := have[w.where(e, have)]; there && e.kind == workspace.KindRun && !e.readOnly {
			e.size, e.touched = size{x.Bytes - x.Object, x.Object, x.Inodes}, true
		}
	}
	before := w.recorded()
	var freed int64
	for _, e := range w.all() {
		x, there := have[w.where(e, have)]
		switch {
		case !there:
			s.gone = append(s.gone, e)
			s.freed[e] = e.size.total()
			if s.held[e] {
				t.Fatalf("%v was evicted, which is held", e.key)
			}
			w.remove(e)
		case e.spare() > 0 && x.Object == 0:
			s.objects = append(s.objects, e)
			s.freed[e] = e.size.object
			e.size.object = 0
		}
		freed += s.freed[e]
	}
	over := before - s.keep
	if over <= 0 && freed > 0 {
		t.Fatalf("%v went, though %d bytes are no more than %d", keys(append(s.gone, s.objects...)), before, s.keep)
	}
	list := s.objects
	if len(s.gone) > 0 {
		list = s.gone
	}
	if len(list) > 0 {
		last := list[len(list)-1].used
		least := int64(0)
		for _, e := range list {
			if e.used.Equal(last) {
				least = max(least, s.freed[e])
			}
		}
		if freed-least >= over {
			t.Errorf("%d bytes went where %d had to: %v", freed, over, keys(list))
		}
		for _, e := range w.all() {
			if !s.held[e] && len(s.gone) > 0 && e.used.Before(last) {
				t.Errorf("%v went, and %v stayed, which was used earlier", keys(s.gone), e.key)
			}
		}
	}
	for _, e := range w.all() {
		if freed < over && (!s.held[e] || e.spare() > 0) {
			t.Errorf("%d bytes went where %d had to, and %v stayed, held: %v", freed, over, e.key, s.held[e])
		}
		if len(s.gone) > 0 && e.spare() > 0 {
			t.Errorf("%v went before the object of %v", keys(s.gone), e.key)
		}
	}
}

// DryRun says what a sweep would remove, and changes nothing.
func (w *world) DryRun(t *rapid.T) {
	w.tick()
	v := w.verdict(true)
	before := w.picture(t)
	report, err := w.caches[0].Sweep(w.ctx(t), workspace.SweepOptions{DryRun: true})
	must(t, err)
	w.sayf(t, "dry run = %+v, want %d", report, len(v.entries))
	after := w.picture(t)
	for name := range before {
		if after[name] != before[name] {
			t.Errorf("it changed %s: it was %q, and is %q", name, before[name], after[name])
		}
	}
	for name := range after {
		if before[name] == "" {
			t.Errorf("it made %s", name)
		}
	}
	said := map[string]bool{}
	var freed int64
	for _, r := range report.Removals {
		if r.Key != "" {
			said[r.Path] = true
		}
		freed += r.Bytes
	}
	if report.Freed != freed {
		t.Errorf("it adds up to %d, and says %d", freed, report.Freed)
	}
	over := w.recorded() - w.limit
	for _, e := range v.entries {
		if !said[w.abs(e.path())] {
			t.Errorf("it does not say that %v would go", e.key)
		}
		if w.is(e.key) != nil {
			over -= e.size.total()
		}
		delete(said, w.abs(e.path()))
	}
	if over <= 0 && len(said) > 0 {
		t.Errorf("it says that these would go too: %v", slices.Collect(maps.Keys(said)))
	}
}

// picture is every name in the cache with its size and time, but for what goes on
// behind the callers' backs, and what may be made at any time.
func (w *world) picture(t *rapid.T) map[string]string {
	t.Helper()
	p := map[string]string{}
	err := filepath.WalkDir(w.opts.Dir, func(name string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(name, w.opts.Dir+"/")
		switch rel {
		case ".cordon/events.jsonl": // what was deleted is told when it is
			return nil
		case ".cordon/plans", ".cordon/locks", ".cordon/trash", ".cordon/settled", ".cordon/staging", ".cordon/reservations":
			return fs.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		p[rel] = info.Mode().String()
		if !d.IsDir() {
			p[rel] += info.ModTime().String()
		}
		return nil
	})
	must(t, err)
	return p
}
