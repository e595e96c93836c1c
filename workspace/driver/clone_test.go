package driver_test

import (
	"bytes"
	"context"
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

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/workspace/driver"
)

// trees is a directory with a base that a test fills, and clones of it.
type trees struct {
	*testing.T
	dir string
}

func newTrees(t *testing.T, dir string) trees {
	tr := trees{t, dir}
	tr.must(os.Mkdir(tr.path("base"), 0o755))
	return tr
}

func (tr trees) path(name string) string { return filepath.Join(tr.dir, name) }

func (tr trees) must(err error) {
	tr.Helper()
	if err != nil {
		tr.Fatal(err)
	}
}

func (tr trees) write(name, content string) {
	tr.Helper()
	tr.must(os.MkdirAll(filepath.Dir(tr.path(name)), 0o755))
	tr.must(os.WriteFile(tr.path(name), []byte(content), 0o644))
}

// job is for a clone of base called name.
func (tr trees) job(name string) driver.Job {
	tr.Helper()
	base, err := os.OpenRoot(tr.path("base"))
	tr.must(err)
	tr.Cleanup(func() { base.Close() })
	dir, err := os.OpenRoot(tr.dir)
	tr.must(err)
	tr.Cleanup(func() { dir.Close() })
	return driver.Job{Base: base, Dir: dir, Name: name}
}

func (tr trees) mode(name string) fs.FileMode {
	tr.Helper()
	info, err := os.Lstat(tr.path(name))
	tr.must(err)
	return info.Mode()
}

// used returns the bytes that the file system has given out.
func (tr trees) used() int64 {
	tr.Helper()
	d, err := os.Open(tr.dir)
	tr.must(err)
	defer d.Close()
	tr.must(unix.Syncfs(int(d.Fd())))
	var st unix.Statfs_t
	tr.must(unix.Fstatfs(int(d.Fd()), &st))
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

func TestCloneChangesModesAsAsked(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	tr := newTrees(t, t.TempDir())
	tr.write("base/dir/file", "x")
	tr.write("base/dir/script", "#!")
	tr.write("base/dir/noted", "x")
	attributes := unix.Setxattr(tr.path("base/dir/noted"), "user.note", []byte("kept"), 0) == nil
	for name, mode := range map[string]fs.FileMode{"dir": 0o775, "dir/file": 0o664, "dir/script": 0o750, "dir/noted": 0o444, ".": 0o755} {
		tr.must(os.Chmod(tr.path("base/"+name), mode))
	}
	for _, tc := range []struct {
		name  string
		modes driver.Modes
		want  map[string]fs.FileMode
	}{
		{"kept", driver.KeepModes, map[string]fs.FileMode{".": 0o755, "dir": 0o775, "dir/file": 0o664, "dir/script": 0o750, "dir/noted": 0o444}},
		{"readonly", driver.ReadOnlyModes, map[string]fs.FileMode{".": 0o755, "dir": 0o555, "dir/file": 0o444, "dir/script": 0o550, "dir/noted": 0o444}},
		{"writable", driver.WritableModes, map[string]fs.FileMode{".": 0o755, "dir": 0o775, "dir/file": 0o664, "dir/script": 0o750, "dir/noted": 0o644}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := trees{t, tr.dir}
			_, err := driver.Clone(t.Context(), tr.job(tc.name), tc.modes)
			tr.must(err)
			t.Cleanup(func() { _ = os.Chmod(tr.path(tc.name+"/dir"), 0o755) }) // or it could not be deleted
			for name, want := range tc.want {
				if got := tr.mode(tc.name + "/" + name).Perm(); got != want {
					t.Errorf("mode of %s = %v, want %v", name, got, want)
				}
			}
			buf := make([]byte, 16)
			if n, err := unix.Getxattr(tr.path(tc.name+"/dir/noted"), "user.note", buf); attributes && (err != nil || string(buf[:n]) != "kept") {
				t.Errorf("the attribute of a file that forbids writing = %q, %v", buf[:max(n, 0)], err)
			}
		})
	}
}

