package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/flock"
	"github.com/cordonlabs/cordon/workspace"
)

const mb = 1 << 20

// write makes a run write n bytes to path, later than its workspace was published:
// the kernel's clock of files ticks every few milliseconds, and a run is never that
// quick.
func (b *bench) write(path string, n int) {
	b.t.Helper()
	since, _ := b.recordOf(keyOf("run", strings.Split(b.rel(path), "/")[:2]...))["growth"].(map[string]any)["since"].(float64)
	for {
		must(b.t, os.WriteFile(path, random(byte(n), n), 0o644))
		var st unix.Stat_t
		must(b.t, unix.Lstat(path, &st))
		if float64(st.Ctim.Nano()) > since+1e6 { // the JSON number is exact to some hundred nanoseconds
			return
		}
	}
}

// remeasure lets a sweep measure every run's workspace.
func (b *bench) remeasure() {
	b.t.Helper()
	b.pass(10 * time.Minute)
	b.sweep()
}

// took returns what the entry of a workspace takes by the accounts, which agree.
func (b *bench) took(path string) int64 {
	b.t.Helper()
	var sum int64
	for _, e := range b.entries() {
		sum += e.Bytes
	}
	u, err := b.cache.Usage()
	must(b.t, err)
	if u.Recorded != sum {
		b.t.Errorf("usage says %d bytes, the entries %d", u.Recorded, sum)
	}
	e, ok := b.entries()[b.rel(path)]
	if !ok {
		b.t.Fatalf("no entry %s", path)
	}
	return e.Bytes
}

func mustBeNear(tb testing.TB, what string, got, want, slack int64) {
	tb.Helper()
	if got < want-slack || got > want+slack {
		tb.Errorf("%s: %d bytes, want %d give or take %d", what, got, want, slack)
	}
}

// blockSlack is what directories and the likes of them may take more or less.
const blockSlack = 64 << 10

func TestTheAccountsFollowARun(t *testing.T) {
	follow := func(t *testing.T, b *bench, mode cordon.Mode) {
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", mode)
		two := b.get("t", "two", mode)
		fresh := b.took(ws.Path)
		used := b.entries()[b.rel(ws.Path)].LastUsed
		b.sweep()
		if got := b.took(ws.Path); got != fresh {
			t.Errorf("measured right after it was published: %d, it was %d", got, fresh)
		}
		b.remeasure()
		unchanged := b.took(ws.Path)
		mustBeNear(t, "untouched", unchanged, fresh, blockSlack)
		if ws.Driver == "reflink" || ws.Driver == "snapshot" { // what is shared with the base stays out of it
			mustBeNear(t, "untouched", unchanged, fresh, 0)
		}

		b.write(ws.Path+"/corpus", 8*mb)
		must(t, os.MkdirAll(ws.Path+"/deep/er", 0o755))
		b.write(ws.Path+"/deep/er/crash", 2*mb)
		b.write(ws.Path+"/pkg/run.sh", mb) // replaces what came with the target
		b.remeasure()
		mustBeNear(t, "grown", b.took(ws.Path), unchanged+11*mb, 2*blockSlack)
		mustBeNear(t, "another run", b.took(two.Path), unchanged, blockSlack)
		if e := b.entries()[b.rel(ws.Path)]; !e.LastUsed.Equal(used) {
			t.Errorf("measuring counts as a use: %v, before %v", e.LastUsed, used)
		}

		must(t, os.RemoveAll(ws.Path+"/deep"))
		must(t, os.Remove(ws.Path+"/corpus"))
		b.remeasure()
		mustBeNear(t, "shrunk", b.took(ws.Path), unchanged+mb, 2*blockSlack)

		b.write(ws.Path+"/corpus", 4*mb)
		done := b.cleanup(ws.Path, "one")
		mustBeNear(t, "the cleanup's answer", done.Bytes, unchanged+mb, 2*blockSlack)
		b.mustBeTidy()
		for begin := time.Now(); len(b.eventsOf("deleted")) == 0 && time.Since(begin) < time.Minute; { // told when it is gone
			time.Sleep(10 * time.Millisecond)
		}
		if b.log.count("deleted a run's workspace") != 1 {
			t.Errorf("the log does not say what was freed:\n%s", *b.log.buf.Load())
		}
		freed := int64(b.lastEvent("deleted")["bytes"].(float64))
		mustBeNear(t, "freed", freed, unchanged+5*mb, 2*blockSlack)
		b.cleanup(two.Path, "two")
	}
	t.Run("isolated", func(t *testing.T) { follow(t, newBench(t), cordon.Isolated) })
	t.Run("copy-on-write", func(t *testing.T) {
		perDriver(t, func(t *testing.T, b *bench) { follow(t, b, cordon.CopyOnWrite) })
	})
}

