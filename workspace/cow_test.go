package workspace_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// by makes a cache use the drivers of a setting.
func by(t testing.TB, setting string) func(*workspace.Options) {
	s, err := driver.ParseSetting(setting)
	must(t, err)
	return func(o *workspace.Options) { o.CowDriver = s }
}

// on puts a cache on a file system of its own.
func on(t *testing.T, fs string) func(*workspace.Options) {
	dir := loopfs.New(t, fs, 1<<30)
	return func(o *workspace.Options) { o.Dir = filepath.Join(dir, "cache") }
}

// perDriver runs test once for each driver, on a file system that it works on.
func perDriver(t *testing.T, test func(t *testing.T, b *bench)) {
	for _, d := range []struct{ driver, fs string }{
		{"overlay", "ext4"}, {"overlay", "xfs"}, {"snapshot", "btrfs"}, {"reflink", "xfs"}, {"reflink", "btrfs"}, {"copy", "ext4"},
	} {
		t.Run(d.driver+" on "+d.fs, func(t *testing.T) {
			needMounts(t)
			test(t, newBench(t, on(t, d.fs), by(t, d.driver+"!")))
		})
	}
}

func TestCopyOnWrite(t *testing.T) {
	perDriver(t, func(t *testing.T, b *bench) {
		setting := b.opts.CowDriver.String()
		b.put("t", project.tarball(t))
		one, two := b.get("t", "one", cordon.CopyOnWrite), b.get("t", "two", cordon.CopyOnWrite)
		for _, ws := range []workspace.Workspace{one, two} {
			if ws.Driver+"!" != setting || ws.Path != b.path("t/"+ws.Run.String()+"/workspace") {
				t.Errorf("got %+v", ws)
			}
			mustBeTree(t, ws.Path, project)
		}
		if e := b.entries()["t/one/workspace"]; e.Driver != one.Driver {
			t.Errorf("the entry says %q", e.Driver)
		}
		must(t, os.WriteFile(one.Path+"/main.py", []byte("mine"), 0o644))
		must(t, os.RemoveAll(one.Path+"/pkg"))
		mustBeTree(t, two.Path, project)
		mustBeTree(t, b.path("t/shared/workspace"), project)
		if again := b.get("t", "one", cordon.CopyOnWrite); again.Path != one.Path || !again.Hit {
			t.Errorf("asked again: %+v", again)
		}
		if got, _ := os.ReadFile(one.Path + "/main.py"); string(got) != "mine" {
			t.Errorf("what the run wrote is gone: %q", got)
		}
		mustBeTree(t, b.get("t", "three", cordon.Shared).Path, project)
		if n := b.store.opens.Load(); n != 1 {
			t.Errorf("%d downloads, want one", n)
		}
		for _, run := range []string{"one", "two"} {
			if done := b.cleanup(b.path("t/"+run+"/workspace"), run); done.Outcome != workspace.Removed {
				t.Errorf("cleanup: %+v", done)
			}
			mustBeGone(t, b.path("t/"+run))
		}
		b.cleanup(b.path("t/workspace"), "three")
		b.mustBeTidy()
		if left := b.mounts(); len(left) != 0 {
			t.Errorf("mounts left: %v", left)
		}
	})
}

func TestManyRuns(t *testing.T) {
	perDriver(t, func(t *testing.T, b *bench) {
		rounds := 60
		if b.opts.CowDriver.String() == "overlay!" && !testing.Short() {
			rounds = 1000
		}
		small := tree{"a": "1", "d": "dir", "d/b": "2"}
		b.put("t", small.tarball(t))
		for i := range rounds {
			run := name("seq-%d", i)
			ws := b.get("t", run, modes[i%3])
			if i%100 == 0 {
				mustBeTree(t, ws.Path, small)
			}
			b.cleanup(ws.Path, run)
		}
		var wg sync.WaitGroup
		for i := range 64 {
			wg.Go(func() {
				run := name("par-%d", i)
				ws, err := b.cache.Get(t.Context(), request("t", run, modes[1+i%2]))
				if err != nil {
					t.Error(err)
					return
				}
				mustBeTree(t, ws.Path, small)
				b.cleanup(ws.Path, run)
			})
		}
		wg.Wait()
		b.mustBeTidy()
		for begin := time.Now(); len(b.mounts()) != 0 && time.Since(begin) < 30*time.Second; {
			time.Sleep(10 * time.Millisecond) // the last cleanups may have met each other
		}
		if left := b.mounts(); len(left) != 0 {
			t.Errorf("mounts left: %v", left)
		}
		for path := range b.entries() {
			if path != "t/workspace" && path != "t/shared/workspace" {
				t.Errorf("left: %s", path)
			}
		}
	})
}