func TestCloneMakesReadOnlyTreesWritableAgain(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	tr := newTrees(t, t.TempDir())
	tr.write("base/dir/sub/file", "x")
	for name, mode := range map[string]fs.FileMode{"dir/sub/file": 0o444, "dir/sub": 0o555, "dir": 0o555, ".": 0o555} {
		tr.must(os.Chmod(tr.path("base/"+name), mode))
		defer func() { _ = os.Chmod(tr.path("base/"+name), 0o755) }() // or it could not be deleted
	}
	_, err := driver.Clone(t.Context(), tr.job("view"), driver.WritableModes)
	tr.must(err)
	tr.must(os.WriteFile(tr.path("view/dir/sub/file"), []byte("changed"), 0))
	tr.must(os.Remove(tr.path("view/dir/sub/file")))
}

func TestCloneKeepsModesWhateverItsDirectoryPassesOn(t *testing.T) {
	for name, pass := range map[string]func(tr trees) error{
		"a set-group-id bit": func(tr trees) error { return os.Chmod(tr.dir, 0o755|fs.ModeSetgid) },
		"a default ACL": func(tr trees) error {
			// user::rwx, group::---, other::--- (struct posix_acl_xattr_header)
			acl := []byte{2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 4, 0, 0, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255}
			return unix.Setxattr(tr.dir, "system.posix_acl_default", acl, 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrees(t, t.TempDir())
			tr.write("base/dir/file", "x")
			if err := pass(tr); err != nil {
				t.Skipf("this file system has no %s: %v", name, err)
			}
			_, err := driver.Clone(t.Context(), tr.job("view"), driver.KeepModes)
			tr.must(err)
			for _, n := range []string{"", "/dir", "/dir/file"} {
				if got, want := tr.mode("view"+n), tr.mode("base"+n); got != want {
					t.Errorf("mode of view%s = %v, want %v", n, got, want)
				}
			}
		})
	}
}

// The base is somebody else's, who lets others search what its owner must not.
func TestCloneKeepsDirectoriesThatForbidTheirOwnerToSearch(t *testing.T) {
	const where = "CORDON_TEST_BASE"
	dirs := map[string]fs.FileMode{"a": 0o055, "a/b": 0o055, "a/b/c": 0o655}
	when := time.Unix(1_500_000_000, 123)
	if os.Getuid() == 0 && os.Getenv(where) == "" {
		dir, err := os.MkdirTemp("", "base") // t.TempDir's parent is for its user only
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		tr := newTrees(t, dir)
		tr.write("base/a/b/c/file", "x")
		for n, mode := range dirs {
			tr.must(os.Chtimes(tr.path("base/"+n), when, when))
			tr.must(os.Chmod(tr.path("base/"+n), mode))
		}
		tr.must(os.Chmod(dir, 0o755))
		t.Setenv(where, tr.path("base"))
	}
	if os.Getenv(where) == "" {
		t.Skip("needs root to make the base")
	}
	if !asuser.Unprivileged(t) {
		return
	}
	tr := trees{t, t.TempDir()}
	job := driver.Job{Name: "view"}
	var err error
	job.Base, err = os.OpenRoot(os.Getenv(where))
	tr.must(err)
	defer job.Base.Close()
	job.Dir, err = os.OpenRoot(tr.dir)
	tr.must(err)
	defer job.Dir.Close()
	_, err = driver.Clone(t.Context(), job, driver.KeepModes)
	tr.must(err)
	for _, n := range []string{"a", "a/b", "a/b/c"} { // each must be opened up to see what is in it
		info, err := os.Lstat(tr.path("view/" + n))
		tr.must(err)
		if info.Mode().Perm() != dirs[n] || !info.ModTime().Equal(when) {
			t.Errorf("%s has mode %v and time %v, want %v and %v", n, info.Mode().Perm(), info.ModTime(), dirs[n], when)
		}
		tr.must(os.Chmod(tr.path("view/"+n), 0o755))
	}
}

