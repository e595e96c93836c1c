package model_test

import (
	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// Use leases what a run, or another, holds at a path.
func (w *world) Use(t *rapid.T) {
	id, run, isShared := w.somewhere(t)
	by := rapid.SampledFrom(append([]string{run}, runs...)).Draw(t, "by")
	path, k := w.abs(id+"/"+run+"/workspace"), own(id, run)
	if isShared {
		path, k = w.abs(id+"/workspace"), shared(id)
	}
	want := w.holds[k][by]
	if w.is(k) == nil {
		want = nil // what is held there is not there
	} else if want == nil {
		if len(w.holds[k]) > 1 {
			t.Skip("one of several serves, nobody knows which")
		}
		for _, h := range w.holds[k] {
			want = h
		}
	}
	w.tick()
	l, err := w.caches[rapid.IntRange(0, len(w.caches)-1).Draw(t, "cache")].Use(w.ctx(t), path, workspace.Caller{Run: by})
	w.sayf(t, "use %s by %s = %v", path, by, err)
	if want == nil {
		if cordon.KindOf(err) != cordon.TargetNotFound {
			t.Fatalf("a lease on what nobody holds: %v", err)
		}
		return
	}
	must(t, err)
	w.seen.add("leases", 1)
	want.leases++
	w.leases = append(w.leases, &lease{l, want})
}

// Release ends a lease.
func (w *world) Release(t *rapid.T) {
	if len(w.leases) == 0 {
		t.Skip("there are none")
	}
	i := rapid.IntRange(0, len(w.leases)-1).Draw(t, "lease")
	w.sayf(t, "release %d of %d", i, len(w.leases))
	w.leases[i].Release()
	w.leases[i].on.leases--
	w.leases = append(w.leases[:i], w.leases[i+1:]...)
}