func overlayBench(t *testing.T, change ...func(*workspace.Options)) *bench {
	needMounts(t)
	b := newBench(t, append([]func(*workspace.Options){by(t, "overlay!")}, change...)...)
	b.put("t", project.tarball(t))
	return b
}

func TestOverlay(t *testing.T) {
	t.Run("the base stays until its last run is cleaned up", func(t *testing.T) {
		b := overlayBench(t)
		one, two := b.get("t", "one", cordon.CopyOnWrite), b.get("t", "two", cordon.CopyOnWrite)
		shrink := func() {
			t.Helper()
			_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
			must(t, err)
		}
		for _, ws := range []workspace.Workspace{one, two} {
			b.pass(0)
			shrink()
			mustBeTree(t, two.Path, project)
			if len(b.entries()["t/shared/workspace"].Holders) == 0 {
				t.Error("nobody holds the base of a live view")
			}
			b.cleanup(ws.Path, ws.Run.String())
		}
		b.mustBeTidy() // what is unmounted holds no base any more
		shrink()
		mustBeGone(t, b.path("t/shared"))
	})

	t.Run("the base outlives its time to live as long as a run holds a view of it", func(t *testing.T) {
		b := overlayBench(t, func(o *workspace.Options) { o.TTL = time.Hour })
		ws := b.get("t", "one", cordon.CopyOnWrite)
		b.pass(3 * time.Hour)
		b.sweep()
		mustBeTree(t, ws.Path, project)
		must(t, b.cache.Close())
		b.cache = b.open()
		b.pass(3 * time.Hour)
		b.sweep()
		b.sweep()
		mustBeGone(t, b.path("t/one"))
		mustBeGone(t, b.path("t/shared"))
		b.mustBeTidy()
	})

	t.Run("after a restart of the worker's container the sweep mounts what runs hold", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		must(t, os.WriteFile(ws.Path+"/mine", []byte("kept"), 0o644))
		must(t, b.cache.Close())
		mountstest.UnmountBelow(t, b.opts.Dir)
		b.cache = b.open()
		b.sweep()
		if got, err := os.ReadFile(ws.Path + "/mine"); string(got) != "kept" {
			t.Errorf("what the run wrote: %q, %v", got, err)
		}
		if again := b.get("t", "one", cordon.CopyOnWrite); !again.Hit || len(again.Notes) > 0 {
			t.Errorf("got %+v", again)
		}
	})

	t.Run("a run that asks for a view whose mount is gone gets it back with what it wrote", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		must(t, os.WriteFile(ws.Path+"/mine", []byte("kept"), 0o644))
		mountstest.UnmountBelow(t, b.opts.Dir)
		b.get("t", "one", cordon.CopyOnWrite)
		if got, err := os.ReadFile(ws.Path + "/mine"); string(got) != "kept" {
			t.Errorf("what the run wrote: %q, %v", got, err)
		}
	})

	t.Run("after a restart of the machine the run gets a fresh view, and is told", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		must(t, os.WriteFile(ws.Path+"/mine", []byte("lost"), 0o644))
		b.reboot()
		again := b.get("t", "one", cordon.CopyOnWrite)
		mustBeTree(t, again.Path, project)
		if len(again.Notes) != 1 || !strings.Contains(again.Notes[0], "restarted") || again.Path != ws.Path {
			t.Errorf("got %+v", again)
		}
		b.cleanup(ws.Path, "one")
		b.mustBeTidy()
	})

	t.Run("a workspace that somebody emptied is a miss", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		_ = exec.Command("sh", "-c", "rm -rf "+b.opts.Dir+"/*").Run() // complains of the mount
		again := b.get("t", "one", cordon.CopyOnWrite)
		mustBeTree(t, again.Path, project)
		if again.Path != ws.Path || len(again.Notes) != 1 {
			t.Errorf("got %+v", again)
		}
		b.cleanup(ws.Path, "one")
		b.sweep()
		b.mustBeTidy()
		if left := b.mounts(); len(left) != 0 {
			t.Errorf("mounts left: %v", left)
		}
	})

	t.Run("cleanup answers while a process still works there, and the rest follows it", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		f, err := os.Create(ws.Path + "/open")
		must(t, err)
		start := time.Now()
		b.cleanup(ws.Path, "one")
		if d := time.Since(start); d > time.Second {
			t.Errorf("cleanup took %v", d)
		}
		mustBeGone(t, b.path("t/one"))
		_, err = f.WriteString("still works")
		must(t, errors.Join(err, f.Close()))
		b.mustBeTidy()
	})

	t.Run("a mount that no record tells of goes with the sweep, and one that is not ours stays", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		shared := b.get("t", "two", cordon.Shared)
		must(t, os.MkdirAll(b.path("corpus/workspace"), 0o755))
		must(t, exec.Command("mount", "-t", "tmpfs", "none", b.path("corpus/workspace")).Run())
		for _, d := range []string{"records", "holds"} {
			must(t, os.RemoveAll(b.path(".cordon/"+d)))
			must(t, os.Mkdir(b.path(".cordon/"+d), 0o700))
		}
		rep, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{DryRun: true})
		must(t, err)
		if len(rep.Removals) != 2 || len(b.mounts()) != 3 {
			t.Errorf("a dry run reports %+v and leaves %v", rep.Removals, b.mounts())
		}
		b.sweep()
		if left := b.mounts(); len(left) != 1 || left[0] != "corpus/workspace" {
			t.Errorf("mounts left: %v, want the foreign one", left)
		}
		mustBeGone(t, ws.Path)
		mustBeTree(t, shared.Path, project)
	})

	t.Run("a view in a mount namespace that this one does not see is told of", func(t *testing.T) {
		b := overlayBench(t)
		ws := b.get("t", "one", cordon.CopyOnWrite)
		// A namespace that copied the mount keeps it alive when this one loses it.
		leave := b.enterElsewhere(ws.Path)
		mountstest.UnmountBelow(t, b.opts.Dir)
		mustBeKind(t, b.getErr("t", "one", cordon.CopyOnWrite), cordon.Busy, "CACHE_COW_DRIVER")
		leave()
		mustBeTree(t, b.get("t", "one", cordon.CopyOnWrite).Path, project)
	})
}

