package model_test

import (
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon/workspace"
)

// Cleanup ends what stands at a path, by the record alone: whoever asks, and in
// whatever form the path is written.
func (w *world) Cleanup(t *rapid.T) {
	cache := rapid.IntRange(0, len(w.caches)-1).Draw(t, "cache")
	id, run, isShared := w.somewhere(t)
	by := rapid.SampledFrom(append([]string{run}, runs...)).Draw(t, "by")
	path := w.abs(id)
	if !isShared {
		path = w.abs(id + "/" + run)
	}
	path += rapid.SampledFrom([]string{"/workspace", "/target", "", "/", "/workspace/"}).Draw(t, "end")
	w.tick()
	done, err := w.caches[cache].Cleanup(w.ctx(t), path, workspace.Caller{Run: by})
	must(t, err)
	w.sayf(t, "cleanup %s by %s, %d = %+v", path, by, cache, done)
	want := workspace.Unknown
	k := shared(id)
	if !isShared {
		k = own(id, run)
	}
	e := w.entries[k]
	switch {
	case e == nil:
	case !isShared:
		want = workspace.Removed
		if done.Bytes != e.size.total() && !e.touched {
			t.Errorf("%d bytes were removed, want %d", done.Bytes, e.size.total())
		}
		w.remove(e)
		w.settled(t)
	case w.holds[k][by] != nil:
		want = workspace.Released
		delete(w.holds[k], by)
	default:
		want = workspace.Kept
	}
	w.seen.add("cleanup "+string(want), 1)
	if done.Outcome != want {
		t.Errorf("outcome %s (%s), want %s", done.Outcome, done.Reason, want)
	}
}

// somewhere draws where a run's workspace may be: mostly where there is one.
func (w *world) somewhere(t *rapid.T) (id, run string, isShared bool) {
	var there []key
	for _, e := range w.all() {
		if e.kind != workspace.KindBase {
			there = append(there, e.key)
		}
	}
	if len(there) > 0 && rapid.IntRange(0, 4).Draw(t, "anywhere") > 0 {
		k := rapid.SampledFrom(there).Draw(t, "where")
		run = k.run
		if k.kind == workspace.KindShared {
			run = rapid.SampledFrom(runs).Draw(t, "run")
			if holders := slices.Sorted(maps.Keys(w.holds[k])); len(holders) > 0 {
				run = rapid.SampledFrom(holders).Draw(t, "holder")
			}
		}
		return k.target, run, k.kind == workspace.KindShared
	}
	return rapid.SampledFrom(targets).Draw(t, "target"), rapid.SampledFrom(runs).Draw(t, "run"), rapid.Bool().Draw(t, "shared")
}

// CleanupElsewhere asks for what is no workspace: nothing may happen.
func (w *world) CleanupElsewhere(t *rapid.T) {
	run := rapid.SampledFrom(runs).Draw(t, "run")
	path := strings.NewReplacer("CACHE", w.opts.Dir, "RUN", run).Replace(rapid.SampledFrom([]string{
		"CACHE", "CACHE/.cordon", "CACHE/.cordon/records", "CACHE/A/shared", "CACHE/A/shared/workspace", "CACHE/A/shared/target",
		"CACHE/A/RUN/workspace/main.py", "CACHE/A/../A/RUN", "CACHE/../store", "CACHE/..", "/", "A/RUN", "",
	}).Draw(t, "path"))
	w.tick()
	done, err := w.caches[0].Cleanup(w.ctx(t), path, workspace.Caller{Run: run})
	must(t, err)
	w.sayf(t, "cleanup %s = %+v", path, done)
	if done.Outcome != workspace.Unknown {
		t.Errorf("outcome %s (%s), want unknown", done.Outcome, done.Reason)
	}
}
