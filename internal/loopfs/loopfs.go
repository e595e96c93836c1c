// Package loopfs gives tests file systems of their own: what a driver does on
// XFS or btrfs, and what happens on a full disk, can only be seen there.
package loopfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// quiet are the arguments that make mkfs leave nothing to be done in the
// background after the mount: a test that counts blocks must not see it happen.
var quiet = map[string][]string{
	"ext4":  {"-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
	"xfs":   {"-q", "-f"},
	"btrfs": {"-q", "-f"},
}

// New makes a file system of type fs (ext4, xfs, btrfs or tmpfs; others with
// what mkfs does by default) and size bytes, mounts it and returns the directory
// it is mounted at. Its image is a sparse file in a temporary directory. At the
// end of the test it is unmounted and its loop device freed; whatever still uses
// it then is named and fails the test. mkfs.xfs wants 300 MB, mkfs.btrfs 109 MB.
//
// extra are arguments for mkfs; tmpfs has none, there they are mount options.
//
// The test is skipped, with the reason, where the process may not mount, mkfs is
// not installed, the kernel does not know fs, or there is no loop device. New
// may be called by tests that run in parallel.
func New(t testing.TB, fs string, size int64, extra ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skipf("mounting %s needs root", fs)
	}
	dir := temp(t)
	point := filepath.Join(dir, "mnt")
	if err := os.Mkdir(point, 0o755); err != nil {
		t.Fatal(err)
	}
	if fs == "tmpfs" {
		options := "mode=0755,size=" + strconv.FormatInt(size, 10)
		for _, o := range extra {
			options += "," + o
		}
		mount(t, "cordon-test", point, fs, options)
		t.Cleanup(func() { release(t, point, "") })
		return point
	}

	image := filepath.Join(dir, fs+".img")
	format(t, fs, image, size, extra)
	mountImage(t, image, point, fs, "")
	return point
}

// mountImage mounts the image until the end of the test.
func mountImage(t testing.TB, image, point, fs, options string) {
	t.Helper()
	loop, err := attach(image)
	if missing(err) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) {
		t.Skipf("no loop device to be had: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The kernel takes the device away from the image when its last user is gone:
	// this descriptor until the mount is there, then the mount.
	defer loop.Close()
	mount(t, loop.Name(), point, fs, options)
	t.Cleanup(func() { release(t, point, image) })
}

// temp is t.TempDir with a way in for other users: tests become one to see
// permissions at work.
func temp(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "loopfs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// format makes a file system in a new sparse file.
func format(t testing.TB, fs, image string, size int64, extra []string) {
	t.Helper()
	mkfs, err := exec.LookPath("mkfs." + fs)
	if err != nil {
		t.Skipf("mkfs.%s is not installed: %v", fs, err)
	}
	f, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{}, quiet[fs]...), extra...)
	if out, err := exec.Command(mkfs, append(args, image)...).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.%s: %v\n%s", fs, err, out)
	}
}

func mount(t testing.TB, source, point, fs, options string) {
	t.Helper()
	err := unix.Mount(source, point, fs, unix.MS_NOSUID|unix.MS_NODEV, options)
	if missing(err) || errors.Is(err, unix.ENODEV) {
		t.Skipf("%s cannot be mounted here: %v", fs, err)
	}
	if err != nil {
		t.Fatal(&os.PathError{Op: "mount " + fs + " on", Path: point, Err: err})
	}
}

// missing says that the process lacks the right, as root of a container does.
func missing(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }
