package fuzztest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
)

// Engine checks that e behaves as fuzz.Engine says, on the project p. Each harness
// is built once. What e needs of the machine is the caller's to probe.
func Engine(t *testing.T, e fuzz.Engine, p Project) {
	dir, out := p.workspace(t)
	run := NewRunner(t, dir)
	bed := &bed{engine: e, project: p, dir: dir, out: out, run: run}

	t.Run("it has a version", func(t *testing.T) {
		v, err := e.Version(t.Context(), run)
		if err != nil || v == "" || strings.ContainsAny(v, "\n\r") {
			t.Errorf("version %q, %v; want one line", v, err)
		}
	})
	t.Run("it discovers the harnesses and nothing else", bed.discovers)
	t.Run("it refuses a sanitizer that it does not have", bed.refusesSanitizer)
	if p.Broken != "" {
		t.Run("it says why a project does not build", bed.saysWhatIsBroken)
	}
	t.Run("a build whose context is over does nothing", bed.buildCancelled)

	for _, b := range []struct {
		harness    string
		behaviours []behaviour
	}{{p.Planted, ofPlanted}, {p.Clean, ofClean}} {
		t.Run(b.harness, func(t *testing.T) {
			bench := bed.bench(t, b.harness)
			for _, is := range b.behaviours {
				t.Run(is.name, func(t *testing.T) {
					before := bed.listing(t)
					is.check(t, bench.in(t))
					if left := run.left(); len(left) > 0 {
						t.Errorf("processes %v were left running", left)
					}
					if after := bed.listing(t); !slices.Equal(before, after) {
						t.Errorf("the project's own files were\n%s\nand are\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
					}
				})
			}
		})
	}
}

// bed is a workspace, and who fuzzes in it.
type bed struct {
	engine   fuzz.Engine
	project  Project
	dir, out string
	run      *Runner
}

func (b *bed) at(t *testing.T, sanitizer string) fuzz.Project {
	return fuzz.Project{Dir: b.dir, Out: b.out, Runner: b.run, Log: logTo{t}, Sanitizer: sanitizer}
}

// logTo writes to the log of a test.
type logTo struct{ t *testing.T }

func (l logTo) Write(p []byte) (int, error) {
	l.t.Logf("%s", p)
	return len(p), nil
}

// listing is the files of the project, with their sizes, without what engines and
// tests write beside them.
func (b *bed) listing(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(b.dir, func(p string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == filepath.Join(b.dir, ".cordon") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			st, err := d.Info()
			if err != nil {
				return err
			}
			all = append(all, fmt.Sprint(p, " ", st.Size()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (b *bed) discovers(t *testing.T) {
	// A link to a harness is none, nor is one in a directory reached by a link.
	file := b.project.Harnesses[0].File
	link := filepath.Join(b.dir, "link"+filepath.Ext(file))
	if err := os.Symlink(filepath.Join(b.dir, filepath.FromSlash(file)), link); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(link)
	around := filepath.Join(b.dir, "around")
	if err := os.Symlink(b.dir, around); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(around)
	got, err := b.engine.Discover(t.Context(), b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, b.project.Harnesses) {
		t.Errorf("it found\n%+v\nnot\n%+v", got, b.project.Harnesses)
	}
	if none, err := b.engine.Discover(t.Context(), t.TempDir()); err != nil || len(none) != 0 {
		t.Errorf("in an empty directory it found %+v, %v", none, err)
	}
}

func (b *bed) refusesSanitizer(t *testing.T) {
	_, err := b.engine.Build(t.Context(), b.at(t, "garlic"), b.project.harness(t, b.project.Planted))
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "garlic") {
		t.Errorf("got %v, want an InvalidArgument that names it", err)
	}
}

func (b *bed) saysWhatIsBroken(t *testing.T) {
	_, err := b.engine.Build(t.Context(), b.at(t, ""), b.project.harness(t, b.project.Broken))
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), b.project.Says) {
		t.Errorf("got %v, want an InvalidArgument with %q", err, b.project.Says)
	}
}

func (b *bed) buildCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.engine.Build(ctx, b.at(t, ""), b.project.harness(t, b.project.Clean)); err == nil || cordon.KindOf(err) != "" {
		t.Errorf("got %v, want the context's error without a kind", err)
	}
}

// bench is a harness that was built, and directories for one test.
type bench struct {
	*bed
	bin  fuzz.Binary
	root string
}

func (b *bed) bench(t *testing.T, harness string) *bench {
	t.Helper()
	bin, err := b.engine.Build(t.Context(), b.at(t, ""), b.project.harness(t, harness))
	if err != nil {
		t.Fatalf("building: %v", err)
	}
	return &bench{bed: b, bin: bin}
}

// in gives the bench an empty directory.
func (b *bench) in(t *testing.T) *bench {
	t.Helper()
	root, err := os.MkdirTemp(mkdir(t, filepath.Join(b.dir, ".cordon", "tests")), "")
	if err != nil {
		t.Fatal(err)
	}
	return &bench{b.bed, b.bin, root}
}

func (b *bench) sub(t *testing.T, name string) string { return mkdir(t, filepath.Join(b.root, name)) }