// eventsOf returns the lines of the journal with that action.
func (b *bench) eventsOf(action string) []map[string]any {
	b.t.Helper()
	return slices.DeleteFunc(b.events(), func(e map[string]any) bool { return e["action"] != action })
}

// lastEvent returns the last of them.
func (b *bench) lastEvent(action string) map[string]any {
	b.t.Helper()
	all := b.eventsOf(action)
	if len(all) == 0 {
		b.t.Fatalf("no event %q", action)
	}
	return all[len(all)-1]
}

func TestGrowth(t *testing.T) {
	t.Run("what has grown leaves no room for others", func(t *testing.T) {
		b := newBench(t, limited(12*mb))
		b.put("A", tree{"a": "1"}.tarball(t))
		b.put("B", random(2, 6*mb))
		ws := b.get("A", "R", cordon.Isolated)
		b.write(ws.Path+"/corpus", 8*mb)
		b.remeasure()
		mustBeKind(t, b.getErr("B", "R", cordon.Isolated), cordon.NoSpace, "8.40 MB by run R")
		must(t, os.Remove(ws.Path+"/corpus"))
		b.remeasure()
		b.get("B", "R", cordon.Isolated)
	})

	t.Run("holes take nothing, a file with several names counts once, the object apart", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		fresh := b.entries()[b.rel(ws.Path)]
		b.write(ws.Path+"/file", mb)
		must(t, os.Link(ws.Path+"/file", ws.Path+"/pkg/again"))
		must(t, os.Link(ws.Path+"/file", filepath.Dir(ws.Path)+"/beside"))
		must(t, os.WriteFile(ws.Path+"/holes", nil, 0o644))
		must(t, os.Truncate(ws.Path+"/holes", 1<<40))
		must(t, unix.Mkfifo(ws.Path+"/fifo", 0o644))
		must(t, os.Symlink("/", ws.Path+"/root"))
		b.remeasure()
		e := b.entries()[b.rel(ws.Path)]
		mustBeNear(t, "the tree", e.Bytes, fresh.Bytes+mb, blockSlack)
		mustBeNear(t, "the object", e.Object, fresh.Object, 4096)
		if e.Inodes != fresh.Inodes+4 {
			t.Errorf("%d inodes, %d before", e.Inodes, fresh.Inodes)
		}
	})

	t.Run("what is mounted inside of a workspace is not its own", func(t *testing.T) {
		needMounts(t)
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		fresh := b.took(ws.Path)
		outside := t.TempDir()
		must(t, os.WriteFile(outside+"/big", random(1, 8*mb), 0o644))
		must(t, os.Mkdir(ws.Path+"/mnt", 0o755))
		must(t, unix.Mount(outside, ws.Path+"/mnt", "", unix.MS_BIND, ""))
		b.remeasure()
		mustBeNear(t, "with a mount", b.took(ws.Path), fresh, blockSlack)
	})

	t.Run("a tree of any depth", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		fresh := b.entries()[b.rel(ws.Path)].Inodes
		fd, err := unix.Open(ws.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		const levels = 3000
		for range levels {
			must(t, unix.Mkdirat(fd, "d", 0o755))
			next, err := unix.Openat(fd, "d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			must(t, err)
			unix.Close(fd)
			fd = next
		}
		unix.Close(fd)
		b.remeasure()
		if got := b.entries()[b.rel(ws.Path)].Inodes; got != fresh+levels {
			t.Errorf("%d inodes, want %d", got, fresh+levels)
		}
	})

	t.Run("a directory that somebody put in the place of an entry is not measured", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		must(t, os.Rename(filepath.Dir(ws.Path), b.path("aside")))
		must(t, os.MkdirAll(ws.Path, 0o755))
		must(t, os.WriteFile(ws.Path+"/theirs", random(1, mb), 0o644))
		b.remeasure()
		mustExist(t, ws.Path+"/theirs")
	})

	t.Run("an entry that somebody works with has its turn next time", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		fresh := b.took(ws.Path)
		b.write(ws.Path+"/corpus", mb)
		root, err := os.OpenRoot(b.opts.Dir)
		must(t, err)
		defer root.Close()
		lock, err := flock.Try(root, ".cordon/locks/"+keyOf("run", "t", "one"), flock.Shared)
		if lock == nil || err != nil {
			t.Fatal(lock, err)
		}
		b.remeasure()
		if got := b.took(ws.Path); got != fresh {
			t.Errorf("%d bytes, want %d as before", got, fresh)
		}
		lock.Unlock()
		b.sweep()
		mustBeNear(t, "afterwards", b.took(ws.Path), fresh+mb, blockSlack)
	})

	t.Run("what is kept of a failed run is measured once after its end", func(t *testing.T) {
		b, reg := newAsking(t, func(o *workspace.Options) { o.TTL = 24 * time.Hour })
		reg.set("R", open())
		ws := b.ask("R", cordon.Isolated, func(r *workspace.Request) { r.KeepOnFailure = true })
		fresh := b.took(ws.Path)
		b.write(ws.Path+"/crash", mb)
		failed := b.over(0)
		failed.Failed = true
		reg.set("R", failed)
		b.pass(20 * time.Minute)
		b.sweep()
		mustBeNear(t, "at its end", b.took(ws.Path), fresh+mb, blockSlack)
		measured := b.recordOf(keyOf("run", "T", "R"))["growth"].(map[string]any)["measured"]
		b.remeasure()
		if again := b.recordOf(keyOf("run", "T", "R"))["growth"].(map[string]any)["measured"]; again != measured {
			t.Errorf("measured at %v, and again at %v", measured, again)
		}
	})

	t.Run("a dry run measures nothing", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		fresh := b.took(ws.Path)
		b.write(ws.Path+"/corpus", mb)
		b.pass(time.Hour)
		_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{DryRun: true})
		must(t, err)
		if got := b.took(ws.Path); got != fresh {
			t.Errorf("%d bytes, want %d as before", got, fresh)
		}
	})
}

