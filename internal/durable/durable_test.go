package durable_test

import (
	"io"
	"os"
	"testing"

	"github.com/cordonlabs/cordon/internal/durable"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second, longer", "3"} {
		if err := durable.WriteFile(root, "sub/file", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := root.ReadFile("sub/file"); err != nil || string(got) != want {
			t.Errorf("content = %q, %v; want %q", got, err, want)
		}
	}
	if err := durable.WriteFile(root, "none/file", nil); err == nil {
		t.Error("a file was written into a directory that does not exist")
	}
	// A name that a directory has cannot be replaced; nothing temporary may stay.
	if err := root.Mkdir("sub/dir", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.WriteFile(root, "sub/dir", nil); err == nil {
		t.Error("a directory was replaced by a file")
	}
	names, err := os.ReadDir(dir + "/sub")
	if err != nil || len(names) != 2 {
		t.Errorf("left in the directory: %v, %v", names, err)
	}
}

// Who reads what was there goes on reading it: a file is replaced, never rewritten.
func TestReplaceLeavesReadersTheirs(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	must(t, err)
	defer root.Close()
	for _, write := range []func(durable.Dir, string, []byte) error{durable.WriteFile, durable.Replace} {
		must(t, write(root, "file", []byte("first")))
		f, err := root.Open("file")
		must(t, err)
		must(t, write(root, "file", []byte("second")))
		old, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(old) != "first" {
			t.Errorf("a reader of the old content got %q, %v", old, err)
		}
	}
}
