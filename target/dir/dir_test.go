package dir_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/asuser"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/target/targettest"
)

func TestConformance(t *testing.T) {
	targettest.Run(t, func(t *testing.T) targettest.Harness {
		root, bare := t.TempDir(), filepath.Join(t.TempDir(), "not-made-yet")
		for _, d := range []string{"targets", "results"} {
			if err := os.Mkdir(filepath.Join(root, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return targettest.Harness{
			Store:     open(t, root),
			Bare:      open(t, bare),
			BarePlace: bare,
			Plant:     func(t *testing.T, key string, body []byte) { write(t, filepath.Join(root, "targets", key), body) },
			Stored: func(t *testing.T) (names []string) {
				err := filepath.WalkDir(filepath.Join(root, "targets"), func(p string, d fs.DirEntry, err error) error {
					if p != filepath.Join(root, "targets") {
						names = append(names, p)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return names
			},
		}
	})
}

func open(t *testing.T, root string) *dir.Store {
	t.Helper()
	s, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t *testing.T, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, s string) cordon.TargetID {
	t.Helper()
	id, err := cordon.ParseTargetID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestObjectsLieWhereTheContractSays(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	if _, err := s.Put(t.Context(), parse(t, "fw"), strings.NewReader("bytes"), target.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "targets/fw/target")); err != nil || string(b) != "bytes" {
		t.Errorf("targets/fw/target: %q, %v", b, err)
	}
	u, err := s.PutResult(t.Context(), "a/b", "sarif", []byte("{}"))
	if err != nil || u != "file://"+root+"/results/a%252Fb/results.sarif" {
		t.Errorf("PutResult = %s, %v", u, err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "results/a%2Fb/results.sarif")); err != nil || string(b) != "{}" {
		t.Errorf("results: %q, %v", b, err)
	}
}

func TestAnObjectThatIsNoRegularFileIsAClearErrorAndNeverHangs(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"a FIFO":           func(p string) error { return syscall.Mkfifo(p, 0o644) },
		"a directory":      func(p string) error { return os.Mkdir(p, 0o755) },
		"a device":         func(p string) error { return os.Symlink("/dev/zero", p) },
		"leads to":         func(p string) error { return os.Symlink("nowhere", p) },
		"not a regular fi": func(p string) error { return os.Symlink("..", p) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root)
			write(t, filepath.Join(root, "targets/good/target"), []byte("ok"))
			if err := os.MkdirAll(filepath.Join(root, "targets/odd"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := make(filepath.Join(root, "targets/odd/target")); err != nil {
				t.Fatal(err)
			}
			_, serr := s.Stat(t.Context(), parse(t, "odd"))
			_, _, oerr := s.Open(t.Context(), parse(t, "odd"), "")
			for _, err := range []error{serr, oerr} {
				if cordon.KindOf(err) != cordon.TargetNotFound || !strings.Contains(err.Error(), name) {
					t.Errorf("%v does not say that it is %s", err, name)
				}
			}
			n := 0
			for info, err := range s.List(t.Context()) {
				if err != nil || info.ID != parse(t, "good") {
					t.Errorf("List has %+v, %v", info, err)
				}
				n++
			}
			if n != 1 {
				t.Errorf("List has %d targets", n)
			}
		})
	}
}

func TestALinkToARegularFileIsAnObject(t *testing.T) {
	root, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "image.bin")
	write(t, elsewhere, []byte("version 1"))
	s := open(t, root)
	if err := os.MkdirAll(filepath.Join(root, "targets/fw"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(root, "targets/fw/target")); err != nil {
		t.Fatal(err)
	}
	before, err := s.Stat(t.Context(), parse(t, "fw"))
	if err != nil || before.Size != 9 {
		t.Fatalf("Stat = %+v, %v", before, err)
	}
	// The link stays, the file behind it changes: another version.
	other := elsewhere + ".new"
	write(t, other, []byte("version 2"))
	if err := os.Rename(other, elsewhere); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), parse(t, "fw"), before.ETag); !target.IsReplaced(err) {
		t.Errorf("Open = %v, want the error of a replaced version", err)
	}
	// A Put replaces the link and leaves the file alone.
	if _, err := s.Put(t.Context(), parse(t, "fw"), strings.NewReader("put"), target.PutOptions{Size: 3}); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(elsewhere); string(b) != "version 2" {
		t.Errorf("the Put went through the link: %q", b)
	}
}

func TestAnObjectThatIsWrittenOverWhileItIsReadFailsTheRead(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, "targets/fw/target")
	write(t, path, bytes.Repeat([]byte("a"), 100_000))
	s := open(t, root)
	r, _, err := s.Open(t.Context(), parse(t, "fw"), "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // a file's time may be as coarse as the kernel's tick
	write(t, path, bytes.Repeat([]byte("b"), 100_000))
	if _, err := io.Copy(io.Discard, r); !target.IsReplaced(err) {
		t.Errorf("the read ended with %v, want the error of a replaced version", err)
	}
}

func TestPutReplacedByRenameIsReadToItsEnd(t *testing.T) {
	s := open(t, t.TempDir())
	id := parse(t, "fw")
	if _, err := s.Put(t.Context(), id, strings.NewReader("first"), target.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	r, _, err := s.Open(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := s.Put(t.Context(), id, strings.NewReader("other"), target.PutOptions{Size: 5}); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || string(b) != "first" {
		t.Errorf("read %q, %v", b, err)
	}
}

func TestAHintThatIsDamagedOrOfAnotherObjectIsIgnored(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	for name, hint := range map[string]string{
		"not JSON":       "{",
		"another object": `{"sha256":"` + strings.Repeat("0", 64) + `","size":5,"mtime_ns":1,"inode":1}`,
		"too long":       strings.Repeat(" ", 1<<20) + "{}",
	} {
		write(t, filepath.Join(root, "targets/fw/target"), []byte("bytes"))
		write(t, filepath.Join(root, "targets/fw/.target.json"), []byte(hint))
		if info, err := s.Stat(t.Context(), parse(t, "fw")); err != nil || info.SHA256 != "" {
			t.Errorf("%s: Stat = %+v, %v", name, info, err)
		}
	}
}

func TestPutSweepsWhatADeadUploadLeft(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	dead := filepath.Join(root, "targets/fw/.put-DEAD")
	living := filepath.Join(root, "targets/fw/.put-LIVING")
	write(t, dead, []byte("half"))
	write(t, living, []byte("half"))
	f, err := os.Open(living)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), parse(t, "fw"), strings.NewReader("x"), target.PutOptions{Size: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Error("the dead upload is still there")
	}
	if _, err := os.Stat(living); err != nil {
		t.Errorf("the living upload: %v", err)
	}
}

func TestRemoveKeepsWhatOthersPutBesideTheObject(t *testing.T) {
	root := t.TempDir()
	s := open(t, root)
	write(t, filepath.Join(root, "targets/fw/target"), []byte("x"))
	write(t, filepath.Join(root, "targets/fw/NOTES"), []byte("mine"))
	if err := s.Remove(t.Context(), parse(t, "fw")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "targets/fw/NOTES")); err != nil {
		t.Error(err)
	}
}

func TestAStoreInThePlaceOfAFileIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	for _, root := range []string{"", file} {
		if _, err := dir.Open(root); cordon.KindOf(err) != cordon.InvalidArgument {
			t.Errorf("Open(%q) = %v", root, err)
		}
	}
}

func TestADirectoryWithoutAccessIsPermissionDenied(t *testing.T) {
	if !asuser.Unprivileged(t) {
		return
	}
	root := t.TempDir()
	s := open(t, root)
	write(t, filepath.Join(root, "targets/fw/target"), []byte("x"))
	if err := os.Chmod(filepath.Join(root, "targets/fw"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(root, "targets/fw"), 0o755) }) // t.TempDir's own removal would complain
	_, err := s.Stat(t.Context(), parse(t, "fw"))
	if cordon.KindOf(err) != cordon.PermissionDenied {
		t.Errorf("Stat = %v", err)
	}
}
