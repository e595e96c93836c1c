package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// What is in quarantine goes when its own replacement needs the room.
func TestQuarantineMakesRoom(t *testing.T) {
	const mb = 1 << 20
	needRoot(t)
	b := newBench(t, limited(5*mb))
	b.put("t", tree{"blob": strings.Repeat("0123456789abcdef", 3*mb/16)}.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.cleanup(ws.Path, "one")
	b.tamper(ws.Path + "/blob")
	for i := range 3 {
		if _, err := b.cache.Get(t.Context(), request("t", name("run%d", i), cordon.Shared)); err != nil {
			t.Errorf("attempt %d: %v", i, err)
		}
		b.sweep()
	}
}

// A crash in the middle of a quarantine does not keep the target from being used.
func TestQuarantineAfterACrash(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.cleanup(ws.Path, "one")
	b.tamper(ws.Path + "/main.py")
	staging := b.recordOf(keyOf("shared", "t"))["staging"].(string)
	must(t, os.Mkdir(b.path(".cordon/quarantine/"+keyOf("quarantine", staging)), 0o700)) // what kill -9 left
	ws, err := b.cache.Get(t.Context(), request("t", "two", cordon.Shared))
	must(t, err)
	mustBeTree(t, ws.Path, project)
}

// A new file at the top is noticed, although its time was put back.
func TestNewFileAtTheTop(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.cleanup(ws.Path, "one")
	mountstest.UnmountBelow(t, b.opts.Dir)
	info, err := os.Stat(ws.Path)
	must(t, err)
	must(t, os.WriteFile(ws.Path+"/conftest.py", []byte("evil"), 0o644))
	must(t, os.Chtimes(ws.Path, info.ModTime(), info.ModTime()))
	mustBeTree(t, b.get("t", "two", cordon.Shared).Path, project)
	b.sweep()
	mustBeTree(t, b.get("t", "three", cordon.CopyOnWrite).Path, project)
}

// A target that is one file is guarded like a tree.
func TestSharedFile(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.put("t", []byte("original"))
	ws := b.get("t", "one", cordon.Shared)
	if err := os.WriteFile(ws.Path, []byte("tampered"), 0o644); err == nil && mayMount(t) {
		t.Error("root wrote to a shared file")
	}
	b.cleanup(ws.Path, "one")
	b.tamper(ws.Path)
	for i, m := range []cordon.Mode{cordon.Shared, cordon.CopyOnWrite} {
		if got, _ := os.ReadFile(b.get("t", name("r%d", i), m).Path); string(got) != "original" {
			t.Errorf("%s: the next run got %q", m, got)
		}
	}
}

// A directory in quarantine that cannot be entered does not end a sweep.
func TestSweepDoesNotEnterTheQuarantine(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.cleanup(ws.Path, "one")
	must(t, os.Chmod(ws.Path+"/pkg/data", 0)) // by a run of the same user
	t.Cleanup(func() { b.shell("chmod -R u+rwx cache") })
	b.get("t", "two", cordon.Shared)
	if _, err := b.cache.Sweep(t.Context(), workspace.SweepOptions{}); err != nil {
		t.Errorf("the sweep ends early: %v", err)
	}
}

// Files in quarantine that look like temporary ones of the cache stay.
func TestSweepKeepsEvidence(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.put("t", tree{"d": "dir", "d/.tmp-x": "1", "a": "2"}.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.cleanup(ws.Path, "one")
	b.tamper(ws.Path + "/a")
	b.get("t", "two", cordon.Shared)
	b.sweep()
	all, _ := filepath.Glob(b.path(".cordon/quarantine/*/workspace/d/.tmp-x"))
	if len(all) != 1 {
		t.Error("the sweep took a file of the evidence away")
	}
}

// What was published in an earlier boot is listed in quarantine as well.
func TestQuarantineOfAnEarlierBoot(t *testing.T) {
	needRoot(t)
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.cleanup(ws.Path, "one")
	waitFor(t, func() bool { all, _ := filepath.Glob(b.path(".cordon/settled/[^.]*")); return len(all) > 0 })
	b.reboot()
	b.tamper(ws.Path + "/main.py")
	b.get("t", "two", cordon.Shared)
	found := 0
	for _, e := range b.entries() {
		if e.Kind == workspace.KindQuarantine {
			found++
		}
	}
	on, _ := os.ReadDir(b.path(".cordon/quarantine"))
	if found == 0 {
		t.Log(*b.log.buf.Load())
	}
	if found != len(on) || found == 0 {
		t.Errorf("%d directories in quarantine, %d entries", len(on), found)
	}
}

// On a file system that counts time in seconds nothing is missed either.
func TestCoarseTimes(t *testing.T) {
	needMounts(t)
	dir := loopfs.New(t, "ext4", 64<<20, "-I", "128")
	missed := 0
	for i := range 2 {
		b := newBench(t, func(o *workspace.Options) { o.Dir = filepath.Join(dir, name("cache%d", i)) })
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Shared)
		mountstest.UnmountBelow(t, b.opts.Dir)
		f, err := os.OpenFile(ws.Path+"/main.py", os.O_WRONLY, 0)
		must(t, err)
		_, _ = f.WriteString("IMPORT")
		f.Close()
		b.cleanup(ws.Path, "one")
		time.Sleep(1100 * time.Millisecond)
		got, _ := os.ReadFile(b.get("t", "two", cordon.Shared).Path + "/main.py")
		if string(got) != "import os\n" {
			missed++
		}
	}
	if missed > 0 {
		t.Errorf("%d of 2 changes in the second of publishing were not noticed", missed)
	}
}

// A path that no system call takes is no tampering.
func TestLongPath(t *testing.T) {
	for _, n := range []int{4095, 4096} {
		t.Run(name("%d", n), func(t *testing.T) {
			b := newBench(t)
			p := strings.Repeat(strings.Repeat("d", 249)+"/", 16)
			p += strings.Repeat("f", n-len(p)) // 4000 to 4096
			b.put("t", tree{p: "x", "a": "b"}.tarball(t))
			for i := range 3 {
				ws, err := b.cache.Get(t.Context(), request("t", name("r%d", i), cordon.Shared))
				if err != nil {
					q, _ := os.ReadDir(b.path(".cordon/quarantine"))
					t.Fatalf("%v; %d in quarantine", err, len(q))
				}
				b.cleanup(ws.Path, name("r%d", i))
			}
			if n := b.store.opens.Load(); n != 1 {
				t.Errorf("%d downloads; %d times tampered", n, b.log.count("tampered with"))
			}
		})
	}
}