func TestWorkspaceLimit(t *testing.T) {
	max := func(n int64) func(*workspace.Options) {
		return func(o *workspace.Options) { o.WorkspaceMax = cordon.BytesOf(n) }
	}

	t.Run("an object that is larger is not downloaded", func(t *testing.T) {
		b := newBench(t, max(mb))
		b.put("t", random(1, 2*mb))
		mustBeKind(t, b.getErr("t", "one", cordon.Isolated), cordon.TargetTooLarge, "2.10 MB", "1.05 MB", "workspace_max_size", "CACHE_WORKSPACE_MAX")
		if b.store.opens.Load() != 0 {
			t.Error("it was downloaded")
		}
		mustBeGone(t, b.path("t"))
		b.mustBeTidy()
	})

	t.Run("a tree that is larger is not made, and a request says how large it may be", func(t *testing.T) {
		b := newBench(t, max(mb))
		b.put("t", tree{"zeros": strings.Repeat("\x00", 8*mb)}.tarball(t))
		mustBeKind(t, b.getErr("t", "one", cordon.Isolated), cordon.TargetTooLarge, "1.05 MB", "workspace_max_size")
		mustBeGone(t, b.path("t"))
		b.mustBeTidy()

		req := request("t", "two", cordon.Isolated)
		req.MaxSize = cordon.BytesOf(9 * mb)
		ws, err := b.cache.Get(t.Context(), req)
		must(t, err)
		if e := b.entries()[b.rel(ws.Path)]; e.Limit != 9*mb || e.OverLimit {
			t.Errorf("entry = %+v", e)
		}
	})

	t.Run("a tree of just the size is made", func(t *testing.T) {
		b := newBench(t)
		b.put("t", tree{"zeros": strings.Repeat("\x00", 8*mb)}.tarball(t))
		size := b.get("t", "one", cordon.Isolated).Bytes
		for n, want := range map[int64]cordon.Kind{size: "", size - 1: cordon.TargetTooLarge} {
			req := request("t", name("of-%d", n), cordon.Isolated)
			req.MaxSize = cordon.BytesOf(n)
			if _, err := b.cache.Get(t.Context(), req); cordon.KindOf(err) != want {
				t.Errorf("%d bytes: %v, want kind %q", n, err, want)
			}
		}
	})

	t.Run("trees that runs share have none", func(t *testing.T) {
		b := newBench(t, max(mb), by(t, "copy!"))
		b.put("t", tree{"data": string(random(1, 2*mb))}.tarball(t))
		b.get("t", "one", cordon.Shared)
		mustBeKind(t, b.getErr("t", "two", cordon.CopyOnWrite), cordon.TargetTooLarge, "workspace_max_size")
		mustExist(t, b.path("t/shared/workspace/data"))
		mustBeGone(t, b.path("t/two"))
		b.remeasure()
		for path, e := range b.entries() {
			if e.Limit != 0 || e.OverLimit {
				t.Errorf("%s: %+v", path, e)
			}
		}
	})

	t.Run("a view that copies nothing fits, whatever its base is", func(t *testing.T) {
		perDriver(t, func(t *testing.T, b *bench) {
			large := tree{"data": string(random(1, 2*mb))}
			for i := range 300 { // a clone takes less than might be feared of so many
				large[name("small-%d", i)] = strings.Repeat("x", 4096)
			}
			b.put("t", large.tarball(t))
			req := request("t", "one", cordon.CopyOnWrite)
			req.MaxSize = cordon.BytesOf(mb)
			ws, err := b.cache.Get(t.Context(), req)
			if b.opts.CowDriver.String() == "copy!" {
				mustBeKind(t, err, cordon.TargetTooLarge)
				return
			}
			must(t, err)
			b.write(ws.Path+"/new", mb/4)
			b.remeasure()
			if e := b.entries()[b.rel(ws.Path)]; e.OverLimit {
				t.Errorf("entry = %+v", e)
			}
			b.write(ws.Path+"/data", 2*mb)
			b.remeasure()
			if e := b.entries()[b.rel(ws.Path)]; !e.OverLimit {
				t.Errorf("entry = %+v", e)
			}
		})
	})

	t.Run("a share of the disk", func(t *testing.T) {
		b := newBench(t, func(o *workspace.Options) {
			share, err := cordon.ParseSize("50%")
			must(t, err)
			o.WorkspaceMax = share
		})
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		u, err := b.cache.Usage()
		must(t, err)
		if e := b.entries()[b.rel(ws.Path)]; e.Limit != u.DiskTotal/2 {
			t.Errorf("limit = %d of a disk of %d", e.Limit, u.DiskTotal)
		}
	})

	t.Run("a run over it is told when it asks again, until it has made room", func(t *testing.T) {
		b := newBench(t, max(2*mb))
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		b.write(ws.Path+"/corpus", 3*mb)
		b.get("t", "one", cordon.Isolated) // nobody knows yet
		for range 3 {
			b.remeasure()
		}
		if e := b.entries()[b.rel(ws.Path)]; !e.OverLimit || e.Limit != 2*mb {
			t.Errorf("entry = %+v", e)
		}
		if n := b.log.count("over its limit"); n != 1 {
			t.Errorf("%d warnings, want one for the change", n)
		}
		if e := b.lastEvent("over limit"); e["bytes"].(float64) < 3*mb {
			t.Errorf("event = %v", e)
		}
		err := b.getErr("t", "one", cordon.Isolated)
		mustBeKind(t, err, cordon.TargetTooLarge, "3.", "2.10 MB", "CACHE_WORKSPACE_MAX", "delete what the run does not need")
		mustExist(t, ws.Path+"/corpus")

		must(t, os.Truncate(ws.Path+"/corpus", mb))
		if again := b.get("t", "one", cordon.Isolated); !again.Hit {
			t.Errorf("got %+v", again)
		}
		b.remeasure()
		if e := b.entries()[b.rel(ws.Path)]; e.OverLimit {
			t.Errorf("entry = %+v", e)
		}
		b.lastEvent("within limit")

		b.write(ws.Path+"/corpus", 3*mb)
		b.remeasure()
		if done := b.cleanup(ws.Path, "one"); done.Outcome != workspace.Removed {
			t.Errorf("cleanup: %+v", done)
		}
		b.mustBeTidy()
	})
}

