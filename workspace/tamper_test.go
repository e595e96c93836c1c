package workspace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// tamper changes a file of a tree in the cache as somebody does whom neither
// modes nor mounts stop.
func (b *bench) tamper(path string) {
	b.t.Helper()
	mountstest.UnmountBelow(b.t, b.opts.Dir)
	must(b.t, os.Chmod(path, 0o644))
	must(b.t, os.WriteFile(path, []byte("tampered"), 0o644))
}

func TestTampering(t *testing.T) {
	needRoot(t)
	quarantined := func(b *bench) (all []workspace.Entry) {
		for _, e := range b.entries() {
			if e.Kind == workspace.KindQuarantine {
				all = append(all, e)
			}
		}
		return all
	}

	t.Run("a shared tree that was changed goes to quarantine, and the next run gets a fresh one", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Shared)
		b.cleanup(ws.Path, "one")
		b.tamper(ws.Path + "/pkg/data/blob")
		again := b.get("t", "two", cordon.Shared)
		if again.Path != ws.Path || again.Hit {
			t.Errorf("got %+v, want a fetched tree at the same path", again)
		}
		mustBeTree(t, again.Path, project)
		q := quarantined(b)
		if len(q) != 1 {
			t.Fatalf("%d entries in quarantine, want one", len(q))
		}
		if got, err := os.ReadFile(q[0].Path + "/pkg/data/blob"); string(got) != "tampered" {
			t.Errorf("quarantine has %q, %v", got, err)
		}
		if b.log.count("tampered with") == 0 || !strings.Contains(q[0].Tampered, "pkg/data/blob") {
			t.Errorf("nobody is told which file it was: %q", q[0].Tampered)
		}
		b.mustBeTidy()
	})

	for what, change := range map[string]func(string) error{
		"a mode":              func(p string) error { return os.Chmod(p+"/main.py", 0o755) },
		"a time that was set": func(p string) error { return os.Chtimes(p+"/pkg/run.sh", longAgo, longAgo) },
		"a file that is gone": func(p string) error {
			return os.Remove(p + "/pkg/data/blob")
		},
		"a file that is new": func(p string) error { return os.WriteFile(p+"/pkg/data/new", nil, 0o644) },
		"a new one at the top": func(p string) error {
			return os.WriteFile(p+"/new", nil, 0o644)
		},
		"a link that points elsewhere": func(p string) error {
			_ = os.Remove(p + "/pkg/link")
			return os.Symlink("/etc/passwd", p+"/pkg/link")
		},
		"content whose time and size were put back": func(p string) error {
			info, err := os.Stat(p + "/main.py")
			if err != nil {
				return err
			}
			_ = os.Chmod(p+"/main.py", 0o644)
			f, err := os.OpenFile(p+"/main.py", os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, _ = f.WriteString("IMPORT")
			f.Close()
			_ = os.Chmod(p+"/main.py", info.Mode())
			return os.Chtimes(p+"/main.py", info.ModTime(), info.ModTime())
		},
	} {
		t.Run("it is noticed: "+what, func(t *testing.T) {
			b := newBench(t)
			b.put("t", project.tarball(t))
			ws := b.get("t", "one", cordon.Shared)
			mountstest.UnmountBelow(t, b.opts.Dir)
			must(t, change(ws.Path))
			b.cleanup(ws.Path, "one")
			mustBeTree(t, b.get("t", "two", cordon.Shared).Path, project)
			if len(quarantined(b)) != 1 {
				t.Error("nothing is in quarantine")
			}
		})
	}

	t.Run("a tree that a run holds stays for that run, and others get a path of their own", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Shared)
		b.tamper(ws.Path + "/main.py")
		two := b.get("t", "two", cordon.Shared)
		if two.Path == ws.Path {
			t.Fatal("the second run got the tree that was tampered with")
		}
		mustBeTree(t, two.Path, project)
		if got := b.get("t", "one", cordon.Shared); got.Path != ws.Path {
			t.Errorf("the run that has it got %s", got.Path)
		}
		b.cleanup(ws.Path, "one")
		three := b.get("t", "three", cordon.Shared)
		if three.Path != ws.Path {
			t.Errorf("after its last hold the path is not used again: %s", three.Path)
		}
		mustBeTree(t, three.Path, project)
		if len(quarantined(b)) != 1 {
			t.Error("nothing is in quarantine")
		}
	})

	t.Run("a base that was changed gives no more views", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		one := b.get("t", "one", cordon.CopyOnWrite)
		b.tamper(b.path("t/shared/workspace/main.py"))
		mustBeTree(t, b.get("t", "two", cordon.CopyOnWrite).Path, project)
		b.cleanup(one.Path, "one")
		mustBeTree(t, b.get("t", "three", cordon.CopyOnWrite).Path, project)
		if b.store.opens.Load() < 2 {
			t.Error("it was not fetched again")
		}
	})

	t.Run("a sweep looks at all of what is held", func(t *testing.T) {
		b := newBench(t)
		big := tree{}
		for i := range 1500 {
			big[name("f%04d", i)] = "x"
		}
		b.put("t", big.tarball(t))
		ws := b.get("t", "one", cordon.Shared)
		b.tamper(ws.Path + "/f1499")
		b.sweep()
		if b.log.count("tampered with") != 1 {
			t.Errorf("the sweep did not notice:\n%s", *b.log.buf.Load())
		}
	})

	t.Run("a manifest that is damaged is a miss", func(t *testing.T) {
		b := newBench(t)
		b.put("t", project.tarball(t))
		ws := b.get("t", "one", cordon.Shared)
		b.cleanup(ws.Path, "one")
		for i, content := range []string{"", "garbage", strings.Repeat("\xff", 4096), "cordon manifest\x01" + strings.Repeat("\xff", 4096)} {
			all, err := filepath.Glob(b.path(".cordon/manifests/*"))
			must(t, err)
			for _, m := range all {
				must(t, os.WriteFile(m, []byte(content), 0o600))
			}
			run := name("again%d", i)
			mustBeTree(t, b.get("t", run, cordon.Shared).Path, project)
			b.cleanup(ws.Path, run)
		}
	})
}

func TestSharedTreeIsMountedReadOnly(t *testing.T) {
	b := newBench(t)
	b.put("t", project.tarball(t))
	ws := b.get("t", "one", cordon.Shared)
	b.get("t", "two", cordon.Shared)
	if err := os.WriteFile(ws.Path+"/new", nil, 0o644); err == nil {
		t.Error("a shared tree was written to")
	}
	if !mayMount(t) {
		return
	}
	for what, err := range map[string]error{
		"write":  os.WriteFile(ws.Path+"/main.py", nil, 0o644),
		"chmod":  os.Chmod(ws.Path+"/main.py", 0o777),
		"remove": os.Remove(ws.Path + "/main.py"),
		"touch":  os.Chtimes(ws.Path+"/main.py", longAgo, longAgo),
		"xattr":  unix.Setxattr(ws.Path+"/main.py", "user.x", []byte("y"), 0),
	} {
		if err == nil || !strings.Contains(err.Error(), unix.EROFS.Error()) {
			t.Errorf("%s by root: %v, want EROFS", what, err)
		}
	}
	b.cleanup(ws.Path, "one")
	if len(b.mounts()) != 1 {
		t.Errorf("mounts while a run holds the tree: %v", b.mounts())
	}
	b.cleanup(ws.Path, "two")
	if len(b.mounts()) != 0 {
		t.Errorf("mounts when no run holds it any more: %v", b.mounts())
	}
	mustBeTree(t, ws.Path, project)
	b.get("t", "three", cordon.Shared)
	mountstest.UnmountBelow(t, b.opts.Dir)
	b.get("t", "three", cordon.Shared)
	if len(b.mounts()) != 1 {
		t.Error("a mount that somebody took away was not put back")
	}
	mountstest.UnmountBelow(t, b.opts.Dir)
	b.sweep()
	if len(b.mounts()) != 1 {
		t.Error("the sweep did not put the mount of a held tree back")
	}
}
