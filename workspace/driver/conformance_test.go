package driver_test

import (
	"os"
	"slices"
	"testing"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace/driver"
	"github.com/cordonlabs/cordon/workspace/driver/drivertest"
)

func init() { drivertest.Child() }

// fileSystems are those that the drivers are looked at on, and what each has to
// offer to root. Where a test may mount a file system, it may mount a view.
var fileSystems = []struct {
	name    string
	offered []string
}{
	{"tmpfs", []string{"overlay", "copy"}},
	{"ext4", []string{"overlay", "copy"}},
	{"xfs", []string{"overlay", "reflink", "copy"}},
	{"btrfs", []string{"overlay", "snapshot", "reflink", "copy"}},
}

// loopSize is enough for the suite and for each mkfs, in bytes; images are sparse.
const loopSize = 1 << 30

// TestConformance runs the suite for every driver on every file system.
func TestConformance(t *testing.T) {
	t.Run("host", func(t *testing.T) { runAll(t, t.TempDir(), []string{"copy"}) })
	for _, fs := range fileSystems {
		t.Run(fs.name, func(t *testing.T) { runAll(t, loopfs.New(t, fs.name, loopSize), fs.offered) })
	}
}

// TestConformanceUnprivileged runs it as a user who may mount nothing.
func TestConformanceUnprivileged(t *testing.T) {
	t.Run("host", func(t *testing.T) {
		if asuser.Unprivileged(t) {
			runAll(t, t.TempDir(), []string{"copy"})
		}
	})
	for _, fs := range fileSystems {
		offered := slices.DeleteFunc(slices.Clone(fs.offered), func(d string) bool { return d == "overlay" })
		t.Run(fs.name, func(t *testing.T) {
			// The second process has its temporary files on what the first one mounted.
			const mounted = "CORDON_TEST_MOUNTED"
			if os.Getenv(mounted) != fs.name {
				t.Setenv("TMPDIR", loopfs.New(t, fs.name, loopSize))
				t.Setenv(mounted, fs.name)
			}
			if asuser.Unprivileged(t) {
				runAll(t, t.TempDir(), offered)
			}
		})
	}
}

// runAll runs the suite in dir for every driver that works there, and fails if
// one of those offered does not.
func runAll(t *testing.T, dir string, offered []string) {
	for _, p := range probe(t, dir) {
		t.Run(p.Name, func(t *testing.T) {
			if p.Err != nil && slices.Contains(offered, p.Name) {
				t.Fatalf("does not work here, though it should: %v", p.Err)
			}
			if p.Err != nil {
				t.Skip(p.Err)
			}
			if p.Note != "" {
				t.Log(p.Note)
			}
			drivertest.Run(t, p.Driver, func(t *testing.T) string { return temp(t, dir) })
		})
	}
}

// probe tries all drivers in dir, which must be empty again afterwards.
func probe(t *testing.T, dir string) []driver.Probed {
	t.Helper()
	trial := temp(t, dir)
	root, err := os.OpenRoot(trial)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	probed := driver.Probe(root)
	if left, err := os.ReadDir(trial); err != nil || len(left) > 0 {
		t.Errorf("probing left %v, %v", left, err)
	}
	return probed
}

// temp makes an empty directory in dir, which must be empty again when the test ends.
func temp(t *testing.T, dir string) string {
	t.Helper()
	name, err := os.MkdirTemp(dir, "t")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	})
	return name
}
