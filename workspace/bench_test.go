package workspace_test

import (
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

func benchCache(b *testing.B) *workspace.Cache {
	top := mountstest.Dir(b)
	s, err := dir.Open(filepath.Join(top, "store"))
	must(b, err)
	ref := &bench{top: top}
	ref.t = &testing.T{}
	ref.put("T", project.tarball(b))
	c, err := workspace.Open(workspace.Options{Dir: filepath.Join(top, "cache"), Store: s, Logger: slog.New(slog.DiscardHandler)})
	must(b, err)
	b.Cleanup(func() { c.Close() })
	return c
}

// A shared hit by a run that holds already.
func BenchmarkHitHeld(b *testing.B) {
	c := benchCache(b)
	for b.Loop() {
		_, err := c.Get(b.Context(), request("T", "R", cordon.Shared))
		must(b, err)
	}
}

// A shared hit by a new run, and the end of its hold.
func BenchmarkHitNewHold(b *testing.B) {
	c := benchCache(b)
	n := 0
	for b.Loop() {
		n++
		run := name("R%d", n)
		ws, err := c.Get(b.Context(), request("T", run, cordon.Shared))
		must(b, err)
		_, err = c.Cleanup(b.Context(), ws.Path, workspace.Caller{Run: run})
		must(b, err)
	}
}

// A view of a base that is there, by the best driver, and its cleanup.
func BenchmarkCopyOnWrite(b *testing.B) {
	c := benchCache(b)
	n := 0
	for b.Loop() {
		n++
		run := name("R%d", n)
		ws, err := c.Get(b.Context(), request("T", run, cordon.CopyOnWrite))
		must(b, err)
		_, err = c.Cleanup(b.Context(), ws.Path, workspace.Caller{Run: run})
		must(b, err)
	}
}

// A run of its own: fetched, extracted, published, cleaned up.
func BenchmarkIsolated(b *testing.B) {
	c := benchCache(b)
	n := 0
	for b.Loop() {
		n++
		run := name("R%d", n)
		ws, err := c.Get(b.Context(), request("T", run, cordon.Isolated))
		must(b, err)
		_, err = c.Cleanup(b.Context(), ws.Path, workspace.Caller{Run: run})
		must(b, err)
	}
}

// Counting a cache of 1,000 entries, each held by one run.
func BenchmarkStats(b *testing.B) {
	c := benchCache(b)
	for i := range 1000 {
		_, err := c.Get(b.Context(), request("T", name("R%d", i), cordon.Isolated))
		must(b, err)
	}
	for b.Loop() {
		_, err := c.Stats()
		must(b, err)
	}
}
