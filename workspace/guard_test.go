package workspace_test

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
	"github.com/cordonlabs/cordon/workspace/driver"
)

var raceTime = flag.Duration("race-time", 2*time.Second, "how long each test goes on that waits for two calls to meet")

// A bind mount from elsewhere whose path ends alike is not the cache's.
func TestForeignBind(t *testing.T) {
	needMounts(t)
	b := newBench(t)
	src := filepath.Join(b.top, "srv/corpus/workspace")
	must(t, os.MkdirAll(src, 0o755))
	must(t, os.MkdirAll(b.path("corpus/workspace"), 0o755))
	must(t, exec.Command("mount", "--bind", src, b.path("corpus/workspace")).Run())
	b.sweep()
	if len(b.mounts()) != 1 {
		t.Error("the sweep unmounted what the operator mounted")
	}
}

// What a run mounted in its workspace goes with it, and what is mounted there stays.
func TestMountInAWorkspaceGoesWithIt(t *testing.T) {
	needMounts(t)
	b := newBench(t)
	b.put("T", project.tarball(t))
	ws := b.get("T", "R", cordon.Isolated)
	outside := t.TempDir()
	must(t, os.WriteFile(outside+"/corpus", []byte("x"), 0o644))
	must(t, exec.Command("mount", "--bind", outside, ws.Path+"/pkg/data").Run())
	b.cleanup(ws.Path, "R")
	b.mustBeTidy()
	if m := b.mounts(); len(m) != 0 {
		t.Errorf("mounted: %v", m)
	}
	mustExist(t, outside+"/corpus")
}

// One entry that cannot be moved does not keep others from being evicted.
func TestEvictionGoesOn(t *testing.T) {
	needMounts(t)
	const mb = 1 << 20
	b := newBench(t, limited(4*mb))
	for _, id := range []string{"A", "B", "C"} {
		b.put(id, random(id[0], mb+mb/2))
	}
	for _, id := range []string{"A", "B"} {
		b.cleanup(b.get(id, "R", cordon.Shared).Path, "R")
		b.pass(time.Minute)
	}
	must(t, exec.Command("mount", "--bind", b.path("A"), b.path("A")).Run()) // renaming out of it: EXDEV
	if _, err := b.cache.Get(t.Context(), request("C", "R", cordon.Shared)); err != nil {
		t.Errorf("B could have been evicted: %v", err)
	}
}

// A cleanup that meets a sweep's lock is carried out.
func TestCleanupDuringRemount(t *testing.T) {
	b := overlayBench(t)
	ws := b.get("t", "one", cordon.CopyOnWrite)
	defer b.enterElsewhere(ws.Path)()
	mountstest.UnmountBelow(t, b.opts.Dir)
	done := make(chan struct{})
	go func() { defer close(done); b.sweep() }()
	waitFor(t, func() bool { // until the sweep tries to mount it again
		f, err := os.Open(b.path(".cordon/locks/" + keyOf("run", "t", "one")))
		must(t, err)
		defer f.Close()
		return unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil
	})
	time.Sleep(20 * time.Millisecond) // past the lock that entries takes for an instant
	got := b.cleanup(ws.Path, "one")
	<-done
	if got.Outcome != workspace.Scheduled {
		t.Skipf("not in time: %+v", got)
	}
	time.Sleep(time.Second)
	if left, _ := os.ReadDir(b.path(".cordon/tombstones")); len(left) > 0 {
		t.Errorf("the cleanup that was scheduled is carried out by nobody: %v", left)
	}
	mustBeGone(t, b.path("t/one"))
}

// What a full disk says of a driver is not remembered.
func TestProbeOnAFullDisk(t *testing.T) {
	needMounts(t)
	dir := loopfs.New(t, "tmpfs", 64<<20, "nr_inodes=200")
	b := newBench(t, by(t, "overlay!"), func(o *workspace.Options) { o.Dir = filepath.Join(dir, "cache") })
	b.put("t", project.tarball(t))
	var fill []string
	for i := 0; ; i++ {
		f := filepath.Join(dir, name("fill%d", i))
		if os.WriteFile(f, nil, 0o644) != nil {
			break
		}
		fill = append(fill, f)
	}
	for _, f := range fill[:8] {
		must(t, os.Remove(f))
	}
	_, err := b.cache.CowDriver()
	t.Logf("while it is full: %v (kind %s)", err, cordon.KindOf(err))
	for _, f := range fill[8:] {
		must(t, os.Remove(f))
	}
	if _, err := b.cache.Get(t.Context(), request("t", "one", cordon.CopyOnWrite)); err != nil {
		t.Errorf("with room again: %v (kind %s)", err, cordon.KindOf(err))
	}
}