func TestCloneFillsAnEmptyDirectory(t *testing.T) {
	tr := newTrees(t, t.TempDir())
	tr.write("base/file", "content")
	tr.must(os.Chmod(tr.path("base"), 0o750))
	tr.must(os.Mkdir(tr.path("view"), 0o755))
	_, err := driver.Clone(t.Context(), tr.job("view"), driver.KeepModes)
	tr.must(err)
	if b, err := os.ReadFile(tr.path("view/file")); err != nil || string(b) != "content" || tr.mode("view") != tr.mode("base") {
		t.Errorf("it reads %q, %v, and its mode is %v", b, err, tr.mode("view"))
	}
	if _, err := driver.Clone(t.Context(), tr.job("view"), driver.KeepModes); !errors.Is(err, fs.ErrExist) {
		t.Errorf("cloning into what is not empty: %v", err)
	}
}

func TestCloneRefusesWhatIsNoTree(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"p---------": func(path string) error { return unix.Mkfifo(path, 0o644) },
		"S---------": func(path string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
		},
		"c---------": func(path string) error { return unix.Mknod(path, unix.S_IFCHR|0o600, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrees(t, t.TempDir())
			t.Chdir(tr.dir) // a socket's path must be short
			tr.must(os.Mkdir("base/dir", 0o755))
			if err := make("base/dir/odd"); err != nil {
				t.Skipf("cannot be made here: %v", err)
			}
			_, err := driver.Clone(t.Context(), tr.job("view"), driver.KeepModes)
			if err == nil || !strings.Contains(err.Error(), `"dir/odd"`) {
				t.Errorf("error = %v, want one that names dir/odd", err)
			}
		})
	}
}

func TestCloneKeepsHardLinkGroupsAcrossDirectories(t *testing.T) {
	const groups, names = 10, 12
	tr := newTrees(t, t.TempDir())
	for d := range names {
		tr.must(os.Mkdir(tr.path(fmt.Sprintf("base/%d", d)), 0o755))
	}
	for g := range groups {
		tr.write(fmt.Sprintf("base/0/%d", g), fmt.Sprint(g))
		for d := 1; d < names; d++ {
			tr.must(os.Link(tr.path(fmt.Sprintf("base/0/%d", g)), tr.path(fmt.Sprintf("base/%d/%d", d, g))))
		}
	}
	when := time.Unix(1_500_000_000, 123)
	for d := range names {
		tr.must(os.Chtimes(tr.path(fmt.Sprintf("base/%d", d)), when, when))
	}
	u, err := driver.Clone(t.Context(), tr.job("view"), driver.KeepModes)
	tr.must(err)
	if want := int64(1 + names + groups); u.Inodes != want {
		t.Errorf("inodes = %d, want %d", u.Inodes, want)
	}
	seen := map[uint64]string{}
	for g := range groups {
		var first uint64
		for d := range names {
			path := tr.path(fmt.Sprintf("view/%d/%d", d, g))
			info, err := os.Stat(path)
			tr.must(err)
			st := info.Sys().(*syscall.Stat_t)
			if d == 0 {
				first = st.Ino
				if other := seen[first]; other != "" {
					t.Errorf("%s is %s", path, other)
				}
				seen[first] = path
			}
			if st.Ino != first || st.Nlink != names {
				t.Errorf("%s: inode %d with %d names, want inode %d with %d", path, st.Ino, st.Nlink, first, names)
			}
		}
	}
	for d := range names {
		if info, err := os.Stat(tr.path(fmt.Sprintf("view/%d", d))); err != nil || !info.ModTime().Equal(when) {
			t.Errorf("time of directory %d = %v, %v", d, info.ModTime(), err)
		}
	}
}

