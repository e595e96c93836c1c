package rmtree_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/rmtree"
)

func remove(t *testing.T, parent, name string) error {
	t.Helper()
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer d.Close()
	return rmtree.Remove(t.Context(), d, name)
}

func mustEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left behind: %s", e.Name())
	}
}

func TestRemove(t *testing.T) {
	t.Run("what does not exist is no error", func(t *testing.T) {
		if err := remove(t, t.TempDir(), "nothing"); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a link goes, what it points to stays", func(t *testing.T) {
		outside, parent := t.TempDir(), t.TempDir()
		victim := filepath.Join(outside, "victim")
		must(t, os.WriteFile(victim, []byte("x"), 0o644))
		must(t, os.MkdirAll(filepath.Join(parent, "tree/sub"), 0o755))
		must(t, os.Symlink(outside, filepath.Join(parent, "tree/sub/link")))
		must(t, remove(t, parent, "tree"))
		must(t, os.Symlink(outside, filepath.Join(parent, "top")))
		must(t, remove(t, parent, "top"))
		mustEmpty(t, parent)
		if _, err := os.Stat(victim); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("modes that forbid everything are repaired", func(t *testing.T) {
		parent := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(parent, "tree/a/b"), 0o755))
		must(t, os.WriteFile(filepath.Join(parent, "tree/a/b/f"), nil, 0))
		must(t, os.Chmod(filepath.Join(parent, "tree/a/b"), 0))
		must(t, os.Chmod(filepath.Join(parent, "tree/a"), 0o500))
		must(t, remove(t, parent, "tree"))
		mustEmpty(t, parent)
	})

	t.Run("a tree deeper than the descriptor limit goes", func(t *testing.T) {
		parent := t.TempDir()
		fd, err := unix.Open(parent, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		must(t, err)
		name := "tree"
		for range 3000 {
			must(t, unix.Mkdirat(fd, name, 0o755))
			next, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
			must(t, err)
			unix.Close(fd)
			fd, name = next, strings.Repeat("d", 100)
		}
		unix.Close(fd)
		must(t, remove(t, parent, "tree"))
		mustEmpty(t, parent)
	})

	t.Run("a mount is not crossed, and what is around it goes", func(t *testing.T) {
		parent, outside := t.TempDir(), t.TempDir()
		must(t, os.WriteFile(filepath.Join(outside, "victim"), []byte("x"), 0o644))
		must(t, os.MkdirAll(filepath.Join(parent, "tree/mnt"), 0o755))
		must(t, os.WriteFile(filepath.Join(parent, "tree/file"), nil, 0o644))
		mnt := filepath.Join(parent, "tree/mnt")
		if err := unix.Mount(outside, mnt, "", unix.MS_BIND, ""); err != nil {
			t.Skipf("bind mounts need CAP_SYS_ADMIN: %v", err)
		}
		defer unix.Unmount(mnt, unix.MNT_DETACH)
		if err := remove(t, parent, "tree"); !errors.Is(err, rmtree.ErrMount) {
			t.Fatalf("error = %v, want ErrMount", err)
		}
		if _, err := os.Stat(filepath.Join(outside, "victim")); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(parent, "tree/file")); err == nil {
			t.Fatal("the file beside the mount is still there")
		}
	})

	t.Run("an immutable file goes", func(t *testing.T) {
		parent := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(parent, "tree"), 0o755))
		f, err := os.Create(filepath.Join(parent, "tree/file"))
		must(t, err)
		defer f.Close()
		const immutable = 0x10 // FS_IMMUTABLE_FL
		if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, immutable); err != nil {
			t.Skipf("this file system or user cannot set the immutable flag: %v", err)
		}
		must(t, remove(t, parent, "tree"))
		mustEmpty(t, parent)
	})

	t.Run("two who delete the same tree do not disturb each other", func(t *testing.T) {
		parent := t.TempDir()
		for i := range 200 {
			must(t, os.MkdirAll(filepath.Join(parent, "tree", strings.Repeat("d/", i%20), fmt.Sprint(i)), 0o755))
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := remove(t, parent, "tree"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		mustEmpty(t, parent)
	})

	t.Run("a cancelled context stops it", func(t *testing.T) {
		parent := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(parent, "tree/a"), 0o755))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d, err := os.Open(parent)
		must(t, err)
		defer d.Close()
		if err := rmtree.Remove(ctx, d, "tree"); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
