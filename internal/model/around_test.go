package model_test

import (
	"os"
	"strings"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// Put replaces an object in the store.
func (w *world) Put(t *rapid.T) {
	id := rapid.SampledFrom(targets).Draw(t, "target")
	c := w.choice[rapid.IntRange(0, len(w.choice)-1).Draw(t, "content")]
	w.put(t, id, c)
	w.sayf(t, "put %s: %s, version %s", id, c.name, strings.Trim(w.objects[id].etag, `"`))
}

// GetWhileDown is a Get while the store cannot be reached.
func (w *world) GetWhileDown(t *rapid.T) {
	w.store.down.Store(true)
	w.sayf(t, "the store is down")
	w.Get(t)
	w.store.down.Store(false)
}

// GetMissing is a Get while the store has no object of any target.
func (w *world) GetMissing(t *rapid.T) {
	objects := w.objects
	w.objects = nil
	w.sayf(t, "the store is empty")
	must(t, os.Rename(w.top+"/store", w.top+"/moved"))
	w.Get(t)
	must(t, os.Rename(w.top+"/moved", w.top+"/store"))
	w.objects = objects
}

// Pass lets time pass.
func (w *world) Pass(t *rapid.T) {
	d := rapid.SampledFrom([]int{1, 6, 30, 100, 200}).Draw(t, "minutes")
	w.pass(minutes(d))
	w.sayf(t, "%d minutes pass", d)
}

// Fate says what becomes of a run that somebody knows.
func (w *world) Fate(t *rapid.T) {
	if w.opts.Runs == nil {
		t.Skip("nobody is asked")
	}
	run := rapid.SampledFrom(runs).Draw(t, "run")
	if !isKnown(run) {
		t.Skip("nobody knows it")
	}
	f := workspace.Fate{State: rapid.SampledFrom([]workspace.RunState{workspace.RunClosed, workspace.RunClosed, workspace.RunOpen, workspace.RunUnknown}).Draw(t, "state")}
	if f.State == workspace.RunClosed {
		f.Status, f.Failed = "ended", rapid.Bool().Draw(t, "failed")
		if ago := rapid.SampledFrom([]int{0, 4, 20, 300, -1}).Draw(t, "minutes ago"); ago >= 0 {
			f.Closed = w.now.Add(-minutes(ago))
		}
	}
	w.fates[run] = f
	w.sayf(t, "%s is %+v", run, f)
}

// Reopen ends one of the processes, and begins another.
func (w *world) Reopen(t *rapid.T) {
	i := rapid.IntRange(0, len(w.caches)-1).Draw(t, "cache")
	w.sayf(t, "reopen %d", i)
	w.reopen(t, i)
}

// Resize ends all processes, and begins others that have another limit.
func (w *world) Resize(t *rapid.T) {
	w.limit = limitOf(t)
	w.opts.MaxSize = cordon.BytesOf(w.limit)
	w.sayf(t, "the limit is %d", w.limit)
	for i := range w.caches {
		w.reopen(t, i)
	}
}

func (w *world) reopen(t *rapid.T, i int) {
	must(t, w.caches[i].Close())
	for _, list := range w.holds {
		for _, h := range list {
			delete(h.by, i)
		}
	}
	w.caches[i] = openCache(t, w.opts)
}
