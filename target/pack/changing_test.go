package pack

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// meddling is a visitor of a tree in which something happens to a name between
// the walk's look at it and its reading.
type meddling struct {
	visitor
	name   string
	meddle func()
}

func (m meddling) entry(e *found) error {
	if e.path == m.name {
		m.meddle()
	}
	return m.visitor.entry(e)
}

// replacements are what may come into the place of a name.
var replacements = map[string]func(t *testing.T, path string) error{
	"nothing":        func(*testing.T, string) error { return nil },
	"a folder":       func(_ *testing.T, path string) error { return os.Mkdir(path, 0o755) },
	"another file":   func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("other"), 0o644) },
	"a locked file":  func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("other"), 0) },
	"a link":         func(_ *testing.T, path string) error { return os.Symlink("nowhere", path) },
	"a link to self": func(_ *testing.T, path string) error { return os.Symlink(filepath.Base(path), path) },
	"a socket":       socket,
	"a FIFO":         func(_ *testing.T, path string) error { return syscall.Mkfifo(path, 0o644) },
	"a written FIFO": func(t *testing.T, path string) error {
		if err := syscall.Mkfifo(path, 0o644); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			t.Cleanup(func() { f.Close() })
		}
		return err
	},
}

// socket makes one at path, by a name that is short enough for it.
func socket(t *testing.T, path string) error {
	t.Chdir(filepath.Dir(path))
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	t.Cleanup(func() { unix.Close(fd) })
	return unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Base(path)})
}

// swap moves away what is at path, so that its inode is not used again, and
// replaces it.
func swap(t *testing.T, path string, replace func(*testing.T, string) error) error {
	return cmp.Or(os.Rename(path, filepath.Join(t.TempDir(), "was")), replace(t, path))
}

func TestWhatTakesThePlaceOfANameMeanwhileIsIntegrityMismatch(t *testing.T) {
	for _, was := range []string{"file", "folder", "link"} {
		for name, replace := range replacements {
			if was == "link" && (name == "a link" || name == "a link to self") {
				continue // that is what it leads to then
			}
			t.Run(was+" by "+name, func(t *testing.T) {
				root := t.TempDir()
				err := errors.Join(
					os.WriteFile(root+"/file", []byte("content"), 0o644),
					os.Mkdir(root+"/folder", 0o755),
					os.Symlink("file", root+"/link"))
				if err != nil {
					t.Fatal(err)
				}
				ctx, moved := t.Context(), func(int) {}
				a := &archiver{ctx: ctx, out: newFrames(ctx, kitOf(t), io.Discard, nil), moved: moved}
				err = walk(ctx, root, meddling{a, was, func() {
					if err := swap(t, root+"/"+was, replace); err != nil {
						t.Fatal(err)
					}
				}})
				if err := a.out.finish(err); cordon.KindOf(err) != cordon.IntegrityMismatch {
					t.Errorf("walk = %v (%q)", err, cordon.KindOf(err))
				}
			})
		}
	}
}

func TestAnIgnoreFileThatIsReplacedIsNeitherReadNorWaitedFor(t *testing.T) {
	for name, replace := range replacements {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(root+"/"+IgnoreFile, []byte("*.o\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			d, err := openFolder(root)
			if err != nil {
				t.Fatal(err)
			}
			defer d.close()
			e := found{in: d, name: IgnoreFile}
			if e.st, err = d.lstat(IgnoreFile); err != nil {
				t.Fatal(err)
			}
			if err := swap(t, root+"/"+IgnoreFile, replace); err != nil {
				t.Fatal(err)
			}
			read := make(chan error, 1)
			go func() {
				_, err := e.content(maxIgnoreFile)
				read <- err
			}()
			select {
			case err := <-read:
				if !errors.Is(err, errChanging) {
					t.Errorf("content = %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("it waits")
			}
		})
	}
}

func TestASingleFileThatIsReplacedIsIntegrityMismatch(t *testing.T) {
	for name, replace := range replacements {
		if name == "another file" {
			continue // that is another source, as good as the first
		}
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/file"
			if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
				t.Fatal(err)
			}
			s, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := swap(t, path, replace); err != nil {
				t.Fatal(err)
			}
			want := cordon.IntegrityMismatch
			if name == "a locked file" {
				if os.Geteuid() == 0 {
					t.Skip("root reads it")
				}
				want = cordon.PermissionDenied
			}
			if _, err := s.Hash(context.Background(), nil); cordon.KindOf(err) != want {
				t.Errorf("Hash = %v (%q)", err, cordon.KindOf(err))
			}
		})
	}
}

func TestATreeThatIsTooDeepForTheOpenFilesIsAnErrorThatSaysSo(t *testing.T) {
	const levels = 300
	root := t.TempDir()
	deepest := filepath.Join(root, strings.Repeat("d/", levels))
	if err := cmp.Or(os.MkdirAll(deepest, 0o755), os.WriteFile(deepest+"/file", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := s.Hash(t.Context(), nil); err != nil || sum.Dirs != levels {
		t.Fatalf("Hash = %d folders, %v", sum.Dirs, err)
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: levels - 44, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Hash(t.Context(), nil)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, unix.EMFILE) || !strings.Contains(cordon.FixOf(err), "ulimit -n") || !strings.Contains(err.Error(), "each level") {
		t.Errorf("Hash = %v; fix: %q", err, cordon.FixOf(err))
	}
}

func TestASingleFileThatIsWrittenWhileItIsSentIsIntegrityMismatch(t *testing.T) {
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, make([]byte, 4*copyBuffer), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Hash(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	r, stop, err := s.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := io.CopyN(io.Discard, r, 1); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, 5*copyBuffer), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); cordon.KindOf(err) != cordon.IntegrityMismatch {
		t.Errorf("reading on = %v (%q)", err, cordon.KindOf(err))
	}
}
