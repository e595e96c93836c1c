package driver_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace/driver"
	"github.com/cordonlabs/cordon/workspace/driver/drivertest"
)

func init() { drivertest.Child() }

// loopSize is enough for the suite and for each mkfs, in bytes; images are sparse.
const loopSize = 1 << 30

// TestConformance runs the suite for every driver on every file system, as root.
// A driver that should work on a file system and does not is a failure: where a
// test may mount a file system, it may mount a view.
func TestConformance(t *testing.T) {
	for fs, offered := range map[string][]string{
		"tmpfs": {"overlay", "copy"},
		"ext4":  {"overlay", "copy"},
		"xfs":   {"overlay", "reflink", "copy"},
		"btrfs": {"overlay", "snapshot", "reflink", "copy"},
	} {
		t.Run(fs, func(t *testing.T) { runAll(t, loopfs.New(t, fs, loopSize), offered...) })
	}
}

// TestConformanceUnprivileged runs it as a user who may mount nothing: on the
// host's own file system all that works, and on others what works only there.
func TestConformanceUnprivileged(t *testing.T) {
	t.Run("host", func(t *testing.T) {
		if asuser.Unprivileged(t) {
			runAll(t, t.TempDir(), "copy")
		}
	})
	for fs, offered := range map[string][]string{"xfs": {"reflink"}, "btrfs": {"snapshot", "reflink"}} {
		t.Run(fs, func(t *testing.T) {
			// The second process has its temporary files on what the first one mounted.
			const mounted = "CORDON_TEST_MOUNTED"
			if os.Getenv(mounted) != fs {
				t.Setenv("TMPDIR", loopfs.New(t, fs, loopSize))
				t.Setenv(mounted, fs)
			}
			if asuser.Unprivileged(t) {
				run(t, t.TempDir(), offered...)
			}
		})
	}
}

// TestConformanceInUserNamespace runs it as root of a user namespace that an
// ordinary user made, as rootless containers do.
func TestConformanceInUserNamespace(t *testing.T) {
	const inside = "CORDON_TEST_NAMESPACE_DIR"
	if dir := os.Getenv(inside); dir != "" {
		run(t, dir, "overlay")
		return
	}
	dir, user := t.TempDir(), os.Getuid()
	if user == 0 {
		const nobody = 65534
		dir, user = loopfs.New(t, "ext4", loopSize), nobody
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "test") // go test's own is in a directory that only its user may enter
	if err := copyProgram(binary, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(binary) // or its file system goes with it
	cmd := exec.Command(binary, "-test.v", "-test.run", "^TestConformanceInUserNamespace$")
	cmd.Env = append(os.Environ(), inside+"="+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: user, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: user, Size: 1}},
		Credential:  &syscall.Credential{NoSetGroups: true},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOSPC) {
		t.Skipf("this host has no user namespaces for ordinary users: %v", err)
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
		t.Errorf("in a user namespace: %v\n%s", err, out)
	}
}

// runAll runs the suite in dir for every driver that works there, and fails if
// one of those offered does not.
func runAll(t *testing.T, dir string, offered ...string) {
	for _, p := range probe(t, dir, offered) {
		if p.Err == nil || slices.Contains(offered, p.Name) {
			runOne(t, dir, p)
		} else {
			t.Run(p.Name, func(t *testing.T) { t.Skip(p.Err) })
		}
	}
}

// run runs the suite in dir for some drivers, which have to work there.
func run(t *testing.T, dir string, names ...string) {
	for _, p := range probe(t, dir, names) {
		if slices.Contains(names, p.Name) {
			runOne(t, dir, p)
		}
	}
}

func runOne(t *testing.T, dir string, p driver.Probed) {
	t.Run(p.Name, func(t *testing.T) {
		if p.Err != nil {
			t.Fatalf("does not work here, though it should: %v", p.Err)
		}
		t.Logf("%+v %s", p.Driver.Traits(), p.Note)
		drivertest.Run(t, p.Driver, func(t *testing.T) string { return temp(t, dir) })
	})
}

// probe tries all drivers in a directory in dir, which must be empty again
// afterwards. Those named must be among them.
func probe(t *testing.T, dir string, names []string) []driver.Probed {
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
	for _, n := range names {
		if driver.ByName(probed, n) == nil {
			t.Errorf("%s was not even tried", n)
		}
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

func copyProgram(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