func TestCopyStopsInTheMiddleOfAFile(t *testing.T) {
	const size = 64 << 20
	tr := newTrees(t, t.TempDir())
	tr.must(os.WriteFile(tr.path("base/big"), make([]byte, size), 0o644))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("not wanted any more")
	job := tr.job("view")
	job.Progress = func(int64) { cancel(why) }
	if _, err := (driver.Copy{}).Create(ctx, job); !errors.Is(err, why) {
		t.Errorf("error = %v, want %v", err, why)
	}
	if info, err := os.Stat(tr.path("view/big")); err != nil || info.Size() > size/2 {
		t.Errorf("it went on to %d bytes, %v", info.Size(), err)
	}
}

func TestCopyFailsWhenAFileShrinks(t *testing.T) {
	tr := newTrees(t, t.TempDir())
	tr.must(os.WriteFile(tr.path("base/big"), make([]byte, 8<<20), 0o644))
	job := tr.job("view")
	job.Progress = func(int64) { tr.must(os.Truncate(tr.path("base/big"), 1<<20)) }
	if _, err := (driver.Copy{}).Create(t.Context(), job); err == nil || !strings.Contains(err.Error(), `"big": the file became shorter`) {
		t.Errorf("error = %v", err)
	}
}

func TestCopyReportsProgressInBytes(t *testing.T) {
	tr := newTrees(t, t.TempDir())
	want := int64(0)
	for i := range 20 {
		tr.write(fmt.Sprintf("base/%d/file", i), strings.Repeat("x", i*1000))
		want += int64(i) * 1000
	}
	reports := make(chan int64, 100)
	job := tr.job("view")
	job.Progress = func(n int64) { reports <- n }
	_, err := driver.Copy{}.Create(t.Context(), job)
	tr.must(err)
	close(reports)
	most := int64(0)
	for n := range reports {
		most = max(most, n)
	}
	if most != want {
		t.Errorf("reported %d bytes in the end, want %d", most, want)
	}
}

func TestCloneOnAFullDiskIsNoSpace(t *testing.T) {
	for name, tc := range map[string]struct {
		mkfs []string
		fill func(tr trees)
	}{
		"bytes": {nil, func(tr trees) { tr.must(os.WriteFile(tr.path("base/big"), make([]byte, 10<<20), 0o644)) }},
		"inodes": {[]string{"-N", "64"}, func(tr trees) {
			for i := range 40 {
				tr.write(fmt.Sprintf("base/%d", i), "")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrees(t, loopfs.New(t, "ext4", 16<<20, tc.mkfs...))
			tc.fill(tr)
			_, err := driver.Clone(t.Context(), tr.job("view"), driver.KeepModes)
			if cordon.KindOf(err) != cordon.NoSpace || cordon.FixOf(err) == "" {
				t.Errorf("error = %v, want a NoSpace with advice", err)
			}
		})
	}
}

func TestBlocksAreSharedByWhomTheyShouldBe(t *testing.T) {
	const size = 24 << 20
	content := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	for _, fs := range []string{"xfs", "btrfs"} {
		t.Run(fs, func(t *testing.T) {
			tr := newTrees(t, loopfs.New(t, fs, 512<<20))
			tr.must(os.WriteFile(tr.path("base/big"), content, 0o644))
			for _, tc := range []struct {
				name   string
				shares bool
				create func(driver.Job) (driver.Usage, error)
			}{
				{"clone", true, func(j driver.Job) (driver.Usage, error) {
					return driver.Clone(t.Context(), j, driver.KeepModes)
				}},
				{"reflink", true, func(j driver.Job) (driver.Usage, error) { return driver.Reflink{}.Create(t.Context(), j) }},
				{"copy", false, func(j driver.Job) (driver.Usage, error) { return driver.Copy{}.Create(t.Context(), j) }},
			} {
				before := tr.used()
				u, err := tc.create(tr.job(tc.name))
				tr.must(err)
				taken := tr.used() - before
				if tc.shares != (taken < size/4) || tc.shares != (u.Bytes < size/4) {
					t.Errorf("%s took %d bytes and reports %d; shares = %v", tc.name, taken, u.Bytes, tc.shares)
				}
				if got, err := os.ReadFile(tr.path(tc.name + "/big")); err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s: the content differs, %v", tc.name, err)
				}
			}
		})
	}
}