func TestWatch(t *testing.T) {
	t.Run("the tool is stopped with the reason, and the record is told", func(t *testing.T) {
		b := newBench(t, func(o *workspace.Options) { o.WorkspaceMax = cordon.BytesOf(2 * mb) })
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		ctx, done := b.cache.Watch(t.Context(), ws.Path)
		defer done()
		b.write(ws.Path+"/corpus", 3*mb)
		<-ctx.Done()
		mustBeKind(t, context.Cause(ctx), cordon.TargetTooLarge, "2.10 MB", "workspace_max_size")
		if e := b.entries()[b.rel(ws.Path)]; !e.OverLimit || e.Bytes < 3*mb {
			t.Errorf("entry = %+v", e)
		}
	})

	t.Run("it ends with its tool, its caller, the cache and the workspace", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Isolated)
		ctx, done := b.cache.Watch(t.Context(), ws.Path)
		done()
		if !errors.Is(context.Cause(ctx), context.Canceled) {
			t.Errorf("cause = %v", context.Cause(ctx))
		}
		why := errors.New("the run was cancelled")
		outer, cancel := context.WithCancelCause(t.Context())
		ctx, done = b.cache.Watch(outer, ws.Path)
		cancel(why)
		<-ctx.Done()
		done()
		if !errors.Is(context.Cause(ctx), why) {
			t.Errorf("cause = %v", context.Cause(ctx))
		}
		_, done = b.cache.Watch(t.Context(), ws.Path)
		b.cleanup(ws.Path, "one")
		must(t, b.cache.Close())
		done()
	})

	t.Run("what is no run's own workspace is not watched", func(t *testing.T) {
		b := newBench(t, func(o *workspace.Options) { o.WorkspaceMax = cordon.BytesOf(1) })
		b.put("t", project.tarball(t))
		for _, path := range []string{b.get("t", "one", cordon.Shared).Path, b.path("t/none/workspace"), "/etc", ""} {
			ctx, done := b.cache.Watch(t.Context(), path)
			if ctx.Err() != nil {
				t.Errorf("%q: %v", path, context.Cause(ctx))
			}
			done()
		}
	})
}

