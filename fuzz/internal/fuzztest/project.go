package fuzztest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
)

// Project is a sample project, and what is in it.
type Project struct {
	Dir       string         // of the sample; it is copied, and nothing is written to it
	Harnesses []fuzz.Harness // all of them, as Discover lists them

	Planted  string // the harness that has a bug
	Function string // in which the bug is: its name stands in the stack
	Crash    []byte // an input that meets the bug, with bytes that it does not need; at least 16
	Clean    string // a harness without a bug, with several branches, that never ends of itself
	Broken   string // a harness that does not build; "" where the language knows no such thing
	Says     string // what the compiler says of the broken one
}

// workspace is a copy of the project, for one test. There is a space in its path,
// since ids may have spaces.
func (p Project) workspace(t *testing.T) (dir, out string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "a workspace")
	if err := os.CopyFS(dir, os.DirFS(p.Dir)); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(dir, ".cordon", "build")
	mkdir(t, out)
	return dir, out
}

func (p Project) harness(t *testing.T, name string) fuzz.Harness {
	t.Helper()
	for _, h := range p.Harnesses {
		if h.Name == name {
			return h
		}
	}
	t.Fatalf("the project lists no harness %q", name)
	return fuzz.Harness{}
}

func mkdir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, file string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
