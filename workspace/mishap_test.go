package workspace_test

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/workspace"
)

// What a run, an operator, a crash or bad timing can do to a live workspace.
// Each of these once lost something.

func TestLiveWorkspaceIsNeverReplaced(t *testing.T) {
	t.Run("by the path of its own that a shared request falls back to", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		mine := b.get("T", "R1", cordon.Isolated)
		must(t, os.WriteFile(mine.Path+"/crash-1", []byte("x"), 0o644))
		b.get("T", "R2", cordon.Shared)
		b.put("T", newer.tarball(t))
		mustBeKind(t, b.getErr("T", "R1", cordon.Shared), cordon.Busy, "R1", "writable")
		mustExist(t, mine.Path+"/crash-1")
	})

	t.Run("and a writable request never gets the read-only tree that another caller of the run asked for", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "R2", cordon.Shared)
		b.put("T", newer.tarball(t))
		open := b.store.block()
		done := make(chan error, 1)
		go func() {
			_, err := b.cache.Get(t.Context(), request("T", "R", cordon.Shared))
			done <- err
		}()
		waitFor(t, func() bool { return b.store.opens.Load() == 2 })
		time.AfterFunc(100*time.Millisecond, open)
		ws, err := b.cache.Get(t.Context(), request("T", "R", cordon.Isolated))
		if err == nil && ws.ReadOnly {
			t.Error("an isolated request was answered with a read-only tree")
		}
		must(t, <-done)
	})

	t.Run("because its run renamed something over the target, as strip and sed -i do", func(t *testing.T) {
		b := newBench(t)
		b.put("F", random(1, 5000))
		ws := b.get("F", "R", cordon.Isolated)
		must(t, os.WriteFile(ws.Path+".tmp", []byte("stripped"), 0o644))
		must(t, os.Rename(ws.Path+".tmp", ws.Path))
		must(t, os.WriteFile(filepath.Dir(ws.Path)+"/crash-1", []byte("x"), 0o644))
		b.sweep()
		if again := b.get("F", "R", cordon.Isolated); !again.Hit {
			t.Error("its retry was a miss")
		}
		mustExist(t, filepath.Dir(ws.Path)+"/crash-1")
		if content, err := os.ReadFile(ws.Path); err != nil || string(content) != "stripped" {
			t.Errorf("content = %q, %v", content, err)
		}
	})
}

func TestOperatorsOwnFilesStay(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	for range 20 { // often, the new directory gets the inode of the old one
		b.cleanup(b.get("T", "R", cordon.Shared).Path, "R")
		must(t, os.RemoveAll(b.path("T")))
		must(t, os.MkdirAll(b.path("T/workspace/mine"), 0o755))
		b.sweep()
		mustExist(t, b.path("T/workspace/mine"))
		if e := b.entries(); len(e) != 0 {
			t.Fatalf("entries = %+v", e)
		}
	}
}

// A cleanup that meets the lock of whoever makes the workspace must be carried
// out by one of the two, whatever the timing.
func TestCleanupWhileMaking(t *testing.T) {
	b := newBench(t)
	b.put("F", random(1, 100))
	rounds := 300
	if testing.Short() {
		rounds = 50
	}
	scheduled := 0
	for i := range rounds {
		run := name("R%d", i)
		got := make(chan error, 1)
		go func() {
			_, err := b.cache.Get(t.Context(), request("F", run, cordon.Isolated))
			got <- err
		}()
		waitFor(t, func() bool { _, err := os.Lstat(b.path("F/" + run)); return err == nil })
		time.Sleep(time.Duration(rand.IntN(6000)) * time.Microsecond)
		done := b.cleanup(b.path("F/"+run+"/target"), run)
		err := <-got
		if done.Outcome == workspace.Scheduled {
			scheduled++
			if err == nil {
				t.Errorf("round %d: the cleanup was scheduled, and the workspace handed out all the same", i)
			}
			mustBeGone(t, b.path("F/"+run))
		}
	}
	t.Logf("%d of %d cleanups met the lock", scheduled, rounds)
	b.mustBeTidy()
}