// Whatever happens at the same time, the accounts are those of what is there.
func TestGrowthBesideEverything(t *testing.T) {
	b := newBench(t, func(o *workspace.Options) { o.WorkspaceMax = cordon.BytesOf(3 * mb) })
	b.put("t", project.tarball(t))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			run := name("run-%d", i)
			for n := 0; ctx.Err() == nil; n++ {
				ws, err := b.cache.Get(t.Context(), request("t", run, modes[i%2*2]))
				if err != nil {
					if cordon.KindOf(err) != cordon.Busy { // cleaned up while it was made
						t.Error(err)
					}
					continue
				}
				_, done := b.cache.Watch(ctx, ws.Path)
				for f := range 3 {
					must(t, os.WriteFile(fmt.Sprintf("%s/%d", ws.Path, f), make([]byte, f*100_000), 0o644))
				}
				done()
				if n%3 == 0 {
					if _, err := b.cache.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: run}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Go(func() {
		// Not more: an hour later nobody can be about to rename what is being written.
		for range 5 {
			b.pass(10 * time.Minute)
			select {
			case <-ctx.Done():
			case <-time.After(500 * time.Millisecond):
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Restore: true}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.remeasure()
	for path, e := range b.entries() {
		if e.Kind != workspace.KindRun {
			continue
		}
		before := e.Bytes
		b.remeasure()
		if after := b.entries()[path].Bytes; after != before {
			t.Errorf("%s: %d bytes, then %d, and nobody wrote", path, before, after)
		}
		b.cleanup(e.Path, e.Run)
	}
	b.mustBeTidy()
	if left := b.mounts(); len(left) != 0 {
		t.Errorf("mounts left: %v", left)
	}
}
