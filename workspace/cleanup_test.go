package workspace_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

func TestCleanup(t *testing.T) {
	// Each case starts from one run in every mode, and names what must be gone
	// and what must have stayed.
	all := []string{"T/iso/workspace/main.py", "T/workspace/main.py", "T/cow/workspace/main.py", "T/shared/workspace/main.py", "corpus/seed", "output"}
	for _, tc := range []struct {
		name    string
		path    string // relative to the cache unless absolute
		run     string
		outcome workspace.Outcome
		gone    []string
	}{
		{"an isolated path removes the run's directory entirely", "T/iso/workspace", "iso", workspace.Removed, []string{"T/iso"}},
		{"a copy-on-write path removes the run's directory and keeps the base", "T/cow/workspace", "cow", workspace.Removed, []string{"T/cow"}},
		{"the run's directory itself is as good as the path in it", "T/iso", "iso", workspace.Removed, []string{"T/iso"}},
		{"a trailing slash does not matter", "T/iso/workspace/", "iso", workspace.Removed, []string{"T/iso"}},
		{"a shared path only ends the caller's hold", "T/workspace", "sha", workspace.Released, nil},
		{"the parent of a shared path, too", "T", "sha", workspace.Released, nil},
		{"a shared path by somebody who holds nothing does nothing", "T/workspace", "iso", workspace.Kept, nil},
		{"the base is nobody's to remove", "T/shared/workspace", "cow", workspace.Unknown, nil},
		{"the base's directory neither", "T/shared", "cow", workspace.Unknown, nil},
		{"something inside a workspace is not a workspace", "T/iso/workspace/pkg", "iso", workspace.Unknown, nil},
		{"a path with '..' is not looked at", "T/iso/../iso/workspace", "iso", workspace.Unknown, nil},
		{"a path that ends in '..' neither", "T/iso/..", "iso", workspace.Unknown, nil},
		{"the cache itself is not an entry", ".", "iso", workspace.Unknown, nil},
		{"nor is its own directory", ".cordon/records", "iso", workspace.Unknown, nil},
		{"what the cache did not make stays", "corpus", "iso", workspace.Unknown, nil},
		{"a path in what the cache did not make stays", "corpus/seed", "iso", workspace.Unknown, nil},
		{"an unknown run", "T/nobody/workspace", "iso", workspace.Unknown, nil},
		{"a path outside", "/etc/passwd", "iso", workspace.Unknown, nil},
		{"nothing at all", "//", "iso", workspace.Unknown, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			b.get("T", "iso", cordon.Isolated)
			b.get("T", "sha", cordon.Shared)
			b.get("T", "cow", cordon.CopyOnWrite)
			must(t, os.MkdirAll(b.path("corpus/seed"), 0o755))
			must(t, os.Mkdir(b.path("output"), 0o755))

			path := tc.path
			if !filepath.IsAbs(path) {
				path = b.opts.Dir + "/" + path
			}
			if got := b.cleanup(path, tc.run); got.Outcome != tc.outcome {
				t.Errorf("outcome = %s (%s), want %s", got.Outcome, got.Reason, tc.outcome)
			}
			for _, n := range tc.gone {
				mustBeGone(t, b.path(n))
			}
			for _, n := range all {
				if len(tc.gone) == 0 || filepath.Dir(filepath.Dir(n)) != tc.gone[0] {
					mustExist(t, b.path(n))
				}
			}
			b.mustBeTidy()
		})
	}

	t.Run("a bare target id is not a path", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "R", cordon.Isolated)
		if got := b.cleanup("T", "R"); got.Outcome != workspace.Unknown {
			t.Error(got)
		}
		mustExist(t, b.path("T/R/workspace"))
	})

	t.Run("a link out of the cache is not followed", func(t *testing.T) {
		b := newBench(t)
		outside := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(outside, "R/workspace"), 0o755))
		b.put("T", project.tarball(t))
		b.get("T", "R", cordon.Isolated)
		must(t, os.RemoveAll(b.path("T")))
		must(t, os.Symlink(outside, b.path("T")))
		_, _ = b.cache.Cleanup(t.Context(), b.path("T/R/workspace"), workspace.Caller{Run: "R"})
		mustExist(t, filepath.Join(outside, "R/workspace"))
	})

	t.Run("a cache that is reached through a link is the same cache", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "R", cordon.Isolated)
		link := filepath.Join(b.top, "link")
		must(t, os.Symlink(b.opts.Dir, link))
		b.opts.Dir = link
		b.cache = b.open()
		ws := b.get("T", "R2", cordon.Isolated)
		if got := b.cleanup(ws.Path, "R2"); got.Outcome != workspace.Removed {
			t.Error(got)
		}
		real, err := filepath.EvalSymlinks(link)
		must(t, err)
		if got := b.cleanup(real+"/T/R/workspace", "R"); got.Outcome != workspace.Removed {
			t.Error(got)
		}
	})

	t.Run("the last entry takes the target's directory with it", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.cleanup(b.get("T", "R", cordon.Isolated).Path, "R")
		mustBeGone(t, b.path("T"))
	})

	t.Run("a second cleanup finds nothing, and the run may ask afresh", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		ws := b.get("T", "R", cordon.Isolated)
		must(t, os.WriteFile(filepath.Join(ws.Path, "main.py"), []byte("changed"), 0o644))
		b.cleanup(ws.Path, "R")
		if got := b.cleanup(ws.Path, "R"); got.Outcome != workspace.Unknown {
			t.Error(got)
		}
		mustBeTree(t, b.get("T", "R", cordon.Isolated).Path, project)
	})

	t.Run("a hold taken under another run id ends with the execution that took it", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		req := request("T", "made-up-id", cordon.Shared)
		req.Owner = workspace.Owner{Namespace: "default", WorkflowID: "w", RunID: "real-id"}
		ws, err := b.cache.Get(t.Context(), req)
		must(t, err)
		done, err := b.cache.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: "real-id", Owner: req.Owner})
		must(t, err)
		if done.Outcome != workspace.Released {
			t.Error(done)
		}
	})

	t.Run("a retry ends what the attempt before it held", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		owner := func(run string) workspace.Owner {
			return workspace.Owner{Cluster: "c", Namespace: "default", WorkflowID: "w", FirstRunID: "first", RunID: run}
		}
		for _, run := range []string{"first", "retry", "stranger"} {
			req := request("T", run, cordon.Shared)
			req.Owner = owner(run)
			if run == "stranger" {
				req.Owner.FirstRunID = "stranger"
			}
			_, err := b.cache.Get(t.Context(), req)
			must(t, err)
		}
		_, err := b.cache.Cleanup(t.Context(), b.path("T/workspace"), workspace.Caller{Run: "retry", Owner: owner("retry")})
		must(t, err)
		if h := b.entries()["T/workspace"].Holders; len(h) != 1 || h[0].Run != "stranger" {
			t.Errorf("holders = %+v", h)
		}
	})

	t.Run("one cleanup ends a hold, however often the run asked", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		for range 3 {
			b.get("T", "R", cordon.Shared)
		}
		if got := b.entries()["T/workspace"].Holders; len(got) != 1 {
			t.Errorf("%d holders, want 1", len(got))
		}
		b.cleanup(b.path("T/workspace"), "R")
		if got := b.entries()["T/workspace"].Holders; len(got) != 0 {
			t.Errorf("holders = %v, want none", got)
		}
	})

	t.Run("a workspace that is still being made is thrown away, without waiting", func(t *testing.T) {
		for _, other := range []bool{false, true} {
			b := newBench(t)
			b.put("T", project.tarball(t))
			open := b.store.block()
			got := make(chan error, 1)
			go func() {
				_, err := b.cache.Get(t.Context(), request("T", "R", cordon.Isolated))
				got <- err
			}()
			waitFor(t, func() bool { return b.store.opens.Load() == 1 })
			if other {
				b.cache = b.open()
			}
			if done := b.cleanup(b.path("T/R/workspace"), "R"); done.Outcome != workspace.Scheduled {
				t.Error(done)
			}
			open()
			mustBeKind(t, <-got, cordon.Busy, "cleaned up")
			mustBeGone(t, b.path("T/R"))
			b.sweep()
			b.mustBeTidy()
			mustBeTree(t, b.get("T", "R", cordon.Isolated).Path, project)
		}
	})
}
