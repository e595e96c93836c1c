// Package contract_test holds the rows of CONTRACT §7, the table to beat, as far
// as they are kept today, each as one test under its number. Every call goes
// the way of a user's: a workflow calls an activity by its name.
//
// With -callers=python that workflow is one in Python, of a worker of its own at a real
// server (python_test.go).
//
// Rows that a store has a part in run on the directory store and on a real MinIO
// server. What goes wrong between that and the cache (HARDNESS §4) is the table
// in fault_test.go, in which each fault has one outcome: the right tree, or an
// error of the right type and nothing left.
package contract_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/config"
)

func TestRow01_CopyOnWrite(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	cold := d.getTarget("T", "run-1", "copy-on-write")
	mustBeTree(t, cold, project)
	warm := d.getTarget("T", "run-2", "copy-on-write")
	mustBeTree(t, warm, project)
	if twice := d.getTarget("T", "run-1", "copy-on-write"); twice != cold {
		t.Errorf("the second call gave %s, the first %s", twice, cold)
	}
	mustBeTree(t, cold, project)
	if to, err := os.Readlink(filepath.Join(warm, "dangling")); err != nil || to != "nowhere" {
		t.Errorf("the dangling link is %q, %v", to, err)
	}
}

func TestRow02_CleanupOfSharedPathWithDefaultMode(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	path := d.getTarget("T", "run-1", "shared")
	d.cleanup(path)
	mustBeTree(t, path, project)
	d.cleanup(path, "isolated")
	mustBeTree(t, path, project)
	if !d.logged("Skipping cleanup for shared workspace") {
		t.Error("nothing in the log says so")
	}
}

func TestRow03_SharedFetchFailsWhileAnIsolatedRunLives(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	path := d.getTarget("T", "run-1", "isolated")
	write(t, path+"/crash", "!")
	d.put("T", project.tarball(t)[:1300]) // ends in the middle of a header
	mustFail(t, d.try("get_target", "T", "run-2", "shared"), "ArchiveRejected")
	mustBeTree(t, path, project.with("crash", "!"))
	mustNotExist(t, d.cacheDir+"/T/workspace")
}

func TestRow04_HostileArchives(t *testing.T) { onBothStores(t, row04) }

func row04(t *testing.T, newDesk func(*testing.T) *desk) {
	for what, entries := range map[string][]entry{
		"a name that climbs out":     {{name: "../escape", body: "x"}},
		"a name that climbs inside":  {{name: "a/../../escape", body: "x"}},
		"a write through a link":     {{name: "l", link: "/tmp"}, {name: "l/escape", body: "x"}},
		"a device":                   {{name: "dev", kind: '3'}},
		"a FIFO":                     {{name: "pipe", kind: '6'}},
		"a hard link to the outside": {{name: "passwd", kind: '1', link: "/etc/passwd"}},
		"a file used as a directory": {{name: "a", body: "x"}, {name: "a/b", body: "x"}},
	} {
		t.Run(what+" is refused as a whole", func(t *testing.T) {
			d := newDesk(t)
			d.put("T", tarOf(t, append(entries, entry{name: "innocent", body: "x"})...))
			for _, mode := range modes {
				mustFail(t, d.try("get_target", "T", "run-1", mode), "ArchiveRejected")
			}
			d.mustHold()
			mustNotExist(t, filepath.Dir(d.cacheDir)+"/escape")
		})
	}
	t.Run("absolute names lose their slash, links that leave the tree are left out, set-id bits are dropped", func(t *testing.T) {
		d := newDesk(t)
		d.put("T", tarOf(t, entry{name: "/abs/file", body: "x"}, entry{name: "out", link: "/etc/passwd"}, entry{name: "suid", body: "x", mode: 0o6755}))
		path := d.getTarget("T", "run-1", "isolated")
		mustBeTree(t, path, tree{"abs": "dir", "abs/file": "x", "suid": "x"})
		info, err := os.Stat(path + "/suid")
		if err != nil || info.Mode() != 0o755 {
			t.Errorf("mode = %v, %v", info.Mode(), err)
		}
	})
}

func TestRow05_IllegalIDs(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	for _, bad := range []string{"a/b", "..", "../T", ".", ".cordon", "shared", "workspace", "target", "a\x00b", strings.Repeat("x", 201)} {
		mustFail(t, d.try("get_target", bad, "run-1"), "InvalidArgument", "target_id")
		mustFail(t, d.try("get_target", "T", bad), "InvalidArgument", "run_id")
	}
	mustFail(t, d.try("get_target", ""), "InvalidArgument", "target_id")
	names, err := os.ReadDir(d.cacheDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n.Name() != ".cordon" && n.Name() != "CACHEDIR.TAG" {
			t.Errorf("something was made: %s", n.Name())
		}
	}
}

