// Package drivertest is the conformance suite of workspace drivers: what it
// names is what driver.Driver promises.
package drivertest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/workspace/driver"
)

// Run runs the suite against d in directories that dir makes, all of one file
// system.
func Run(t *testing.T, d driver.Driver, dir func(*testing.T) string) {
	for _, tc := range []struct {
		name string
		test func(*testing.T, *stand)
	}{
		{"a view has the base's files, directories, links and contents", sameTree},
		{"a view keeps modes", keepsModes},
		{"a view keeps modification times, of directories and links too", keepsTimes},
		{"links are copied as they are: relative, absolute, dangling", keepsLinks},
		{"names of one file stay names of one file, and are not the base's", keepsHardLinks},
		{"user attributes are kept", keepsXattrs},
		{"holes stay holes", keepsHoles},
		{"odd names are kept", keepsOddNames},
		{"writes, renames, removals and new files stay in the view", stays},
		{"two views never see each other", twoViews},
		{"a file that was appended to or truncated in the view is whole in the base", appends},
		{"the usage reported is what was allocated", usage},
		{"a cancelled job ends with its cause", cancelled},
		{"something that is no file, directory or link is refused", refusesOdd},
		{"releasing is allowed twice, and for what was never made", releases},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &stand{T: t, d: d, top: dir(t)}
			s.must(os.Mkdir(s.path("base"), 0o755))
			tc.test(t, s)
		})
	}
}

type stand struct {
	*testing.T
	d   driver.Driver
	top string
}

func (s *stand) path(name string) string { return filepath.Join(s.top, name) }

func (s *stand) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stand) write(name, content string) {
	s.Helper()
	s.must(os.MkdirAll(filepath.Dir(s.path(name)), 0o755))
	s.must(os.WriteFile(s.path(name), []byte(content), 0o644))
}

// view makes a view called name/tree and returns its path.
func (s *stand) view(name string, change ...func(*driver.Job)) string {
	s.Helper()
	path, _, err := s.try(s.Context(), name, change...)
	s.must(err)
	return path
}

func (s *stand) try(ctx context.Context, name string, change ...func(*driver.Job)) (string, driver.Usage, error) {
	s.Helper()
	s.must(os.Mkdir(s.path(name), 0o755))
	base, err := os.OpenRoot(s.path("base"))
	s.must(err)
	defer base.Close()
	staging, err := os.OpenRoot(s.path(name))
	s.must(err)
	s.Cleanup(func() {
		if err := driver.Release(staging, "tree"); err != nil {
			s.Error(err)
		}
		staging.Close()
	})
	job := driver.Job{Base: base, Dir: staging, Name: "tree"}
	for _, f := range change {
		f(&job)
	}
	u, err := s.d.Create(ctx, job)
	return s.path(name + "/tree"), u, err
}

// fingerprint is a digest of everything about a tree that a run can see.
func (s *stand) fingerprint(root string, withModes bool) string {
	s.Helper()
	h := sha256.New()
	s.must(filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		fmt.Fprintf(h, "%q %v", rel, info.Mode().Type())
		if withModes {
			fmt.Fprintf(h, " %v %v", info.Mode(), info.ModTime().UnixNano())
		}
		switch {
		case d.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			fmt.Fprintf(h, " -> %q\n", to)
			return err
		case info.Mode().IsRegular():
			b, err := os.ReadFile(p)
			fmt.Fprintf(h, " %x\n", sha256.Sum256(b))
			return err
		}
		return nil
	}))
	return fmt.Sprintf("%x", h.Sum(nil))
}

func (s *stand) sample() {
	s.write("base/main.c", "int main;")
	s.write("base/src/deep/er/file", strings.Repeat("x", 100_000))
	s.write("base/empty-file", "")
	s.must(os.MkdirAll(s.path("base/empty/dir"), 0o755))
	s.must(os.Symlink("main.c", s.path("base/link")))
}

func sameTree(t *testing.T, s *stand) {
	s.sample()
	before := s.fingerprint(s.path("base"), true)
	if v := s.view("v"); s.fingerprint(v, false) != s.fingerprint(s.path("base"), false) {
		t.Error("the view differs from its base")
	}
	if s.fingerprint(s.path("base"), true) != before {
		t.Error("making the view changed the base")
	}
}