// enterElsewhere starts a process that works in dir, in a mount namespace of its own
// with copies of all mounts, and returns what ends it.
func (b *bench) enterElsewhere(dir string) (leave func()) {
	b.t.Helper()
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", `cd "$1" && echo ready && read x`, "sh", dir)
	in, err := cmd.StdinPipe()
	must(b.t, err)
	out, err := cmd.StdoutPipe()
	must(b.t, err)
	must(b.t, cmd.Start())
	_, err = io.ReadFull(out, make([]byte, len("ready\n")))
	must(b.t, err)
	return sync.OnceFunc(func() {
		_ = in.Close()
		_ = cmd.Wait() // its read fails, as it should
	})
}

// reboot makes everything in the cache look as if it were of an earlier boot.
func (b *bench) reboot() {
	b.t.Helper()
	must(b.t, b.cache.Close())
	mountstest.UnmountBelow(b.t, b.opts.Dir)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(b.t, err)
	for _, pattern := range []string{".cordon/records/*.json", "*/*/.overlay/*.json"} {
		files, err := filepath.Glob(b.path(pattern))
		must(b.t, err)
		for _, f := range files {
			content, err := os.ReadFile(f)
			must(b.t, err)
			must(b.t, os.WriteFile(f, []byte(strings.ReplaceAll(string(content), strings.TrimSpace(string(boot)), "another-boot")), 0o600))
		}
	}
	b.cache = b.open()
}

func TestDurability(t *testing.T) {
	settled := func(b *bench, n int) {
		deadline := time.Now().Add(20 * time.Second)
		for {
			all, err := filepath.Glob(b.path(".cordon/settled/[^.]*"))
			must(t, err)
			if len(all) >= n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d entries are settled, want %d", len(all), n)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	t.Run("what has reached the disk survives a restart of the machine", func(t *testing.T) {
		b := newBench(t, by(t, "copy!"))
		b.put("t", project.tarball(t))
		for i, m := range modes {
			b.get("t", name("run%d", i), m)
		}
		must(t, os.WriteFile(b.path("t/run0/workspace/mine"), []byte("kept"), 0o644))
		settled(b, 4)
		b.reboot()
		for i, m := range modes {
			if ws := b.get("t", name("run%d", i), m); !ws.Hit || len(ws.Notes) > 0 {
				t.Errorf("%s: %+v", m, ws)
			}
		}
		if got, _ := os.ReadFile(b.path("t/run0/workspace/mine")); string(got) != "kept" {
			t.Errorf("what a run wrote: %q", got)
		}
		for i := range modes {
			b.cleanup(b.path(name("t/run%d/workspace", i)), name("run%d", i))
		}
		b.sweep()
		all, err := os.ReadDir(b.path(".cordon/settled"))
		must(t, err)
		if len(all) > 2 { // of the shared tree and the base
			t.Errorf("%d notes of what is gone", len(all)-2)
		}
	})

	t.Run("what has not reached the disk is a miss after a restart of the machine", func(t *testing.T) {
		b := newBench(t, by(t, "copy!"))
		b.put("t", project.tarball(t))
		for i, m := range modes {
			b.get("t", name("run%d", i), m)
		}
		b.reboot()
		for i, m := range modes {
			ws := b.get("t", name("run%d", i), m)
			mustBeTree(t, ws.Path, project)
			if m != cordon.Shared && len(ws.Notes) != 1 {
				t.Errorf("%s: %+v", m, ws)
			}
		}
		if n := b.store.opens.Load(); n != 4 {
			t.Errorf("%d downloads, want 4", n)
		}
	})

	t.Run("a process that ended early leaves the rest to the sweep", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		b.get("t", "one", cordon.Isolated)
		must(t, b.cache.Close())
		b.cache = b.open()
		b.pass(time.Minute)
		b.sweep()
		settled(b, 1)
	})

	t.Run("a record that a power failure emptied does not leak what it told of", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		for i, m := range modes {
			b.get("t", name("run%d", i), m)
		}
		must(t, b.cache.Close())
		mountstest.UnmountBelow(t, b.opts.Dir)
		records, err := filepath.Glob(b.path(".cordon/records/*"))
		must(t, err)
		for _, r := range records {
			must(t, os.Truncate(r, 0))
		}
		b.cache = b.open()
		b.sweep()
		left, err := filepath.Glob(b.path("[^.]*/*"))
		must(t, err)
		if len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		b.mustBeTidy()
	})
}

