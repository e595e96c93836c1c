package workspace_test

import (
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

var newer = tree{"main.py": "print('new')\n", "added": "dir"}

func TestObjectReplaced(t *testing.T) {
	for _, mode := range modes {
		t.Run(name("%s: a new run gets the new content, the old one keeps its own", mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			old := b.get("T", "old", mode)
			b.put("T", newer.tarball(t))
			fresh := b.get("T", "new", mode)
			mustBeTree(t, old.Path, project)
			mustBeTree(t, fresh.Path, newer)
			mustBeTree(t, b.get("T", "old", mode).Path, project)
		})
	}

	t.Run("shared: while the path is held, new runs get paths of their own from one download", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		old := b.get("T", "old", cordon.Shared)
		b.put("T", newer.tarball(t))
		for _, run := range []string{"new-1", "new-2", "new-3"} {
			ws := b.get("T", run, cordon.Shared)
			if got, want := b.rel(ws.Path), "T/"+run+"/workspace"; got != want {
				t.Errorf("path = %s, want %s", got, want)
			}
			if !ws.ReadOnly {
				t.Error("the second path is not read-only")
			}
			mustBeTree(t, ws.Path, newer)
			if again := b.get("T", run, cordon.Shared); again.Path != ws.Path {
				t.Errorf("again = %s", again.Path)
			}
		}
		if n := b.store.opens.Load(); n != 2 {
			t.Errorf("%d downloads of two versions", n)
		}
		mustBeKind(t, b.getErr("T", "new-1", cordon.Isolated), cordon.InvalidArgument, "read-only", "new-1")

		// When the last old run has let go, the path takes the new version.
		b.cleanup(old.Path, "old")
		ws := b.get("T", "new-4", cordon.Shared)
		if got := b.rel(ws.Path); got != "T/workspace" {
			t.Errorf("path = %s after the old version was let go", got)
		}
		mustBeTree(t, ws.Path, newer)
		if n := b.store.opens.Load(); n != 2 {
			t.Errorf("%d downloads of two versions", n)
		}
		b.cleanup(b.path("T/new-1/workspace"), "new-1")
		mustBeGone(t, b.path("T/new-1"))
		b.mustBeTidy()
	})

	t.Run("a base that a live view needs stays, and the new one stands aside until then", func(t *testing.T) {
		b := overlayBench(t)
		old := b.get("t", "old", cordon.CopyOnWrite)
		b.put("t", newer.tarball(t))
		mustBeTree(t, b.get("t", "new", cordon.CopyOnWrite).Path, newer)
		mustBeTree(t, old.Path, project)
		mustBeTree(t, b.path("t/shared/workspace"), project)
		b.cleanup(old.Path, "old")
		b.mustBeTidy()
		_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
		must(t, err)
		mustBeGone(t, b.path("t/shared"))
		mustBeTree(t, b.path("t/new/workspace"), newer)
		mustBeTree(t, b.get("t", "new-2", cordon.CopyOnWrite).Path, newer)
	})

	t.Run("the old base goes with its last use", func(t *testing.T) {
		b := newBench(t, by(t, "copy!"))
		b.put("T", project.tarball(t))
		b.get("T", "old", cordon.CopyOnWrite)
		b.put("T", newer.tarball(t))
		b.get("T", "new", cordon.CopyOnWrite)
		mustBeTree(t, b.path("T/shared/workspace"), newer)
		bases := 0
		for _, e := range b.entries() {
			if e.Kind == "base" {
				bases++
			}
		}
		if bases != 1 {
			t.Errorf("%d bases, want 1", bases)
		}
	})

	t.Run("the store is down: what the cache has complete is served and said to be stale", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "before-1", cordon.Shared)
		b.get("T", "before-2", cordon.CopyOnWrite)
		b.store.down.Store(true)
		for _, mode := range []cordon.Mode{cordon.Shared, cordon.CopyOnWrite} {
			ws := b.get("T", "during-"+string(mode), mode)
			if !ws.Stale {
				t.Errorf("%s: not said to be stale", mode)
			}
			mustBeTree(t, ws.Path, project)
		}
		mustBeKind(t, b.getErr("T", "during-i", cordon.Isolated), cordon.StorageUnavailable)
		mustBeKind(t, b.getErr("unknown", "during-s", cordon.Shared), cordon.StorageUnavailable)
		b.mustBeTidy()
	})

	t.Run("the shared tree's object is kept beside it, however it came about", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "one", cordon.CopyOnWrite)
		b.get("T", "two", cordon.Shared)
		for _, n := range []string{"T/target", "T/shared/target"} {
			mustExist(t, filepath.Join(b.opts.Dir, n))
		}
	})
}
