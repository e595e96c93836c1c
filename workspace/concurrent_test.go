package workspace_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	for _, mode := range []cordon.Mode{cordon.Shared, cordon.CopyOnWrite} {
		t.Run(name("%s: 100 runs over several caches, one download", mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			caches := []*workspace.Cache{b.cache, b.open(), b.open(), b.open()}
			var wg sync.WaitGroup
			for i := range 100 {
				wg.Go(func() {
					ws, err := caches[i%len(caches)].Get(t.Context(), request("T", name("run-%d", i), mode))
					if err != nil {
						t.Error(err)
						return
					}
					mustBeTree(t, ws.Path, project)
				})
			}
			wg.Wait()
			if n := b.store.opens.Load(); n != 1 {
				t.Errorf("%d downloads, want 1", n)
			}
			b.mustBeTidy()
		})
	}

	t.Run("two attempts of one run beside each other share one workspace", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		caches := []*workspace.Cache{b.cache, b.open()}
		var wg sync.WaitGroup
		paths := make([]string, 16)
		for i := range paths {
			wg.Go(func() {
				ws, err := caches[i%2].Get(t.Context(), request("T", "R", cordon.Isolated))
				if err != nil {
					t.Error(err)
				}
				paths[i] = ws.Path
			})
		}
		wg.Wait()
		for _, p := range paths {
			if p != paths[0] {
				t.Errorf("paths %s and %s", p, paths[0])
			}
		}
		if n := b.store.opens.Load(); n != 1 {
			t.Errorf("%d downloads for one run, want 1", n)
		}
	})

	t.Run("get and cleanup of one run mixed wildly never give half a tree", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		caches := []*workspace.Cache{b.cache, b.open()}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				c := caches[i%2]
				for n := range 25 {
					run := name("run-%d", n%3)
					ws, err := c.Get(t.Context(), request("T", run, modes[n%3]))
					if err != nil && cordon.KindOf(err) != cordon.Busy {
						t.Error(err)
					}
					if i%2 == 0 && err == nil {
						if _, err := c.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: run}); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		for i, mode := range modes {
			mustBeTree(t, b.get("T", name("last-%d", i), mode).Path, project)
		}
		b.sweep()
		b.mustBeTidy()
	})

	t.Run("a tight cache under load stays under its limit", func(t *testing.T) {
		const limit = 3 << 20
		b := newBench(t, limited(limit))
		for i := range 6 {
			b.put(name("T%d", i), random(byte(i), 700_000))
		}
		var wg sync.WaitGroup
		for i := range 6 {
			wg.Go(func() {
				for n := range 10 {
					id, run := name("T%d", (i+n)%6), name("run-%d-%d", i, n)
					ws, err := b.cache.Get(t.Context(), request(id, run, modes[n%3]))
					if k := cordon.KindOf(err); err != nil && k != cordon.NoSpace && k != cordon.Busy {
						t.Error(err)
					}
					if u, err := b.cache.Usage(); err != nil || u.Recorded > limit {
						t.Errorf("%d recorded of %d, %v", u.Recorded, limit, err)
					}
					if err == nil {
						_, _ = b.cache.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: run})
					}
				}
			})
		}
		wg.Wait()
		b.mustBeTidy()
	})
}

