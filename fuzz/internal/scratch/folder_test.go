package scratch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFolder(t *testing.T) {
	ws := t.TempDir()
	top, err := Open(ws, ws)
	if err != nil {
		t.Fatal(err)
	}
	defer top.Close()
	f, err := top.Sub("in")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// The processes of the workspace may be another user's.
	if st, err := os.Stat(f.Path); err != nil || st.Mode().Perm() != 0o777 {
		t.Errorf("the directory is %v, %v", st, err)
	}
	for _, data := range []string{"first", "second"} {
		if err := f.Write("b", []byte(data)); err != nil {
			t.Fatal(err)
		}
		if got, err := f.Read("b", 10); err != nil || string(got) != data {
			t.Errorf("got %q, %v; want %q", got, err, data)
		}
	}
	if got, err := f.Tail("b", 3); err != nil || string(got) != "ond" {
		t.Errorf("the tail is %q, %v", got, err)
	}
	if err := f.Write("a", nil); err != nil {
		t.Fatal(err)
	}
	if names, err := f.Names(); err != nil || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("names %q, %v", names, err)
	}
	// It is the same directory, whatever it is called now.
	if err := os.Rename(f.Path, f.Path+"2"); err != nil {
		t.Fatal(err)
	}
	if !f.Has("a") || f.Has("c") {
		t.Error("the files are not there any more")
	}
	if err := top.RemoveAll("in2"); err != nil || f.Has("a") {
		t.Errorf("it is still there: %v", err)
	}
}

// A folder does not lead out, by whatever is put into it or in its place.
func TestFolderHostile(t *testing.T) {
	ws, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	in := filepath.Join(ws, "in")
	for _, err := range []error{
		os.WriteFile(secret, []byte("secret"), 0o644), os.Mkdir(in, 0o755), os.Symlink(outside, filepath.Join(ws, "out")),
		os.Symlink(secret, filepath.Join(in, "link")), os.Symlink(outside, filepath.Join(in, "dir")),
		unix.Mkfifo(filepath.Join(in, "fifo"), 0o644), os.WriteFile(filepath.Join(in, "big"), make([]byte, 100), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{filepath.Join(ws, "out"), outside, filepath.Join(ws, ".."), filepath.Join(ws, "none")} {
		if f, err := Open(ws, dir); err == nil {
			f.Close()
			t.Errorf("%s was opened", dir)
		}
	}
	f, err := Open(ws, in)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"link", "fifo", "dir", "big", "none", "..", "dir/secret", "../in/big", ""} {
		if b, err := f.Read(name, 50); err == nil {
			t.Errorf("%q was read: %q", name, b)
		}
	}
	for _, name := range []string{"link", "fifo", "none", "dir/secret"} {
		if b, err := f.Tail(name, 50); err == nil {
			t.Errorf("the tail of %q was read: %q", name, b)
		}
	}
	if names, err := f.Names(); err != nil || !slices.Equal(names, []string{"big"}) {
		t.Errorf("names %q, %v", names, err)
	}
	if sub, err := f.Sub("dir"); err == nil {
		sub.Close()
		t.Error("a directory elsewhere was opened")
	}
	// A link is replaced, not what it leads to, and a directory is not replaced.
	if err := f.Write("link", []byte("x")); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"dir/secret", "..", "a/b"} {
		if f.Write(name, []byte("x")) == nil || f.RemoveAll(name) == nil {
			t.Errorf("%q was written or removed", name)
		}
	}
	if err := f.RemoveAll("dir"); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("outside there is %q, %v", b, err)
	}
}
