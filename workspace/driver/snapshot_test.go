package driver_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/internal/rmtree"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// onBtrfs runs test on a btrfs of its own, as root and as an ordinary user.
func onBtrfs(t *testing.T, test func(t *testing.T, dir string)) {
	t.Run("root", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("needs root")
		}
		test(t, loopfs.New(t, "btrfs", 256<<20))
	})
	t.Run("nobody", func(t *testing.T) {
		// The second process has its temporary files on what the first one mounted.
		const mounted = "CORDON_TEST_BTRFS"
		if os.Getenv(mounted) == "" {
			t.Setenv("TMPDIR", loopfs.New(t, "btrfs", 256<<20))
			t.Setenv(mounted, "1")
		}
		if asuser.Unprivileged(t) {
			test(t, t.TempDir())
		}
	})
}

// snapshotOf makes a base as a subvolume in dir, and a view of it.
func snapshotOf(t *testing.T, dir string) trees {
	t.Helper()
	tr := trees{t, dir}
	root, err := os.OpenRoot(dir)
	tr.must(err)
	defer root.Close()
	tr.must(driver.Snapshot{}.MakeBase(root, "base"))
	tr.write("base/dir/file", "content")
	tr.must(root.Mkdir("run", 0o755))
	job := tr.job("tree")
	if job.Dir, err = root.OpenRoot("run"); err != nil {
		t.Fatal(err)
	}
	defer job.Dir.Close()
	_, err = driver.Snapshot{}.Create(t.Context(), job)
	tr.must(err)
	return tr
}

// delete deletes name in the way the cache does, with the directory run.
func (tr trees) delete() {
	tr.Helper()
	run, err := os.OpenRoot(tr.path("run"))
	tr.must(err)
	defer run.Close()
	tr.must(driver.Release(run, "tree"))
	d, err := os.Open(tr.dir)
	tr.must(err)
	defer d.Close()
	if err := rmtree.Remove(context.Background(), d, "run"); err != nil {
		tr.Errorf("it cannot be deleted: %v", err)
	}
	if _, err := os.Lstat(tr.path("run")); err == nil {
		tr.Error("it is still there")
	}
}

func (tr trees) btrfs(args ...string) {
	tr.Helper()
	if _, err := exec.LookPath("btrfs"); err != nil {
		tr.Skipf("needs btrfs-progs: %v", err)
	}
	cmd := exec.Command("btrfs", args...)
	cmd.Dir = tr.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		tr.Fatalf("btrfs %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestASnapshotOutlivesItsBase(t *testing.T) {
	onBtrfs(t, func(t *testing.T, dir string) {
		tr := snapshotOf(t, dir)
		tr.must(os.RemoveAll(tr.path("base")))
		if b, err := os.ReadFile(tr.path("run/tree/dir/file")); err != nil || string(b) != "content" {
			t.Errorf("the view reads %q, %v", b, err)
		}
		tr.delete()
	})
}

func TestADirectoryThatHoldsASnapshotCanBeRenamed(t *testing.T) {
	onBtrfs(t, func(t *testing.T, dir string) {
		tr := snapshotOf(t, dir)
		tr.must(os.Mkdir(tr.path("elsewhere"), 0o755))
		tr.must(os.Rename(tr.path("run"), tr.path("elsewhere/run")))
		moved, err := os.OpenRoot(tr.path("elsewhere/run"))
		tr.must(err)
		defer moved.Close()
		if err := (driver.Snapshot{}).Check(moved, "tree"); err != nil {
			t.Error(err)
		}
		tr.must(os.Rename(tr.path("elsewhere/run"), tr.path("run")))
		tr.delete()
	})
}

func TestASnapshotIsDeletedAtOnceByRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	tr := snapshotOf(t, loopfs.New(t, "btrfs", 256<<20))
	run, err := os.OpenRoot(tr.path("run"))
	tr.must(err)
	defer run.Close()
	tr.must(driver.Release(run, "tree"))
	if _, err := run.Lstat("tree"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Release: %v, want it gone", err)
	}
}

func TestSubvolumesThatARunMadeAreDeletedToo(t *testing.T) {
	for name, mess := range map[string]func(tr trees){
		"one": func(tr trees) { tr.btrfs("subvolume", "create", "run/tree/dir/nested") },
		"one that is read-only, with files": func(tr trees) {
			tr.btrfs("subvolume", "create", "run/tree/dir/nested")
			tr.write("run/tree/dir/nested/a/b", "x")
			tr.btrfs("property", "set", "-ts", "run/tree/dir/nested", "ro", "true")
		},
		"several, one in another, all read-only, the view too": func(tr trees) {
			for _, n := range []string{"run/tree/one", "run/tree/dir/two", "run/tree/one/three", "run/tree/one/three/four"} {
				tr.btrfs("subvolume", "create", n)
				tr.write(n+"/file", "x")
			}
			tr.must(os.Chmod(tr.path("run/tree/one"), 0o555))
			for _, n := range []string{"run/tree/one/three/four", "run/tree/one/three", "run/tree/one", "run/tree/dir/two", "run/tree"} {
				tr.btrfs("property", "set", "-ts", n, "ro", "true")
			}
		},
		"a read-only snapshot of the view in the view, whose modes forbid everything": func(tr trees) {
			tr.must(os.Chmod(tr.path("run/tree/dir"), 0))
			tr.btrfs("subvolume", "snapshot", "-r", "run/tree", "run/tree/copy")
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBtrfs(t, func(t *testing.T, dir string) {
				tr := snapshotOf(t, dir)
				mess(tr)
				tr.delete()
			})
		})
	}
}

func TestASnapshotTakesLittleAndNoTime(t *testing.T) {
	tr := trees{t, loopfs.New(t, "btrfs", 512<<20)}
	root, err := os.OpenRoot(tr.dir)
	tr.must(err)
	defer root.Close()
	tr.must(driver.Snapshot{}.MakeBase(root, "base"))
	tr.must(os.WriteFile(tr.path("base/big"), make([]byte, 64<<20), 0o644))
	before, start := tr.used(), time.Now()
	u, err := driver.Snapshot{}.Create(t.Context(), tr.job("view"))
	tr.must(err)
	t.Logf("%v", time.Since(start))
	if taken := tr.used() - before; taken > u.Bytes || u != (driver.Snapshot{}).Price(driver.Usage{}) {
		t.Errorf("it took %d bytes and reports %+v", taken, u)
	}
}

func TestSnapshotsAreMadeOfSubvolumesOnly(t *testing.T) {
	tr := newTrees(t, loopfs.New(t, "btrfs", 256<<20))
	_, err := driver.Snapshot{}.Create(t.Context(), tr.job("view"))
	if !errors.Is(err, driver.ErrUnsuitableBase) || cordon.FixOf(err) == "" || !cordon.KindOf(err).Retryable() {
		t.Errorf("error = %v, want ErrUnsuitableBase with advice, to be tried again", err)
	}
	if _, err := os.Lstat(tr.path("view")); err == nil {
		t.Error("something was made all the same")
	}
}

func TestWhyThereAreNoSnapshotsIsSaid(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			root, err := os.OpenRoot(loopfs.New(t, fs, 512<<20))
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			p := driver.ByName(driver.Probe(root), "snapshot")
			if p.Err == nil || !strings.Contains(p.Err.Error(), fs+" has no subvolumes") || !strings.Contains(cordon.FixOf(p.Err), "btrfs") {
				t.Errorf("Probe says %v", p.Err)
			}
		})
	}
}
