package loopfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Crash mounts what a power failure at this instant would leave of the file system
// that New mounted at point, for the rest of the test, and returns the directory.
// Nothing is synced before: what the kernel has not written to the device is not
// there.
//
// The image is cloned, which takes it as it is in one instant, as a copy would not.
// So TMPDIR has to be on a file system that can clone files when New is called: XFS,
// for example. btrfs cannot be looked at so, for it refuses a second device that
// says that it is the first one.
func Crash(t testing.TB, point string) string {
	t.Helper()
	images, err := filepath.Glob(filepath.Join(filepath.Dir(point), "*.img"))
	if err != nil || len(images) != 1 {
		t.Fatalf("%s is no file system in an image: %v", point, err)
	}
	dir := temp(t)
	image := filepath.Join(dir, filepath.Base(images[0]))
	if err := cloneFile(image, images[0]); err != nil {
		t.Fatal(&os.PathError{Op: "clone", Path: images[0], Err: err})
	}
	at := filepath.Join(dir, "mnt")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	fs := strings.TrimSuffix(filepath.Base(image), ".img")
	options := ""
	if fs == "xfs" {
		options = "nouuid" // the original is mounted too
	}
	mountImage(t, image, at, fs, options)
	return at
}

func cloneFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(unix.IoctlFileClone(int(out.Fd()), int(in.Fd())), out.Close())
}