// A sweep in another process must not take an entry or a hold whose run asks
// again between the sweep's look and its deed: the clock is where it looks.
func TestAskingWhileSwept(t *testing.T) {
	for _, mode := range []cordon.Mode{cordon.Shared, cordon.Isolated} {
		for _, kept := range []bool{false, true} { // by another run's hold
			for at := 1; ; at++ {
				b := newBench(t, func(o *workspace.Options) { o.TTL = time.Hour })
				b.put("T", project.tarball(t))
				b.get("T", "R", mode)
				b.cache.Close()
				b.cache = b.open()
				b.pass(2 * time.Hour)
				if kept {
					b.get("T", "R2", mode)
				}
				calls, ws := 0, workspace.Workspace{}
				var mu sync.Mutex // deletions look at the clock too
				o := b.opts
				o.Now = func() time.Time {
					mu.Lock()
					defer mu.Unlock()
					now := b.opts.Now()
					if calls++; calls == at {
						ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
						defer cancel()
						ws, _ = b.cache.Get(ctx, request("T", "R", mode))
					}
					return now
				}
				c, err := workspace.Open(o)
				must(t, err)
				_, err = c.Sweep(t.Context(), workspace.SweepOptions{})
				must(t, err)
				must(t, c.Close())
				if calls < at {
					break
				}
				if ws.Path == "" {
					continue // the sweep had the lock: the run asks again
				}
				mustExist(t, ws.Path)
				held := false
				for _, h := range b.entries()[b.rel(ws.Path)].Holders {
					held = held || h.Run == "R"
				}
				if !held {
					t.Errorf("%s: the run was handed %s at call %d of the clock and holds nothing", mode, ws.Path, at)
				}
			}
		}
	}
}

func TestAccountsAfterMishaps(t *testing.T) {
	const mb = 1 << 20

	t.Run("what was removed by hand takes no room, though its run still holds it", func(t *testing.T) {
		b := newBench(t, limited(10*mb))
		b.put("A", random(1, 6*mb))
		b.put("B", random(2, 5*mb))
		b.get("A", "R", cordon.Isolated)
		must(t, os.RemoveAll(b.path("A")))
		b.get("A", "R", cordon.Isolated)
		must(t, os.RemoveAll(b.path("A")))
		b.get("B", "R", cordon.Isolated)
	})

	t.Run("the object of the very base that is being copied makes room", func(t *testing.T) {
		b := newBench(t, limited(5*mb))
		data := tree{"data": string(random(1, 2*mb))} // object, base and view: 2 MB each
		b.put("A", data.tarball(t))
		mustBeTree(t, b.get("A", "R", cordon.CopyOnWrite).Path, data)
	})

	t.Run("the object beside a held shared tree makes room", func(t *testing.T) {
		b := newBench(t, limited(5*mb))
		data := tree{"data": string(random(1, 2*mb))}
		b.put("A", data.tarball(t))
		b.put("B", random(2, 2*mb))
		held := b.get("A", "R", cordon.Shared)
		b.get("B", "R", cordon.Isolated)
		mustBeTree(t, held.Path, data)
		mustBeGone(t, b.path("A/target"))
	})

	t.Run("what fits exactly fits", func(t *testing.T) {
		object := tree{"a": strings.Repeat("x", mb), "b": "x"}.tarball(t)
		need := int64(len(object)+4095)/4096*4096 + mb + 4096 + 4096
		b := newBench(t, limited(need))
		b.put("A", object)
		b.get("A", "R", cordon.Isolated)
		if u, err := b.cache.Usage(); err != nil || u.Recorded != need {
			t.Errorf("%d recorded, %d needed, %v", u.Recorded, need, err)
		}
		b.opts.MaxSize = cordon.BytesOf(need - 1)
		b.opts.Dir += "-2"
		b.cache = b.open()
		mustBeKind(t, b.getErr("A", "R", cordon.Isolated), cordon.TargetTooLarge)
	})

	t.Run("an object that was removed by hand is not missed", func(t *testing.T) {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "R", cordon.CopyOnWrite)
		must(t, os.Remove(b.path("T/shared/target")))
		mustBeTree(t, b.get("T", "R2", cordon.Shared).Path, project)
	})
}

func TestHoldsAfterMishaps(t *testing.T) {
	t.Run("a hold whose maker died before its entry was there is swept at once", func(t *testing.T) {
		b := newBench(t)
		b.put("F", random(1, 5000))
		b.get("F", "R", cordon.Isolated)
		b.cache.Close()
		records, err := filepath.Glob(b.path(".cordon/records/*.json"))
		must(t, err)
		must(t, os.Remove(records[0]))
		must(t, os.RemoveAll(b.path("F")))
		b.cache = b.open()
		b.sweep()
		if left, _ := filepath.Glob(b.path(".cordon/holds/*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})

	t.Run("a hold of a run that lives inside of its process ends with it", func(t *testing.T) {
		b := newBench(t, func(o *workspace.Options) { o.ProcessBound = true })
		b.put("T", project.tarball(t))
		b.get("T", "R1", cordon.Isolated)
		b.get("T", "R2", cordon.Shared)
		other := b.open()
		_, err := other.Sweep(t.Context(), workspace.SweepOptions{})
		must(t, err)
		mustExist(t, b.path("T/R1/workspace"))
		b.cache.Close() // the kernel does the same to a process that is killed
		b.cache = other
		b.sweep()
		mustBeGone(t, b.path("T/R1"))
		if h := b.entries()["T/workspace"].Holders; len(h) != 0 {
			t.Errorf("holders = %+v", h)
		}
	})

	t.Run("two processes that take one run's hold at once both have it", func(t *testing.T) {
		b := newBench(t)
		b.put("F", random(1, 100))
		b.get("F", "first", cordon.Shared)
		for i := range 30 {
			other, run := b.open(), name("R%d", i)
			got := make(chan error, 2)
			for _, c := range []*workspace.Cache{b.cache, other} {
				go func() {
					_, err := c.Get(t.Context(), request("F", run, cordon.Shared))
					got <- err
				}()
			}
			must(t, <-got)
			must(t, <-got)
			must(t, other.Close())
			for _, h := range b.entries()["F/target"].Holders {
				if h.Run == run && !h.Live {
					t.Errorf("%s is not live though a process that asked for it lives", run)
				}
			}
		}
	})

	t.Run("locks on what others cleaned up are given back by the sweep", func(t *testing.T) {
		b := newBench(t)
		b.put("F", random(1, 5000))
		other := b.open()
		count := func() int {
			d, err := os.ReadDir("/proc/self/fd")
			must(t, err)
			return len(d)
		}
		before := count()
		for i := range 50 {
			ws := b.get("F", name("R%d", i), cordon.Isolated)
			_, err := other.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: name("R%d", i)})
			must(t, err)
		}
		b.sweep()
		b.mustBeTidy()
		if n := count() - before; n > 10 {
			t.Errorf("%d descriptors more than before", n)
		}
	})

	t.Run("a process that was stopped while it looked at a hold does not hang others past their time", func(t *testing.T) {
		b := newBench(t)
		b.put("F", random(1, 5000))
		b.get("F", "R", cordon.Shared)
		b.cache.Close()
		b.cache = b.open()
		holds, err := filepath.Glob(b.path(".cordon/holds/*/*.json"))
		must(t, err)
		stopped, err := os.Open(holds[0])
		must(t, err)
		defer stopped.Close()
		must(t, unix.Flock(int(stopped.Fd()), unix.LOCK_EX))
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := b.cache.Get(ctx, request("F", "R", cordon.Shared)); err == nil || time.Since(start) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestSiblingServesWhileTheStoreIsDown(t *testing.T) {
	for have, ask := range map[cordon.Mode]cordon.Mode{cordon.Shared: cordon.CopyOnWrite, cordon.CopyOnWrite: cordon.Shared} {
		b := newBench(t)
		b.put("T", project.tarball(t))
		b.get("T", "R", have)
		b.store.down.Store(true)
		mustBeTree(t, b.get("T", "R2", ask).Path, project)
	}
}

func TestImmutableRunDirectoryGoes(t *testing.T) {
	b := newBench(t)
	b.put("T", project.tarball(t))
	ws := b.get("T", "R", cordon.Isolated)
	d, err := os.Open(filepath.Dir(ws.Path))
	must(t, err)
	defer d.Close()
	const immutable = 0x10 // FS_IMMUTABLE_FL
	if err := unix.IoctlSetPointerInt(int(d.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
		t.Skipf("this file system or user cannot set the immutable flag: %v", err)
	}
	if done := b.cleanup(ws.Path, "R"); done.Outcome != workspace.Removed {
		t.Errorf("%+v", done)
	}
	b.mustBeTidy()
}

func TestHostIDSurvivesBeingEmptied(t *testing.T) {
	b := newBench(t)
	first := b.cache.HostID()
	if b.open().HostID() != first || first == "" {
		t.Errorf("two names for one host: %q", first)
	}
	must(t, os.WriteFile(b.path(".cordon/host-id"), nil, 0o644)) // what a power failure leaves of a file that was not synced
	if id := b.open().HostID(); id == "" {
		t.Error("the host has no name")
	}
}

func TestUmaskDoesNotMatter(t *testing.T) {
	old := syscall.Umask(0o077) // no other test of this package runs meanwhile
	defer syscall.Umask(old)
	b := newBench(t)
	b.put("T", project.tarball(t))
	b.put("F", random(1, 100))
	for id, want := range map[string]os.FileMode{"T": 0o755, "F": 0o644} {
		for _, mode := range modes {
			if mode == cordon.Shared {
				want &^= 0o222
			}
			ws := b.get(id, "R-"+string(mode), mode)
			info, err := os.Stat(ws.Path)
			must(t, err)
			if got := info.Mode().Perm(); got&0o555 != want&0o555 {
				t.Errorf("%s %s: mode %v, want %v", id, mode, got, want)
			}
		}
	}
}

func TestDiskUsageOfAClosedDirectory(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	b := newBench(t)
	b.put("T", project.tarball(t))
	ws := b.get("T", "R", cordon.Isolated)
	must(t, os.Chmod(ws.Path+"/pkg", 0))
	defer os.Chmod(ws.Path+"/pkg", 0o755)
	if n, err := b.cache.DiskUsage(t.Context()); err != nil || n == 0 {
		t.Errorf("%d, %v", n, err)
	}
}
