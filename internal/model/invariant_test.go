package model_test

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/cordonlabs/cordon/workspace"
)

// listed returns what the engine says that it has, by path.
func (w *world) listed(t *rapid.T) map[string]workspace.Entry {
	t.Helper()
	all, err := w.caches[0].Entries()
	must(t, err)
	m := map[string]workspace.Entry{}
	for _, e := range all {
		m[e.Path] = e
	}
	return m
}

// where returns the path of e in have. Only the engine knows where a base stands
// aside.
func (w *world) where(e *entry, have map[string]workspace.Entry) string {
	if e.kind == workspace.KindBase && e.run != "" && e.id == "" {
		for _, x := range have {
			if x.Kind == e.kind && x.Target.String() == e.target && x.ETag == e.etag && strings.Contains(x.Path, "/.cordon/bases/") {
				e.id = x.Key
			}
		}
	}
	return w.abs(e.path())
}

// Check compares all that the engine says with the model, and what is in every
// workspace with what should be.
func (w *world) Check(t *rapid.T) {
	have := w.listed(t)
	usage, err := w.caches[len(w.caches)-1].Usage()
	must(t, err)
	var recorded, reclaimable int64
	present := w.all()
	for _, e := range present {
		x, ok := have[w.where(e, have)]
		if !ok {
			t.Fatalf("%v is not listed", e.key)
		}
		e.id = x.Key
		if got := (size{x.Bytes - x.Object, x.Object, x.Inodes}); e.touched {
			e.size = got
		} else if got != e.size {
			t.Errorf("%v takes %+v, and %+v in another cache", e.key, got, e.size)
		}
		if x.Kind != e.kind || x.Mode != e.mode && e.mode != "" || x.ETag != e.etag || !x.LastUsed.Equal(e.used) || x.Tampered != "" {
			t.Errorf("%v: listed is %+v, want mode %s, version %s, last used %v", e.key, x, e.mode, e.etag, e.used)
		}
		w.compareHolders(t, e, x.Holders)
		mustBe(t, x.Path, e.tree)
		recorded += e.size.total()
		if w.held(e.key) {
			reclaimable += e.spare()
		} else {
			reclaimable += e.size.total()
		}
	}
	if len(have) != len(present) {
		t.Errorf("%d entries are listed, want %v", len(have), keys(present))
	}
	if usage.Recorded != recorded || usage.Reserved != 0 || usage.Reclaimable != reclaimable || usage.MaxSize != w.limit {
		t.Errorf("%d of %d recorded, %d reserved, %d reclaimable; want %d of %d, 0, %d",
			usage.Recorded, usage.MaxSize, usage.Reserved, usage.Reclaimable, recorded, w.limit, reclaimable)
	}
}

func (w *world) compareHolders(t *rapid.T, e *entry, listed []workspace.Holder) {
	t.Helper()
	views := 0
	got := map[string]workspace.Holder{}
	for _, h := range listed {
		if h.Expires.IsZero() {
			views++
			continue
		}
		got[h.Run] = h
	}
	var want []string
	for run, h := range w.holds[e.key] {
		if h.view != nil {
			views--
			continue
		}
		if !w.counts(run, h) {
			continue
		}
		want = append(want, run)
		x, ok := got[run]
		until := h.renewed.Add(ttl)
		if !h.kept.IsZero() {
			until = h.kept
		}
		if !ok || x.Live != h.live() || !x.Expires.Equal(until) {
			t.Errorf("%v: %s holds it: live %v, until %v; listed is %+v", e.key, run, h.live(), until, listed)
		}
	}
	slices.Sort(want)
	if len(got) != len(want) || views != 0 {
		t.Errorf("%v: holders %+v, want %q", e.key, listed, want)
	}
}
