package aflpp

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

// place is a copy of the sample project.
type place struct {
	dir string
	run *fuzztest.Runner
}

func newPlace(t *testing.T) *place {
	t.Helper()
	need(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/project")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".cordon", "build"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &place{dir, fuzztest.NewRunner(t, dir)}
}

func (p *place) build(t *testing.T, name, file, sanitizer string) fuzz.Binary {
	t.Helper()
	b, err := Engine{}.Build(t.Context(), fuzz.Project{Dir: p.dir, Out: filepath.Join(p.dir, ".cordon", "build"), Runner: p.run,
		Log: t.Output(), Sanitizer: sanitizer}, fuzz.Harness{Name: name, File: file})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// session has these inputs in its corpus.
func (p *place) session(t *testing.T, inputs ...string) fuzz.Session {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Join(p.dir, ".cordon"), "session")
	if err != nil {
		t.Fatal(err)
	}
	s := fuzz.Session{Corpus: filepath.Join(dir, "corpus"), Artifacts: filepath.Join(dir, "artifacts"), Jobs: 1, Duration: time.Minute}
	for _, d := range []string{s.Corpus, s.Artifacts} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for i, in := range inputs {
		if err := os.WriteFile(filepath.Join(s.Corpus, string(rune('a'+i))), []byte(in), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// fuzzed runs a session and returns what was found.
func fuzzed(t *testing.T, b fuzz.Binary, s fuzz.Session) (fuzz.Ended, []fuzz.Found) {
	t.Helper()
	var found []fuzz.Found
	s.Found = func(f fuzz.Found) {
		found = append(found, f)
		t.Logf("%s %s\n%s", f.Kind, f.File, f.Log)
	}
	ended, err := b.Fuzz(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", ended)
	return ended, found
}

// However a harness gets its input, the bug is found, explained and reproduced.
func TestHarnesses(t *testing.T) {
	p := newPlace(t)
	for _, c := range []struct{ name, sanitizer, seed, function string }{
		{"loop", "", "PK 1234567", "store_title"},
		{"byfile", "", "PK 1234567", "store_title"},
		{"byinput", "", "PK 1234567", "store_title"},
		{"aborts", "none", "A 1234567890", "give_up"}, // the report comes from a second program
	} {
		t.Run(c.name, func(t *testing.T) {
			b := p.build(t, c.name, "fuzz/"+c.name+".c", c.sanitizer)
			ended, found := fuzzed(t, b, p.session(t, c.seed)) // a byte more, and there it is
			// A machine that is busy may make AFL believe in a hang as well.
			i := slices.IndexFunc(found, func(f fuzz.Found) bool { return f.Kind == fuzz.FoundCrash })
			if !ended.Crashed || i < 0 {
				t.Fatalf("it ended with %+v and found %+v", ended, found)
			}
			if !strings.Contains(found[i].Log, c.function) {
				t.Errorf("the report does not name %s:\n%s", c.function, found[i].Log)
			}
			r, err := b.Reproduce(t.Context(), found[i].File, time.Minute)
			if err != nil || !r.Crashed || !strings.Contains(r.Log, c.function) {
				t.Errorf("reproduced: %+v, %v", r, err)
			}
		})
	}
}

// An input of the corpus that crashes or hangs is told of once and does not keep AFL
// from its work, not even where there is no other.
func TestBadSeeds(t *testing.T) {
	p := newPlace(t)
	b := p.build(t, "byinput", "fuzz/byinput.c", "")
	s := p.session(t, "PK a title that has no end", "ZZZZZZ")
	s.Duration, s.Runs = 0, 500
	ended, found := fuzzed(t, b, s)
	kinds := map[fuzz.FoundKind]int{}
	for _, f := range found {
		kinds[f.Kind]++
		if !strings.HasPrefix(filepath.Base(f.File), string(f.Kind)+"-") {
			t.Errorf("%s is in %s", f.Kind, f.File)
		}
	}
	if kinds[fuzz.FoundCrash] != 1 || kinds[fuzz.FoundTimeout] != 1 || len(found) != 2 {
		t.Errorf("found %v", kinds)
	}
	if !ended.Limit || ended.Crashed || ended.Stats.Executions < 100 || ended.Stats.Crashes != 2 {
		t.Errorf("it ended with %+v", ended)
	}
	// The next session knows them.
	s = p.session(t, "PK a title that has no end", "PK another title without an end")
	s.Duration, s.Runs = 0, 500
	if ended, found := fuzzed(t, b, s); !ended.Limit || len(found) != 0 {
		t.Errorf("the second session ended with %+v and found %+v", ended, found)
	}
}

// What is no harness is not built.
func TestBuildOfNoHarness(t *testing.T) {
	p := newPlace(t)
	_, err := Engine{}.Build(t.Context(), fuzz.Project{Dir: p.dir, Out: filepath.Join(p.dir, ".cordon", "build"), Runner: p.run, Log: t.Output()},
		fuzz.Harness{Name: "main", File: "src/main.c"})
	if cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

// A project's own build script is run with AFL's compilers.
func TestScript(t *testing.T) {
	p := newPlace(t)
	script := "$CC $CFLAGS -Iinclude -c src/packet.c -o $WORK/packet.o\n" +
		"$CC $CFLAGS -Iinclude fuzz/planted.c $WORK/packet.o $LIB_FUZZING_ENGINE -o $OUT/planted\necho built for $FUZZING_ENGINE\n"
	if err := os.WriteFile(filepath.Join(p.dir, "fuzz", "build.sh"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	b := p.build(t, "planted", "fuzz/planted.c", "")
	if ended, found := fuzzed(t, b, p.session(t, "PK 1234567")); !ended.Crashed || len(found) != 1 || !strings.Contains(found[0].Log, "store_title") {
		t.Errorf("it ended with %+v and found %+v", ended, found)
	}
}
