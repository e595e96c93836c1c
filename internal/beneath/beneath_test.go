package beneath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// open makes a directory with a bit of everything, and opens it.
func open(t *testing.T) (string, *Dir) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "dir")
	must(t, os.MkdirAll(filepath.Join(dir, "a/b"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "a/b/file"), []byte("inside"), 0o644))
	must(t, os.WriteFile(filepath.Join(top, "secret"), []byte("outside"), 0o644))
	must(t, os.Symlink("a/b", filepath.Join(dir, "in")))
	must(t, os.Symlink("file", filepath.Join(dir, "a/b/link")))
	must(t, os.Symlink("../secret", filepath.Join(dir, "out")))
	must(t, os.Symlink("..", filepath.Join(dir, "up")))
	d, err := Open(dir)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return dir, d
}

func must(t *testing.T, err error) {
	if err != nil {
		t.Helper()
		t.Fatal(err)
	}
}

// names are what the tests ask for: there or not, and leading where they may and
// where they may not.
var names = []string{"a", "a/b/file", "a/b/file/x", "a/b/none", "none/none", "in/file", "in/none", "a/b/link", "out", "up/secret", "up/none",
	"../secret", "/etc/passwd", "a/../../secret", "a/../a/b/file", ".", "", "a/", "a/b/file/"}

// withAndWithout runs the test with openat2(2) and where that is refused.
func withAndWithout(t *testing.T, test func(t *testing.T, refuse func(*Dir))) {
	for _, no := range []error{nil, unix.ENOSYS, unix.EPERM} {
		t.Run(fmt.Sprintf("openat2: %v", no), func(t *testing.T) {
			test(t, func(d *Dir) {
				if no != nil {
					d.openat2 = func(int, string, *unix.OpenHow) (int, error) { return -1, no }
				}
			})
		})
	}
}

// Whatever is done by whatever name ends as it does through os.Root, and leaves the
// same behind.
func TestDoesWhatRootDoes(t *testing.T) {
	at := time.Unix(1e9, 5)
	calls := map[string]func(d root, name string) (any, error){
		"open":   func(d root, name string) (any, error) { return content(d.Open(name)) },
		"create": func(d root, name string) (any, error) { return content(d.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o640)) },
		"create anew": func(d root, name string) (any, error) {
			return content(d.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640))
		},
		"no link": func(d root, name string) (any, error) {
			return content(d.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW, 0))
		},
		"stat":       func(d root, name string) (any, error) { return described(d.Stat(name)) },
		"lstat":      func(d root, name string) (any, error) { return described(d.Lstat(name)) },
		"directory":  func(d root, name string) (any, error) { return within(d, name) == nil, nil },
		"mkdir":      func(d root, name string) (any, error) { return nil, d.Mkdir(name, 0o750) },
		"remove":     func(d root, name string) (any, error) { return nil, d.Remove(name) },
		"link to":    func(d root, name string) (any, error) { return nil, d.Link("a/b/file", name) },
		"link from":  func(d root, name string) (any, error) { return nil, d.Link(name, "a/new") },
		"link there": func(d root, name string) (any, error) { return nil, d.Link(name, "a/b/new") },
		"set times": func(d root, name string) (any, error) {
			if info, err := d.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
				return nil, nil // the one difference
			}
			return nil, d.Chtimes(name, at, at)
		},
	}
	withAndWithout(t, func(t *testing.T, refuse func(*Dir)) {
		for what, call := range calls {
			for _, name := range names {
				dir, d := open(t)
				refuse(d)
				got, err := call(d, name)
				left := tree(t, dir)
				wantDir, r := open(t)
				want, wantErr := call(r.Root, name)
				if fmt.Sprint(got) != fmt.Sprint(want) || !alike(err, wantErr) {
					t.Errorf("%s %q: %v, %v; os.Root: %v, %v", what, name, got, err, want, wantErr)
				}
				if wantLeft := tree(t, wantDir); left != wantLeft {
					t.Errorf("%s %q left behind:\n%s\nos.Root:\n%s", what, name, left, wantLeft)
				}
			}
		}
	})
}

// root is what Dir does faster than os.Root.
type root interface {
	Open(name string) (*os.File, error)
	OpenFile(name string, flags int, perm os.FileMode) (*os.File, error)
	Stat(name string) (os.FileInfo, error)
	Lstat(name string) (os.FileInfo, error)
	Mkdir(name string, perm os.FileMode) error
	Remove(name string) error
	Link(from, to string) error
	Chtimes(name string, accessed, modified time.Time) error
}