// A view takes no longer beside many others.
func TestViewBesideMany(t *testing.T) {
	b := overlayBench(t, func(o *workspace.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	one := func(run string) time.Duration {
		start := time.Now()
		b.get("t", run, cordon.CopyOnWrite)
		return time.Since(start)
	}
	one("first")
	const n, few = 400, 40
	var took []time.Duration
	for i := range n {
		took = append(took, one(name("r%d", i)))
	}
	early, late := slices.Sorted(slices.Values(took[:few]))[few/2], slices.Sorted(slices.Values(took[n-few:]))[few/2]
	if late > 3*early {
		t.Errorf("a view takes %v with few others, %v with %d others", early, late, n)
	}
}

// Cleaning up a shared path does not wait for a process that was stopped.
func TestCleanupDoesNotWait(t *testing.T) {
	needMounts(t)
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	f, err := os.OpenFile(b.path(".cordon/locks/"+keyOf("chooser", "t")), os.O_RDWR|os.O_CREATE, 0o644)
	must(t, err)
	defer f.Close()
	must(t, unix.Flock(int(f.Fd()), unix.LOCK_EX)) // a process that was stopped
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	start := time.Now()
	_, err = b.cache.Cleanup(ctx, ws.Path, workspace.Caller{Run: "one"})
	if d := time.Since(start); d > time.Second {
		t.Errorf("Cleanup took %v, %v", d, err)
	}
}

// A run that gets a tree while another lets go of it has it mounted.
func TestUnmountBesideMount(t *testing.T) {
	needMounts(t)
	b := newBench(t, func(o *workspace.Options) { o.Logger = slog.New(slog.DiscardHandler) })
	b.put("t", tree{"a": "1"}.tarball(t))
	other := b.open()
	b.get("t", "a", cordon.Shared)
	bare, rounds := 0, 0
	for start := time.Now(); time.Since(start) < *raceTime; rounds++ {
		var wg sync.WaitGroup
		wg.Go(func() { b.cleanup(b.path("t/workspace"), "a") })
		wg.Go(func() {
			_, err := other.Get(t.Context(), request("t", "b", cordon.Shared))
			must(t, err)
		})
		wg.Wait()
		if len(b.mounts()) == 0 {
			bare++
		}
		b.get("t", "a", cordon.Shared)
		b.cleanup(b.path("t/workspace"), "b")
	}
	if bare > 0 {
		t.Errorf("%d of %d times a run holds a shared tree that root may write", bare, rounds)
	}
}

// An unmount beside an eviction is nobody's error.
func TestUnmountBesideEviction(t *testing.T) {
	needMounts(t)
	var lg lines
	b := newBench(t, func(o *workspace.Options) { o.Logger = slog.New(slog.NewTextHandler(&lg, nil)) })
	b.put("t", tree{"a": "1"}.tarball(t))
	rounds := 0
	bad := map[string]int{}
	for start := time.Now(); time.Since(start) < *raceTime; rounds++ {
		b.get("t", "a", cordon.Shared)
		var wg sync.WaitGroup
		wg.Go(func() { b.cleanup(b.path("t/workspace"), "a") })
		wg.Go(func() {
			for range 3 {
				rep, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
				must(t, err)
				for _, d := range rep.Deferred {
					if strings.Contains(d.Reason, ":") {
						bad[d.Reason]++
					}
				}
			}
		})
		wg.Wait()
		lg.buf.Store(nil)
	}
	for r, n := range bad {
		t.Errorf("%d of %d: %s", n, rounds, r)
	}
}

// A base stays as long as a view of it is mounted, also one that was cleaned up.
func TestBaseOutlivesBusyView(t *testing.T) {
	b := overlayBench(t)
	ws := b.get("t", "one", cordon.CopyOnWrite)
	d, err := os.OpenRoot(ws.Path)
	must(t, err)
	defer d.Close()
	b.cleanup(ws.Path, "one")
	_, err = b.cache.Sweep(t.Context(), workspace.SweepOptions{Shrink: true})
	must(t, err)
	time.Sleep(300 * time.Millisecond)
	if _, err := d.ReadFile("pkg/run.sh"); err != nil {
		t.Errorf("a tool that still works in the view: %v", err)
	}
}

// The process that made a view lives on while another one cleans it up, in use, and
// ends before it is unmounted.
func TestBaseIsLetGoByWhoeverIsLeft(t *testing.T) {
	b := overlayBench(t)
	ws := b.get("t", "one", cordon.CopyOnWrite)
	f, err := os.Open(ws.Path + "/main.py")
	must(t, err)
	other := b.open()
	_, err = other.Cleanup(t.Context(), ws.Path, workspace.Caller{Run: "one"})
	must(t, err)
	must(t, other.Close())
	b.sweep()
	if n := len(b.entries()["t/shared/workspace"].Holders); n != 1 {
		t.Errorf("%d holds on the base of a view that is still mounted", n)
	}
	must(t, f.Close())
	b.sweep() // unmounts and deletes
	b.sweep() // finds that nothing needs the base
	if n := len(b.entries()["t/shared/workspace"].Holders); n != 0 {
		t.Errorf("%d holds on the base of a view that is gone", n)
	}
}

// A sweep from another mount namespace leaves views to their workers.
func TestSweepFromElsewhere(t *testing.T) {
	b := overlayBench(t)
	inside := func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = "/usr/bin/unshare", []string{"unshare", "-m", "--propagation", "private", os.Args[0]}
	}
	p := b.process(inside)
	if a, ok := p.do(command{"get", "t", "one", "copy-on-write"}); !ok || a.Err != "" {
		t.Fatal(a)
	}
	p.kill() // the container is restarted; meanwhile somebody runs "cordon cache" on the host
	again := b.process(inside)
	again.do(command{"get", "t", "other", "isolated"}) // it is in its own namespace by now
	time.Sleep(200 * time.Millisecond)
	_, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{}) // as commands do
	must(t, err)
	a, _ := again.do(command{"get", "t", "one", "copy-on-write"})
	if a.Err != "" {
		t.Errorf("the restarted worker: %s", a.Err)
	}
}