func keepsModes(t *testing.T, s *stand) {
	s.write("base/script", "#!/bin/sh")
	s.write("base/private", "")
	s.must(os.Chmod(s.path("base/script"), 0o755))
	s.must(os.Chmod(s.path("base/private"), 0o600))
	v := s.view("v")
	for name, want := range map[string]fs.FileMode{"script": 0o755, "private": 0o600, ".": 0o755} {
		info, err := os.Stat(filepath.Join(v, name))
		s.must(err)
		if info.Mode().Perm() != want {
			t.Errorf("mode of %s = %v, want %v", name, info.Mode().Perm(), want)
		}
	}
}

func keepsTimes(t *testing.T, s *stand) {
	s.sample()
	want := time.Unix(1_500_000_000, 123_456_789)
	for _, n := range []string{"main.c", "src/deep/er/file", "src/deep/er", "src/deep", "src", "empty/dir"} {
		s.must(os.Chtimes(s.path("base/"+n), want, want))
	}
	ts := []unix.Timespec{unix.NsecToTimespec(want.UnixNano()), unix.NsecToTimespec(want.UnixNano())}
	s.must(unix.UtimesNanoAt(unix.AT_FDCWD, s.path("base/link"), ts, unix.AT_SYMLINK_NOFOLLOW))
	v := s.view("v")
	for _, n := range []string{"main.c", "src/deep/er/file", "src/deep/er", "src/deep", "src", "empty/dir", "link"} {
		info, err := os.Lstat(filepath.Join(v, n))
		s.must(err)
		if !info.ModTime().Equal(want) {
			t.Errorf("time of %s = %v, want %v", n, info.ModTime(), want)
		}
	}
}

func keepsLinks(t *testing.T, s *stand) {
	want := map[string]string{"rel": "sub/file", "up": "../outside", "abs": "/etc/hostname", "dangling": "nowhere", "loop": "loop"}
	for n, to := range want {
		s.must(os.Symlink(to, s.path("base/"+n)))
	}
	v := s.view("v")
	for n, to := range want {
		if got, err := os.Readlink(filepath.Join(v, n)); err != nil || got != to {
			t.Errorf("link %s = %q, %v; want %q", n, got, err, to)
		}
	}
}

func inode(s *stand, path string) uint64 {
	info, err := os.Lstat(path)
	s.must(err)
	return info.Sys().(*syscall.Stat_t).Ino
}

func keepsHardLinks(t *testing.T, s *stand) {
	s.write("base/a/one", "same")
	s.must(os.Mkdir(s.path("base/b"), 0o755))
	s.must(os.Link(s.path("base/a/one"), s.path("base/b/two")))
	v := s.view("v")
	if inode(s, v+"/a/one") != inode(s, v+"/b/two") {
		t.Error("two names of one file became two files")
	}
	s.must(os.WriteFile(v+"/a/one", []byte("changed"), 0o644))
	if b, err := os.ReadFile(v + "/b/two"); err != nil || string(b) != "changed" {
		t.Errorf("the other name reads %q, %v", b, err)
	}
	if b, err := os.ReadFile(s.path("base/b/two")); err != nil || string(b) != "same" {
		t.Errorf("the base reads %q, %v", b, err)
	}
}

func keepsXattrs(t *testing.T, s *stand) {
	s.write("base/file", "x")
	if err := unix.Setxattr(s.path("base/file"), "user.note", []byte("kept"), 0); err != nil {
		t.Skipf("this file system has no user attributes: %v", err)
	}
	buf := make([]byte, 16)
	n, err := unix.Getxattr(filepath.Join(s.view("v"), "file"), "user.note", buf)
	if err != nil || string(buf[:n]) != "kept" {
		t.Errorf("user.note = %q, %v", buf[:max(n, 0)], err)
	}
}

func keepsHoles(t *testing.T, s *stand) {
	f, err := os.Create(s.path("base/sparse"))
	s.must(err)
	_, err = f.WriteAt([]byte("end"), 64<<20)
	s.must(err)
	s.must(f.Truncate(128 << 20))
	s.must(f.Sync())
	s.must(f.Close())
	info, err := os.Stat(filepath.Join(s.view("v"), "sparse"))
	s.must(err)
	if info.Size() != 128<<20 {
		t.Errorf("size = %d", info.Size())
	}
	if got := info.Sys().(*syscall.Stat_t).Blocks * 512; got > 1<<20 {
		t.Errorf("%d bytes are allocated for three", got)
	}
	b := make([]byte, 3)
	r, err := os.Open(filepath.Join(s.top, "v/tree/sparse"))
	s.must(err)
	defer r.Close()
	if _, err := r.ReadAt(b, 64<<20); err != nil || string(b) != "end" {
		t.Errorf("read %q, %v", b, err)
	}
}

