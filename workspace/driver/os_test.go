package driver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// With and without openat2(2), which old kernels do not have.
func TestOpenDir(t *testing.T) {
	for _, without := range []bool{false, true} {
		t.Run(fmt.Sprintf("without openat2 = %v", without), func(t *testing.T) {
			top := t.TempDir()
			root, err := os.Open(top)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			var o opener
			o.noOpenat2.Store(without)
			open := func(path string) (string, error) {
				fd, err := o.openDir(int(root.Fd()), path, 0)
				if err != nil {
					return "", err
				}
				defer unix.Close(fd)
				name := fmt.Sprintf("/proc/self/fd/%d/mark", fd)
				b, err := os.ReadFile(name)
				return string(b), err
			}
			mark := func(dir, what string) {
				t.Helper()
				if err := os.WriteFile(filepath.Join(dir, "mark"), []byte(what), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			mark(top, "top")
			if err := os.MkdirAll(filepath.Join(top, "a/b"), 0o755); err != nil {
				t.Fatal(err)
			}
			mark(filepath.Join(top, "a/b"), "below")
			if err := os.Symlink("a", filepath.Join(top, "link")); err != nil {
				t.Fatal(err)
			}

			for path, want := range map[string]string{".": "top", "a/b": "below"} {
				if got, err := open(path); err != nil || got != want {
					t.Errorf("%s: %q, %v; want %q", path, got, err, want)
				}
			}
			for _, path := range []string{"link", "link/b"} {
				if got, err := open(path); !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.ENOTDIR) {
					t.Errorf("%s: %q, %v; want no link to be followed", path, got, err)
				}
			}
			if _, err := open("a/none"); !errors.Is(err, unix.ENOENT) {
				t.Errorf("what does not exist: %v", err)
			}

			// Longer than any path that the kernel takes.
			deep := slices.Repeat([]string{strings.Repeat("d", 100)}, 100)
			at, err := os.OpenRoot(top)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range deep {
				if err := at.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
				next, err := at.OpenRoot(d)
				if err != nil {
					t.Fatal(err)
				}
				at.Close()
				at = next
			}
			if err := at.WriteFile("mark", []byte("deep"), 0o644); err != nil {
				t.Fatal(err)
			}
			at.Close()
			if got, err := open(strings.Join(deep, "/")); err != nil || got != "deep" {
				t.Errorf("deep: %q, %v", got, err)
			}
		})
	}
}

func TestDirents(t *testing.T) {
	dir := t.TempDir()
	want := []string{}
	for i := range 300 {
		name := fmt.Sprintf("%d-%s", i, strings.Repeat("n", i%250))
		want = append(want, name)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	// Each reading goes on where lastOffset says, as another worker does.
	got, offset, buf := []string{}, int64(0), make([]byte, 4*maxDirent)
	for {
		if _, err := unix.Seek(int(d.Fd()), offset, unix.SEEK_SET); err != nil {
			t.Fatal(err)
		}
		n, err := getdents(int(d.Fd()), buf)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		for e := range dirents(buf[:n]) {
			got = append(got, e.name)
		}
		offset = lastOffset(buf[:n])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("read %d names, want %d: %q", len(got), len(want), got)
	}
}