// A Get while the last hold of another run ends.
func TestGetBesideUnmount(t *testing.T) {
	needMounts(t)
	const mb = 1 << 20
	b := newBench(t, limited(3*mb))
	b.put("A", tree{"a": string(random(1, mb))}.tarball(t))
	b.put("B", random(2, 2*mb))
	other := b.open()
	n := 0
	for start := time.Now(); time.Since(start) < *raceTime; n++ {
		b.get("A", "R", cordon.Shared)
		done := make(chan struct{})
		go func() { defer close(done); b.cleanup(b.path("A/workspace"), "R") }()
		ws, err := other.Get(t.Context(), request("B", "R", cordon.Isolated))
		<-done
		if err != nil && cordon.KindOf(err) != cordon.NoSpace {
			t.Fatalf("after %d rounds: kind %q: %v", n, cordon.KindOf(err), err)
		}
		if err == nil {
			b.cleanup(ws.Path, "R")
		}
	}
	t.Log(n)
}

// A process that is out of descriptors does not take a view for broken.
func TestOutOfDescriptors(t *testing.T) {
	b := overlayBench(t)
	b.get("t", "one", cordon.CopyOnWrite)
	dir, err := os.OpenRoot(b.path("t/one"))
	must(t, err)
	defer dir.Close()
	d := driver.Named("overlay")
	must(t, d.Check(dir, "workspace"))
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	low := old
	low.Cur = 3
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	err = d.Check(dir, "workspace")
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	if errors.Is(err, driver.ErrBroken) {
		t.Error(err)
	}
}

// A tree that cannot be mounted does not turn the guard off for others.
func TestGuardIsPerTree(t *testing.T) {
	needMounts(t)
	b := newBench(t)
	b.put("A", project.tarball(t))
	b.put("B", project.tarball(t))
	b.cleanup(b.get("A", "one", cordon.Shared).Path, "one")
	must(t, exec.Command("mount", "--bind", b.path("A"), b.path("A")).Run())
	must(t, exec.Command("mount", "--make-unbindable", b.path("A")).Run())
	b.get("A", "two", cordon.Shared)
	b.get("B", "three", cordon.Shared)
	for _, m := range b.mounts() {
		if m == "B/workspace" {
			return
		}
	}
	t.Errorf("B is not guarded: %v", b.mounts())
}
