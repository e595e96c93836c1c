package pack_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheIdOfATree pins ids: one that changes makes every project that is
// stored already a new target.
func TestTheIdOfATree(t *testing.T) {
	root := tree(t, map[string]string{"README": "hello\n", "src/main.go": "package main\n", "empty/": "", "link": "-> README", strings.Repeat("long/", 30) + "größe": "x"})
	const want = "sha256-dfc6ba5bcd903719fb36ba1ffc479237031e7c59975a42e01372f25027736a74"
	if got := hash(t, root).ID.String(); got != want {
		t.Errorf("id = %s, want %s", got, want)
	}
}

func TestTheSameContentIsTheSameTarget(t *testing.T) {
	files := map[string]string{"a": "1", "dir/b": "2", "dir/c": "3", "l": "-> a"}
	first := tree(t, files)
	want := hash(t, first)
	for name, change := range map[string]func(root string) error{
		"another folder":     func(string) error { return nil },
		"another time":       func(root string) error { return os.Chtimes(root+"/a", time.Unix(1, 0), time.Unix(2, 0)) },
		"another group mode": func(root string) error { return os.Chmod(root+"/a", 0o664) },
		"a stricter folder":  func(root string) error { return os.Chmod(root+"/dir", 0o700) },
		"hard links instead of copies": func(root string) error {
			return errors.Join(os.WriteFile(root+"/dir/b", []byte("1"), 0o644), os.Remove(root+"/dir/b"), os.WriteFile(root+"/dir/x", []byte("2"), 0o644), os.Link(root+"/dir/x", root+"/dir/b"), os.Remove(root+"/dir/x"))
		},
		"a socket that is not content": func(root string) error { return syscall.Mkfifo(root+"/pipe", 0o644) },
	} {
		root := tree(t, files)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if got := hash(t, root); got.ID != want.ID || got.SHA256 != want.SHA256 || got.UploadSize != want.UploadSize {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	for name, change := range map[string]func(root string) error{
		"other content":     func(root string) error { return os.WriteFile(root+"/a", []byte("2"), 0o644) },
		"another name":      func(root string) error { return os.Rename(root+"/a", root+"/A") },
		"an executable":     func(root string) error { return os.Chmod(root+"/a", 0o755) },
		"another link":      func(root string) error { return errors.Join(os.Remove(root+"/l"), os.Symlink("dir", root+"/l")) },
		"one folder more":   func(root string) error { return os.Mkdir(root+"/new", 0o755) },
		"a file for a link": func(root string) error { return errors.Join(os.Remove(root+"/l"), os.WriteFile(root+"/l", nil, 0o644)) },
	} {
		root := tree(t, files)
		if err := change(root); err != nil {
			t.Fatal(err)
		}
		if hash(t, root).ID == want.ID {
			t.Errorf("%s has the same id", name)
		}
	}
}

func TestAHardLinkIsAFileOfItsOwn(t *testing.T) {
	root := tree(t, map[string]string{"a": "same"})
	if err := os.Link(root+"/a", root+"/b"); err != nil {
		t.Fatal(err)
	}
	if got, want := hash(t, root).ID, hash(t, tree(t, map[string]string{"a": "same", "b": "same"})).ID; got != want {
		t.Error("two names of one file are another target than two files")
	}
}