// within finds out whether name is a directory, and which one.
func within(d root, name string) error {
	fast, ok := d.(*Dir)
	if !ok {
		f, err := d.OpenFile(name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	return fast.Within(name, func(dir int) error {
		var have, want unix.Stat_t
		if err := errors.Join(unix.Fstat(dir, &have), unix.Fstatat(int(fast.top.Fd()), name, &want, 0)); err != nil {
			return err
		}
		if have.Ino != want.Ino {
			return fmt.Errorf("inode %d, want %d", have.Ino, want.Ino)
		}
		return nil
	})
}

func content(f *os.File, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, 100)
	n, _ := f.Read(b)
	info, err := f.Stat()
	return fmt.Sprint(filepath.Base(f.Name()), string(b[:n]), info.Mode()), err
}

func described(info os.FileInfo, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return fmt.Sprint(info.Mode(), info.IsDir() || info.Size() > 0), nil
}

// alike reports whether two errors are of the same kind for whoever asks.
func alike(a, b error) bool {
	var x, y syscall.Errno
	return (a == nil) == (b == nil) && errors.As(a, &x) == errors.As(b, &y) && x == y
}

// tree lists what is in dir, for comparison.
func tree(t *testing.T, dir string) (list string) {
	t.Helper()
	must(t, filepath.WalkDir(filepath.Dir(dir), func(p string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		set := ""
		if info.ModTime().Before(time.Unix(2e9, 0).AddDate(-30, 0, 0)) {
			set = info.ModTime().String()
		}
		rel, err := filepath.Rel(filepath.Dir(dir), p)
		must(t, err)
		list += fmt.Sprintln(rel, info.Mode(), set)
		return nil
	}))
	return list
}

func TestLookAndReadWhole(t *testing.T) {
	withAndWithout(t, func(t *testing.T, refuse func(*Dir)) {
		dir, d := open(t)
		refuse(d)
		var st unix.Stat_t
		b, err := d.ReadWhole("a/b/file", 6, &st)
		if err != nil || string(b) != "inside" || st.Size != 6 {
			t.Errorf("%q, %v, %d bytes", b, err, st.Size)
		}
		var want unix.Stat_t
		must(t, unix.Lstat(filepath.Join(dir, "a/b/file"), &want))
		if err := d.Look("a/b/file", &st); err != nil || st.Ino != want.Ino || st.Ctim != want.Ctim {
			t.Errorf("inode %d changed %v, %v; want %d, %v", st.Ino, st.Ctim, err, want.Ino, want.Ctim)
		}
		if err := d.Look("a/b/link", &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK {
			t.Errorf("a link: mode %o, %v", st.Mode, err)
		}
		if _, err := d.ReadWhole("a/b/file", 5, &st); !errors.Is(err, unix.EFBIG) {
			t.Errorf("a file that is too long: %v", err)
		}
		for _, name := range []string{"out", "up/secret", "../secret"} {
			if b, err := d.ReadWhole(name, 100, &st); err == nil {
				t.Errorf("%s was read: %q", name, b)
			}
		}
		for _, name := range []string{"none", "a/none/none"} {
			if _, err := d.ReadWhole(name, 100, &st); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
			if err := d.Look(name, &st); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestReadInUsesItsBuffer(t *testing.T) {
	dir, _ := open(t)
	inner, err := os.Open(filepath.Join(dir, "a/b"))
	must(t, err)
	defer inner.Close()
	must(t, os.WriteFile(filepath.Join(dir, "a/b/short"), []byte("in"), 0o644))
	var st unix.Stat_t
	buf := make([]byte, 3)
	first := &buf[0]
	if b, err := ReadIn(inner, "short", 6, &buf, &st); err != nil || string(b) != "in" || st.Size != 2 || &b[0] != first {
		t.Errorf("a short one: %q, %v, %d bytes, in the buffer: %v", b, err, st.Size, &b[0] == first)
	}
	if b, err := ReadIn(inner, "file", 6, &buf, &st); err != nil || string(b) != "inside" || len(buf) < 6 {
		t.Errorf("one that is longer than the buffer: %q, %v; that has %d bytes now", b, err, len(buf))
	}
	if b, err := ReadIn(inner, "short", 6, &buf, &st); err != nil || string(b) != "in" {
		t.Errorf("a short one after a long one: %q, %v", b, err)
	}
	if _, err := ReadIn(inner, "file", 5, &buf, &st); !errors.Is(err, unix.EFBIG) {
		t.Errorf("one that is too long: %v", err)
	}
	if _, err := ReadIn(inner, "link", 100, &buf, &st); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link: %v", err)
	}
	if _, err := ReadIn(inner, "none", 100, &buf, &st); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

// A descriptor may be somebody else's by the time that a late caller comes.
func TestClosedStaysClosed(t *testing.T) {
	_, d := open(t)
	must(t, d.Close())
	if f, err := d.Open("a/b/file"); err == nil {
		t.Errorf("%s was opened after Close", f.Name())
	}
	if err := d.Mkdir("new", 0o755); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("mkdir after Close: %v", err)
	}
}
