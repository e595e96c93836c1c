package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/internal/loopfs"
)

func TestCacheDirectory(t *testing.T) {
	const name = "cache directory"
	t.Run("a cache says its version and whose it is", func(t *testing.T) {
		want(t, one(t, onCache(t, makeCache(t)), name), doctor.OK, "protocol version 1", "owned and written by")
	})
	t.Run("one that is not there can be made", func(t *testing.T) {
		want(t, one(t, onCache(t, filepath.Join(t.TempDir(), "a", "b")), name), doctor.OK, "not there yet")
	})
	t.Run("a directory becomes a cache", func(t *testing.T) {
		want(t, one(t, onCache(t, t.TempDir()), name), doctor.OK, "no cache yet")
	})
	t.Run("a file is none", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		want(t, one(t, onCache(t, file), name), doctor.Fail, file, "not a directory")
		want(t, one(t, onCache(t, filepath.Join(file, "cache")), name), doctor.Fail, file, "not a directory")
	})
	t.Run("one that a newer program has written is refused", func(t *testing.T) {
		dir := makeCache(t)
		if err := os.WriteFile(filepath.Join(dir, ".cordon", "version"), []byte("99\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		want(t, one(t, onCache(t, dir), name), doctor.Fail, `"99"`, "use the newer program")
		want(t, one(t, onCache(t, dir), "stray mounts"), doctor.Warn, "not looked at")
	})
	t.Run("one on a disk without inodes", func(t *testing.T) {
		dir := loopfs.New(t, "tmpfs", 1<<20, "nr_inodes=3")
		for _, file := range []string{"a", "b"} {
			if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want(t, one(t, onCache(t, dir), name), doctor.Fail, "no space left", "free disk space or inodes")
		want(t, one(t, onCache(t, dir), "free space"), doctor.Fail, "0 of 3 inodes free")
		want(t, one(t, onCache(t, dir), "clock"), doctor.Warn, "not looked at")
	})
	t.Run("a place that is not set", func(t *testing.T) {
		e := onCache(t, t.TempDir())
		e.Config.CacheDir = ""
		want(t, one(t, e, name), doctor.Fail, "no cache directory is set", "CACHE_DIR")
	})
}

func TestACacheThatThisUserMayNotWrite(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	const name = "cache directory"
	dir := mkdir(t, filepath.Join(t.TempDir(), "cache"), 0o555)
	want(t, one(t, onCache(t, dir), name), doctor.Fail, dir, "cannot be written by", "permission denied", "CACHE_DIR")
	want(t, one(t, onCache(t, filepath.Join(dir, "below")), name), doctor.Fail, "cannot make it", "permission denied")
	want(t, one(t, onCache(t, dir), "locks"), doctor.Warn, "not looked at")

	others := makeCache(t) // whose state another user would keep from us
	if err := os.Chmod(filepath.Join(others, ".cordon"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(others, ".cordon"), 0o700)
	want(t, one(t, onCache(t, others), name), doctor.Fail, "permission denied")
}

func TestADiskThatIsReadOnlyIsNoPlaceForACache(t *testing.T) {
	want(t, one(t, onCache(t, "/proc/cordon/cache"), "cache directory"), doctor.Fail, "cannot make it")
}

func TestFileSystem(t *testing.T) {
	const name = "file system"
	if r := one(t, onCache(t, makeCache(t)), name); r.Status == doctor.Fail || strings.Contains(r.Found, "unknown") {
		t.Errorf("found %+v", r)
	}
	want(t, one(t, onCache(t, loopfs.New(t, "tmpfs", 1<<20)), name), doctor.OK, "tmpfs", "in memory")
}