func TestRow06_SecondRunAsksWhileTheFirstExtracts(t *testing.T) { onBothStores(t, row06) }

func row06(t *testing.T, newDesk func(*testing.T) *desk) {
	for _, mode := range []string{"shared", "copy-on-write"} {
		t.Run(mode+", the same process", func(t *testing.T) {
			d := newDesk(t)
			d.put("T", large.tarball(t))
			var wg sync.WaitGroup
			for _, run := range []string{"run-1", "run-2"} {
				wg.Go(func() { mustBeTree(t, d.getTarget("T", run, mode), large) })
			}
			wg.Wait()
			if n := d.downloads(); n != 1 {
				t.Errorf("%d downloads", n)
			}
		})
		t.Run(mode+", another process", func(t *testing.T) {
			d := newDesk(t)
			d.put("T", large.tarball(t))
			if n := d.processes(2, 1, "T", mode, large); n != 1 {
				t.Errorf("%d downloads", n)
			}
		})
	}
}

func TestRow07_SizesAreAccepted(t *testing.T) {
	for value, want := range map[string]int64{"500MB": 500_000_000, "10GiB": 10 << 30, "1TB": 1_000_000_000_000, "10": 10_000_000_000, "10GB": 10_000_000_000} {
		cfg, err := config.FromEnv(func(name string) string {
			if name == "CACHE_MAX_SIZE" {
				return value
			}
			return ""
		})
		if err != nil || cfg.MaxSize.Of(0) != want {
			t.Errorf("CACHE_MAX_SIZE=%s is %d, %v; want %d", value, cfg.MaxSize.Of(0), err, want)
		}
	}
}

func TestRow10_ObjectReplaced(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			d := newDesk(t)
			d.put("T", project.tarball(t))
			old := d.getTarget("T", "run-1", mode)
			newer := tree{"new.py": "x"}
			d.put("T", newer.tarball(t))
			fresh := d.getTarget("T", "run-2", mode)
			mustBeTree(t, fresh, newer)
			mustBeTree(t, old, project)
			if mode == "shared" && fresh != d.cacheDir+"/T/run-2/workspace" {
				t.Errorf("the second path is %s", fresh)
			}
			if again := d.getTarget("T", "run-1", mode); again != old {
				t.Errorf("the live run's path became %s", again)
			}
		})
	}
}

func TestRow14_TargetOrBucketMissing(t *testing.T) {
	onBothStores(t, func(t *testing.T, newDesk func(*testing.T) *desk) {
		d := newDesk(t)
		d.put("other", project.tarball(t))
		empty := newDeskOn(t, d.shelf.elsewhere())
		for _, mode := range modes {
			began := time.Now()
			mustFail(t, d.try("get_target", "missing", "run-1", mode), "TargetNotFound", "missing", d.shelf.place())
			mustFail(t, empty.try("get_target", "other", "run-1", mode), "TargetNotFound", "other", empty.shelf.place())
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s: two calls failed after %v", mode, took)
			}
		}
		d.mustHold()
		empty.mustHold()
	})
}

func TestRow17_HundredRunsOneDownload(t *testing.T) {
	onBothStores(t, func(t *testing.T, newDesk func(*testing.T) *desk) {
		d := newDesk(t)
		d.put("T", large.tarball(t))
		if n := d.processes(4, 25, "T", "shared", large); n != 1 {
			t.Errorf("%d downloads, want 1", n)
		}
	})
}

func TestRow19_CacheEmptiedUnderARunningWorker(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			d := newDesk(t)
			d.put("T", project.tarball(t))
			d.getTarget("T", "run-1", mode)
			// rm may say that a held shared tree is read-only, and that a view is a
			// mount point; it takes everything else.
			d.shell(`rm -rf "$CACHE_DIR"/* || true`)
			mustBeTree(t, d.getTarget("T", "run-1", mode), project)
			mustBeTree(t, d.getTarget("T", "run-2", mode), project)
		})
	}
}

func TestRow20_OnlyMetadataIsChanged(t *testing.T) {
	d := newDesk(t)
	d.put("T", project.tarball(t))
	d.metadata("workspace_isolation: isolated")
	if got, want := d.getTarget("T", "run-1", "isolated"), d.cacheDir+"/T/run-1/workspace"; got != want {
		t.Errorf("path = %s, want %s", got, want)
	}
	d.metadata("workspace_isolation: shared")
	if got, want := d.getTarget("T", "run-2", "isolated"), d.cacheDir+"/T/workspace"; got != want {
		t.Errorf("after the edit: path = %s, want %s", got, want)
	}
	if !d.logged("isolated") || !d.logged("shared") {
		t.Error("no warning names both modes")
	}
}