func keepsOddNames(t *testing.T, s *stand) {
	names := []string{"with space", "with\nnewline", "-dash", "comma,colon:", "\xff\xfe not utf-8", "☃", strings.Repeat("n", 255), `back\slash`}
	for _, n := range names {
		s.write("base/"+n, n)
	}
	v := s.view("v")
	for _, n := range names {
		if b, err := os.ReadFile(v + "/" + n); err != nil || string(b) != n {
			t.Errorf("%q = %q, %v", n, b, err)
		}
	}
}

// change does to a view what runs do.
func change(s *stand, v string) {
	s.Helper()
	s.must(os.WriteFile(v+"/main.c", []byte("overwritten"), 0o644))
	s.must(os.Rename(v+"/src/deep", v+"/moved"))
	s.must(os.RemoveAll(v + "/empty"))
	s.must(os.Remove(v + "/link"))
	s.must(os.Mkdir(v+"/new", 0o755))
	s.must(os.WriteFile(v+"/new/file", []byte("new"), 0o600))
	s.must(os.Chmod(v+"/empty-file", 0o600))
}

func stays(t *testing.T, s *stand) {
	s.sample()
	before := s.fingerprint(s.path("base"), true)
	change(s, s.view("v"))
	if s.fingerprint(s.path("base"), true) != before {
		t.Error("the base changed")
	}
}

func twoViews(t *testing.T, s *stand) {
	s.sample()
	one, two := s.view("one"), s.view("two")
	before := s.fingerprint(two, true)
	change(s, one)
	if s.fingerprint(two, true) != before {
		t.Error("the other view changed")
	}
	if s.fingerprint(s.view("three"), false) != s.fingerprint(s.path("base"), false) {
		t.Error("a view made afterwards differs from the base")
	}
}

func appends(t *testing.T, s *stand) {
	s.write("base/log", "one\n")
	s.write("base/data", "0123456789")
	v := s.view("v")
	f, err := os.OpenFile(v+"/log", os.O_APPEND|os.O_WRONLY, 0)
	s.must(err)
	_, err = f.WriteString("two\n")
	s.must(errors.Join(err, f.Close()))
	s.must(os.Truncate(v+"/data", 3))
	for p, want := range map[string]string{v + "/log": "one\ntwo\n", v + "/data": "012", s.path("base/log"): "one\n", s.path("base/data"): "0123456789"} {
		if b, err := os.ReadFile(p); err != nil || string(b) != want {
			t.Errorf("%s = %q, %v; want %q", p, b, err, want)
		}
	}
}

func usage(t *testing.T, s *stand) {
	s.sample()
	v, u, err := s.try(s.Context(), "v")
	s.must(err)
	var bytes, inodes int64
	unix.Sync() // delayed allocation counts blocks differently until then
	s.must(filepath.WalkDir(v, func(p string, d fs.DirEntry, err error) error {
		info, ierr := d.Info()
		if err = errors.Join(err, ierr); err != nil {
			return err
		}
		bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		inodes++
		return nil
	}))
	if s.d.Traits().NeedsBase {
		return // a view that shares its base's blocks has its own test of what it takes
	}
	if diff := u.Bytes - bytes; u.Inodes != inodes || diff < -64<<10 || diff > 64<<10 {
		t.Errorf("reported %+v, allocated %d bytes in %d inodes", u, bytes, inodes)
	}
}

func cancelled(t *testing.T, s *stand) {
	s.sample()
	ctx, cancel := context.WithCancelCause(s.Context())
	why := errors.New("not wanted any more")
	cancel(why)
	if _, _, err := s.try(ctx, "v"); !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
}

func refusesOdd(t *testing.T, s *stand) {
	s.must(unix.Mkfifo(s.path("base/pipe"), 0o644))
	if s.d.Traits().NeedsBase {
		return // nothing is opened, so nothing can hang
	}
	if _, _, err := s.try(s.Context(), "v"); err == nil {
		t.Error("a FIFO was copied")
	}
}

func releases(t *testing.T, s *stand) {
	s.must(os.Mkdir(s.path("none"), 0o755))
	root, err := os.OpenRoot(s.path("none"))
	s.must(err)
	defer root.Close()
	for range 2 {
		s.must(driver.Release(root, "tree"))
	}
}
