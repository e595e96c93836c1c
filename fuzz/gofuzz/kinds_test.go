package gofuzz

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
)

func (p *place) must(t *testing.T, function, sanitizer string) fuzz.Binary {
	t.Helper()
	b, err := p.build(t, "kinds", function, sanitizer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// session has the inputs in its corpus, each in a file that is named after its index.
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
	return ended, found
}

// Each way to fail is told from the others, and what a process says before it dies is
// not lost. The input stands in the corpus, so that no test waits for luck.
func TestKinds(t *testing.T) {
	p := shared(t)
	for _, c := range []struct {
		function, sanitizer, input string
		kind                       fuzz.FoundKind
		says                       string
	}{
		{"FuzzFatal", "", "!", fuzz.FoundCrash, "kinds_test.go:46: it begins with a mark"},
		{"FuzzGoroutine", "", header + "\nstring(\"!\")\nint(3)\n", fuzz.FoundCrash, "kinds.inGoroutine"},
		{"FuzzExit", "", "!", fuzz.FoundCrash, "os.Exit"},
		{"FuzzHang", "", "!", fuzz.FoundTimeout, "kinds.FuzzHang.func1"},
		{"FuzzMemory", "", "!", fuzz.FoundMemory, "kinds.FuzzMemory.func1"},
		{"FuzzRace", "thread", "!", fuzz.FoundCrash, "WARNING: DATA RACE"},
	} {
		t.Run(c.function, func(t *testing.T) {
			b, err := p.build(t, "kinds", c.function, c.sanitizer)
			if err != nil && c.sanitizer != "" && strings.Contains(err.Error(), "C compiler") {
				t.Skip("there is no C compiler: ", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			s := p.session(t, "harmless", c.input)
			s.InputTimeout, s.Memory, s.Runs = 2*time.Second, 256<<20, 200
			ended, found := fuzzed(t, b, s)
			// It was there before, so the session goes on; whether the fuzzer comes upon it again is luck.
			if len(found) == 0 || int(ended.Stats.Crashes) != len(found) {
				t.Fatalf("it ended with %+v and found %d", ended, len(found))
			}
			f := found[0]
			if f.Kind != c.kind || !strings.Contains(f.Log, c.says) {
				t.Errorf("found %s, want %s and %q in the report:\n%s", f.Kind, c.kind, c.says, f.Log)
			}
			r, err := b.Reproduce(t.Context(), f.File, 5*time.Second)
			if err != nil || !r.Crashed || r.Kind != c.kind || !strings.Contains(r.Log, c.says) {
				t.Errorf("reproduced: %+v, %v", r, err)
			}
		})
	}
}

// An input that crashed before is told of and does not keep the fuzzer from its work.
func TestOldCrashes(t *testing.T) {
	p := shared(t)
	t.Run("in the project's testdata", func(t *testing.T) {
		b := p.must(t, "FuzzRegression", "")
		s := p.session(t)
		s.Runs = 1000
		ended, found := fuzzed(t, b, s)
		if !ended.Limit || ended.Crashed || ended.Stats.Executions < 500 {
			t.Errorf("it ended with %+v, want the limit", ended)
		}
		if len(found) != 1 || filepath.Base(found[0].File) != "crash-old" || !strings.Contains(found[0].Log, "it is back") {
			t.Errorf("found %+v", found)
		}
	})
	t.Run("added by f.Add", func(t *testing.T) {
		b := p.must(t, "FuzzSeed", "")
		ended, found := fuzzed(t, b, p.session(t))
		if !ended.Crashed || len(found) != 1 || !strings.Contains(found[0].Log, "it begins with a mark") {
			t.Fatalf("it ended with %+v and found %+v", ended, found)
		}
		if r, err := b.Reproduce(t.Context(), found[0].File, time.Minute); err != nil || !r.Crashed || !strings.Contains(r.Log, "it begins") {
			t.Errorf("reproduced: %+v, %v", r, err)
		}
	})
}

// What a harness has to say where it cannot be fuzzed reaches people.
func TestNotAHarness(t *testing.T) {
	p := shared(t)
	b := p.must(t, "FuzzSkipped", "")
	if _, err := b.Fuzz(t.Context(), p.session(t)); cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "f.Fuzz") {
		t.Errorf("got %v", err)
	}
	// A function that is not there at all.
	b = p.must(t, "FuzzNothing", "")
	if _, err := b.Fuzz(t.Context(), p.session(t)); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

// Inputs in Go's format, raw ones and foreign ones meet in one corpus.
func TestMixedCorpus(t *testing.T) {
	p := shared(t)
	b := p.must(t, "FuzzFatal", "")
	s := p.session(t, header+"\nstring(\"encoded\")\n", "raw", "encoded", header+"\nint(4)\n", header+"\nbroken", "!")
	s.Runs = 100
	fuzzed(t, b, s)
	into := filepath.Join(filepath.Dir(s.Corpus), "into")
	if err := os.Mkdir(into, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Merge(t.Context(), into, []string{s.Corpus}, time.Minute); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(into)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, no := range []string{"d", "e", "f"} { // of another type, broken, crashing
		if slices.Contains(names, no) {
			t.Errorf("%s was merged: %v", no, names)
		}
	}
}
