package gofuzz

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// Compiling the standard library takes most of a test's time. So the sample project is
// copied and built once, and the tests work in that copy or in copies of it.
var sample struct {
	sync.Once
	dir string
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if sample.dir != "" {
		os.RemoveAll(sample.dir)
	}
	os.Exit(code)
}

// place is a copy of the sample project.
type place struct {
	dir string
	run *fuzztest.Runner
}

// shared returns the place that the tests of this package share.
func shared(t *testing.T) *place {
	t.Helper()
	if testing.Short() {
		t.Skip("it compiles Go's standard library, which takes half a minute")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	sample.Do(func() {
		if sample.dir, sample.err = os.MkdirTemp("", "gofuzz"); sample.err != nil {
			return
		}
		if sample.err = os.CopyFS(sample.dir, os.DirFS("testdata/sample")); sample.err != nil {
			return
		}
		if sample.err = os.MkdirAll(filepath.Join(sample.dir, ".cordon", "build"), 0o755); sample.err != nil {
			return
		}
		p := &place{sample.dir, fuzztest.NewRunner(t, sample.dir)}
		_, sample.err = p.build(t, "clean", "FuzzClean", "")
	})
	if sample.err != nil {
		t.Fatal(sample.err)
	}
	return &place{sample.dir, fuzztest.NewRunner(t, sample.dir)}
}

func (p *place) build(t *testing.T, pkg, function, sanitizer string) (fuzz.Binary, error) {
	t.Helper()
	return Engine{}.Build(t.Context(), fuzz.Project{Dir: p.dir, Out: filepath.Join(p.dir, ".cordon", "build"), Runner: p.run,
		Log: t.Output(), Sanitizer: sanitizer}, fuzz.Harness{Name: pkg + "." + function, File: pkg + "/" + pkg + "_test.go"})
}