func TestCancellation(t *testing.T) {
	for _, mode := range modes {
		t.Run(name("%s: the last caller cancels, and nothing is left", mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			open := b.store.block()
			defer open()
			ctx, cancel := context.WithCancel(t.Context())
			got := make(chan error, 1)
			go func() {
				_, err := b.cache.Get(ctx, request("T", "R", mode))
				got <- err
			}()
			waitFor(t, func() bool { return b.store.opens.Load() == 1 })
			cancel()
			select {
			case err := <-got:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("error = %v", err)
				}
			case <-time.After(5 * time.Second):
				t.Fatal("still running 5 s after the cancellation")
			}
			mustBeGone(t, b.path("T"))
			b.mustBeTidy()
		})
	}

	for _, mode := range modes[1:] {
		t.Run(name("%s: one of two callers cancels, and the other gets its tree from the same download", mode), func(t *testing.T) {
			b := newBench(t)
			b.put("T", project.tarball(t))
			open := b.store.block()
			ctx, cancel := context.WithCancel(t.Context())
			first, second := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := b.cache.Get(ctx, request("T", "one", mode))
				first <- err
			}()
			waitFor(t, func() bool { return b.store.opens.Load() == 1 })
			var joined atomic.Bool
			go func() {
				req := request("T", "two", mode)
				req.Progress = func(p workspace.Progress) {
					if p.Stage == "downloading" { // what the first one does
						joined.Store(true)
					}
				}
				_, err := b.cache.Get(t.Context(), req)
				second <- err
			}()
			waitFor(t, joined.Load)
			cancel()
			if err := <-first; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			open()
			must(t, <-second)
			mustBeTree(t, b.get("T", "two", mode).Path, project)
			if n := b.store.opens.Load(); n != 1 {
				t.Errorf("%d downloads, want 1", n)
			}
		})
	}

	t.Run("a caller's time is up: the fetch goes on and the next attempt joins it", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		open := b.store.block()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := b.cache.Get(ctx, request("T", "R", cordon.Isolated)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.AfterFunc(50*time.Millisecond, open)
		ws := b.get("T", "R", cordon.Isolated)
		mustBeTree(t, ws.Path, project)
		if n := b.store.opens.Load(); n != 1 {
			t.Errorf("%d downloads, want 1", n)
		}
	})

	t.Run("closing the cache stops a fetch and leaves nothing", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		open := b.store.block()
		defer open()
		got := make(chan error, 1)
		go func() {
			_, err := b.cache.Get(t.Context(), request("T", "R", cordon.Isolated))
			got <- err
		}()
		waitFor(t, func() bool { return b.store.opens.Load() == 1 })
		start := time.Now()
		must(t, b.cache.Close())
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("Close took %v", d)
		}
		if err := <-got; err == nil {
			t.Error("the fetch succeeded")
		}
		b.cache = b.open()
		b.sweep()
		b.mustBeTidy()
	})

	t.Run("progress is reported while it works", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		open := b.store.block()
		req := request("T", "R", cordon.Isolated)
		var once sync.Once
		var seen workspace.Progress
		req.Progress = func(p workspace.Progress) { once.Do(func() { seen = p; open() }) }
		_, err := b.cache.Get(t.Context(), req)
		must(t, err)
		if seen.Stage != "downloading" || seen.Total == 0 {
			t.Errorf("progress = %+v", seen)
		}
	})
}

// shell runs a command beside the cache. What rm says of mounts is not its failure.
func (b *bench) shell(command string) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = b.top
	_ = cmd.Run()
}

func TestEmptiedUnderneath(t *testing.T) {
	for _, how := range []struct {
		name string
		do   func(b *bench) error
	}{
		{"rm -rf cache/*", func(b *bench) error { b.shell("rm -rf cache/*"); return nil }},
		{"rm -rf cache/* cache/.cordon", func(b *bench) error { b.shell("rm -rf cache/* cache/.cordon"); return nil }},
		{"rm -rf cache", func(b *bench) error { b.shell("rm -rf cache"); return nil }},
		{"the same without mounts", func(b *bench) error {
			mountstest.UnmountBelow(b.t, b.opts.Dir)
			return os.RemoveAll(b.path("T"))
		}},
		{"everything gone, without mounts", func(b *bench) error {
			mountstest.UnmountBelow(b.t, b.opts.Dir)
			return os.RemoveAll(b.opts.Dir)
		}},
		{"the cache's own directories, by an rm -rf that was interrupted", func(b *bench) error {
			for _, d := range []string{"locks", "holds", "reservations", "staging", "records", "tombstones", "settled", "manifests", "bases"} {
				if err := os.RemoveAll(b.path(".cordon/" + d)); err != nil {
					return err
				}
			}
			return nil
		}},
		{"entries replaced by empty directories", func(b *bench) error {
			mountstest.UnmountBelow(b.t, b.opts.Dir)
			for _, p := range []string{"T/R", "T/workspace", "T/shared/workspace"} {
				if _, err := os.Stat(b.path(p)); err != nil {
					continue
				}
				if err := os.Rename(b.path(p), b.path("moved-"+strings.ReplaceAll(p, "/", "-"))); err != nil {
					return err
				}
				if err := os.MkdirAll(b.path(p)+"/workspace", 0o755); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		for _, mode := range modes {
			t.Run(name("%s, %s: a miss, not a crash", how.name, mode), func(t *testing.T) {
				b := newBench(t)
				b.put("T", project.tarball(t))
				first := b.get("T", "R", mode)
				must(t, how.do(b))
				again := b.get("T", "R", mode)
				if again.Path != first.Path {
					t.Errorf("path = %s, before %s", again.Path, first.Path)
				}
				mustBeTree(t, again.Path, project)
				mustBeTree(t, b.get("T", "R2", mode).Path, project)
				b.sweep()
				mustBeTree(t, again.Path, project)
			})
		}
	}
}
