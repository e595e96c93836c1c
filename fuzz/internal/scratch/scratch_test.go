package scratch

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDir(t *testing.T) {
	ws := t.TempDir()
	out := filepath.Join(ws, ".cordon", "out")
	d, err := Make(ws, out, "x-")
	if err != nil {
		t.Fatal(err)
	}
	file, err := d.Write("in", []byte("data"), 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(file); err != nil || st.Mode() != 0o755 {
		t.Errorf("the file is %v, %v", st, err)
	}
	if _, err := d.Write("in", nil, 0o644); err == nil {
		t.Error("a file was written twice")
	}
	sub, err := d.Sub("sub")
	if err != nil {
		t.Fatal(err)
	}
	// The processes of the workspace may be another user's.
	if st, err := os.Stat(sub); err != nil || st.Mode().Perm() != 0o777 {
		t.Errorf("the directory is %v, %v", st, err)
	}
	if err := d.Link("link", filepath.Join(ws, "a b")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(filepath.Join(d.Path(), "link")); err != nil || filepath.IsAbs(to) || filepath.Join(d.Path(), to) != filepath.Join(ws, "a b") {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	d.Remove()
	if left, err := os.ReadDir(out); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// What leads out of the workspace is not followed, and what is no file is not read.
func TestHostile(t *testing.T) {
	ws, outside := t.TempDir(), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(ws, name) }
	for _, err := range []error{
		os.Symlink(outside, at("dir")), os.Symlink(secret, at("file")),
		unix.Mkfifo(at("fifo"), 0o644), os.Mkdir(at("directory"), 0o755),
		os.WriteFile(at("big"), make([]byte, 100), 0o644), os.WriteFile(at("good"), []byte("good"), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if d, err := Make(ws, at("dir"), "x-"); err == nil {
		d.Remove()
		t.Error("a directory was made elsewhere")
	}
	for _, name := range []string{"file", "dir/secret", "fifo", "directory", "big", "none", "../secret"} {
		if b, err := Read(ws, at(name), 50); err == nil {
			t.Errorf("%s was read: %q", name, b)
		}
	}
	if b, err := Read(ws, at("good"), 50); err != nil || string(b) != "good" {
		t.Errorf("the good one is %q, %v", b, err)
	}
	for name, want := range map[string]bool{"good": true, "file": false, "dir/secret": false, "fifo": false, "directory": false, "none": false} {
		if got := IsFile(ws, at(name)); got != want {
			t.Errorf("%s is a file: %v", name, got)
		}
	}
	if err := Replace(ws, at("dir/secret"), []byte("x")); err == nil {
		t.Error("a file was replaced elsewhere")
	}
	// A link is replaced, not what it leads to.
	if err := Replace(ws, at("file"), []byte("x")); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(secret); err != nil || string(b) != "secret" {
		t.Errorf("outside there is %q, %v", b, err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Errorf("outside there are %v, %v", left, err)
	}
}