func TestDriverSetting(t *testing.T) {
	t.Run("a driver that is required and does not work is an error that says why", func(t *testing.T) {
		b := newBench(t, by(t, "snapshot!"))
		b.put("t", project.tarball(t))
		c, err := b.cache.CowDriver()
		if err == nil {
			t.Skipf("this file system has %s", c.Name)
		}
		mustBeKind(t, err, cordon.InvalidArgument, "snapshot!", "btrfs")
		mustBeKind(t, b.getErr("t", "one", cordon.CopyOnWrite), cordon.InvalidArgument, "btrfs")
		b.get("t", "two", cordon.Isolated)
		b.mustBeTidy()
	})

	t.Run("a view that the wished driver cannot make is made by another one, and the run is told why", func(t *testing.T) {
		needMounts(t)
		b := newBench(t, on(t, "btrfs"), by(t, "overlay!"))
		b.put("t", project.tarball(t))
		held := b.get("t", "one", cordon.CopyOnWrite) // its base is a plain directory
		by(t, "snapshot")(&b.opts)
		b.cache = b.open()
		ws := b.get("t", "two", cordon.CopyOnWrite)
		if ws.Driver != "overlay" || len(ws.Notes) != 1 || !strings.Contains(ws.Notes[0], "subvolume") || b.log.count("falls back to another driver") != 1 {
			t.Errorf("got %+v", ws)
		}
		mustBeTree(t, ws.Path, project)
		b.cleanup(held.Path, "one")
		b.cleanup(ws.Path, "two")
		b.mustBeTidy()
		for deadline := time.Now().Add(10 * time.Second); ; { // the views' holds on the base end behind the caller's back
			ws := b.get("t", "three", cordon.CopyOnWrite)
			if ws.Driver == "snapshot" && len(ws.Notes) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("with a base of nobody's it is made by %s: %v", ws.Driver, ws.Notes)
			}
			b.cleanup(ws.Path, "three")
			time.Sleep(50 * time.Millisecond)
		}
	})

	t.Run("a user who may not mount gets a driver that works, and the reason", func(t *testing.T) {
		if !asuser.Unprivileged(t) {
			return
		}
		b := newBench(t)
		b.put("t", project.tarball(t))
		c, err := b.cache.CowDriver()
		must(t, err)
		if c.Name == "overlay" || c.Why == nil || !strings.Contains(c.Why.Error(), "overlay") {
			t.Errorf("choice %+v", c)
		}
		ws := b.get("t", "one", cordon.CopyOnWrite)
		if ws.Driver != c.Name {
			t.Errorf("made by %s, chosen was %s", ws.Driver, c.Name)
		}
		mustBeTree(t, ws.Path, project)
	})
}

// A target that is one file shares its blocks with the base where it can.
func TestFileTarget(t *testing.T) {
	perDriver(t, func(t *testing.T, b *bench) {
		content := random(7, 4<<20)
		b.put("t", content)
		one, two := b.get("t", "one", cordon.CopyOnWrite), b.get("t", "two", cordon.CopyOnWrite)
		must(t, os.WriteFile(one.Path, []byte("mine"), 0o644))
		for _, p := range []string{two.Path, b.path("t/shared/target")} {
			if got, err := os.ReadFile(p); string(got) != string(content) {
				t.Errorf("%s changed with the other run's: %v", p, err)
			}
		}
		b.cleanup(one.Path, "one")
		b.cleanup(two.Path, "two")
		b.mustBeTidy()
	})
}
