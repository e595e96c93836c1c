package fuzztest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/fuzz"
)

const (
	// generous is how long a fuzzer may take for what takes seconds.
	generous = 2 * time.Minute

	// prompt is how soon after the end of its context a call is back. fuzz.Binary
	// says seconds, and the contract five; the rest is for a machine that does other
	// things as well.
	prompt = 5*time.Second + 5*time.Second

	// brief is a session that is long enough for a corpus to grow.
	brief = 3 * time.Second
)

// behaviour is one thing that an engine does with a harness.
type behaviour struct {
	name  string
	check func(*testing.T, *bench)
}

// ofPlanted is what holds of a harness with a bug.
var ofPlanted = []behaviour{
	{"it finds the bug", finds},
	{"it reproduces the bug", reproduces},
	{"it reproduces nothing from a harmless input", reproducesNot},
	{"it minimises the input", minimises},
	{"it minimises no harmless input", minimisesNot},
}

// ofClean is what holds of a harness without one.
var ofClean = []behaviour{
	{"it ends after its executions", runsLimited},
	{"it ends after its time", timeLimited},
	{"several jobs share a corpus", jobs},
	{"it stops soon when told to", stops},
	{"a merge keeps what is reached", merges},
	{"a merge without time is an error", mergeTooShort},
	{"a call whose context is over runs nothing", overBefore},
}

func (b *bench) session(t *testing.T) fuzz.Session {
	corpus := b.sub(t, "corpus")
	write(t, filepath.Join(corpus, "seed"), []byte("seed"))
	return fuzz.Session{Corpus: corpus, Artifacts: b.sub(t, "artifacts"), Jobs: 1}
}

func finds(t *testing.T, b *bench) {
	s := b.session(t)
	s.Duration = generous
	var found []fuzz.Found
	s.Found = func(f fuzz.Found) { found = append(found, f) }
	ended, err := b.bin.Fuzz(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if !ended.Crashed || ended.Limit {
		t.Errorf("it ended with %+v, want a crash", ended)
	}
	if ended.Stats.Crashes != 1 || len(found) != 1 {
		t.Fatalf("%d crashes are counted, and %+v told of; want one", ended.Stats.Crashes, found)
	}
	f := found[0]
	if f.Kind != fuzz.FoundCrash || filepath.Dir(f.File) != s.Artifacts {
		t.Errorf("it found %q, %q", f.Kind, f.File)
	}
	if !strings.Contains(f.Log, b.project.Function) {
		t.Errorf("the report does not name %s:\n%s", b.project.Function, f.Log)
	}
	if len(read(t, f.File)) == 0 {
		t.Error("the input is empty")
	}
	r, err := b.bin.Reproduce(t.Context(), f.File, generous)
	if err != nil || !r.Crashed {
		t.Errorf("what was found does not reproduce: %+v, %v", r, err)
	}
}

func reproduces(t *testing.T, b *bench) {
	file := write(t, filepath.Join(b.root, "an input"), b.project.Crash)
	for range 3 {
		r, err := b.bin.Reproduce(t.Context(), file, generous)
		if err != nil {
			t.Fatal(err)
		}
		if !r.Crashed || r.Kind != fuzz.FoundCrash || len(r.Command) == 0 {
			t.Errorf("reproduced: %+v", r)
		}
		if !strings.Contains(r.Log, b.project.Function) {
			t.Errorf("the report does not name %s:\n%s", b.project.Function, r.Log)
		}
	}
	if !bytes.Equal(read(t, file), b.project.Crash) {
		t.Error("the input was changed")
	}
}

func reproducesNot(t *testing.T, b *bench) {
	file := write(t, filepath.Join(b.root, "input"), []byte("harmless"))
	r, err := b.bin.Reproduce(t.Context(), file, generous)
	if err != nil || r.Crashed {
		t.Errorf("reproduced: %+v, %v", r, err)
	}
}

func minimises(t *testing.T, b *bench) {
	file := write(t, filepath.Join(b.root, "input"), b.project.Crash)
	out := filepath.Join(b.root, "smaller")
	ok, err := b.bin.Minimise(t.Context(), file, out, 20*time.Second)
	if err != nil || !ok {
		t.Fatalf("minimised: %v, %v", ok, err)
	}
	small := read(t, out)
	if len(small) >= len(b.project.Crash) || len(small) == 0 {
		t.Errorf("%d bytes became %d", len(b.project.Crash), len(small))
	}
	r, err := b.bin.Reproduce(t.Context(), out, generous)
	if err != nil || !r.Crashed || !strings.Contains(r.Log, b.project.Function) {
		t.Errorf("the smaller one %q does not crash alike: %+v, %v", small, r, err)
	}
	if !bytes.Equal(read(t, file), b.project.Crash) {
		t.Error("the input was changed")
	}
}

func minimisesNot(t *testing.T, b *bench) {
	file := write(t, filepath.Join(b.root, "input"), []byte("harmless"))
	out := filepath.Join(b.root, "smaller")
	if ok, err := b.bin.Minimise(t.Context(), file, out, 20*time.Second); ok {
		t.Errorf("minimised: %v, %v", ok, err)
	}
	if _, err := os.Lstat(out); err == nil {
		t.Error("there is a smaller input")
	}
}

func runsLimited(t *testing.T, b *bench) {
	s := b.session(t)
	s.Runs, s.Duration = 2000, generous
	ended, err := b.bin.Fuzz(t.Context(), s)
	if err != nil || !ended.Limit || ended.Crashed {
		t.Fatalf("it ended with %+v, %v; want the limit", ended, err)
	}
	// Engines count in portions.
	if n := ended.Stats.Executions; n < s.Runs/2 || n > s.Runs*2 {
		t.Errorf("%d executions, want about %d", n, s.Runs)
	}
}

func timeLimited(t *testing.T, b *bench) {
	s := b.session(t)
	s.Duration = brief
	var told []fuzz.Stats
	s.Report = func(st fuzz.Stats) { told = append(told, st) }
	began := time.Now()
	ended, err := b.bin.Fuzz(t.Context(), s)
	if err != nil || !ended.Limit || ended.Crashed {
		t.Fatalf("it ended with %+v, %v; want the limit", ended, err)
	}
	if d := time.Since(began); d < brief-time.Second || d > brief+generous/2 {
		t.Errorf("it took %v, want about %v", d, brief)
	}
	if len(told) == 0 {
		t.Error("nothing was reported on the way")
	}
	st := ended.Stats
	if st.Executions == 0 || st.PerSecond <= 0 || st.Corpus == 0 || st.LastNew.Before(began) {
		t.Errorf("stats: %+v", st)
	}
	if n := len(names(t, s.Corpus)); n < 2 {
		t.Errorf("the corpus has %d inputs", n)
	}
	if n := names(t, s.Artifacts); len(n) != 0 {
		t.Errorf("the artifacts have %v", n)
	}
}

func jobs(t *testing.T, b *bench) {
	s := b.session(t)
	s.Duration, s.Jobs = brief, 2
	ended, err := b.bin.Fuzz(t.Context(), s)
	if err != nil || !ended.Limit || ended.Crashed {
		t.Fatalf("it ended with %+v, %v; want the limit", ended, err)
	}
	if ended.Stats.Executions == 0 || len(names(t, s.Corpus)) < 2 {
		t.Errorf("stats %+v, corpus %v", ended.Stats, names(t, s.Corpus))
	}
}

func stops(t *testing.T, b *bench) {
	s := b.session(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var cancelled time.Time
	s.Report = func(st fuzz.Stats) {
		if cancelled.IsZero() && st.Executions > 0 {
			cancelled = time.Now()
			cancel()
		}
	}
	ended, err := b.bin.Fuzz(ctx, s)
	if err != nil || ended.Limit || ended.Crashed {
		t.Errorf("it ended with %+v, %v; want neither crash nor limit", ended, err)
	}
	if d := time.Since(cancelled); d > prompt {
		t.Errorf("it took %v to stop", d)
	}
	if left := b.run.left(); len(left) > 0 {
		t.Errorf("processes %v were left running", left)
	}
}

func overBefore(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended, err := b.bin.Fuzz(ctx, b.session(t))
	if err != nil || ended.Limit || ended.Crashed {
		t.Errorf("it ended with %+v, %v; want neither crash nor limit", ended, err)
	}
	file := write(t, filepath.Join(b.root, "input"), []byte("harmless"))
	if r, err := b.bin.Reproduce(ctx, file, generous); err == nil || r.Crashed {
		t.Errorf("reproduced: %+v, %v; want an error", r, err)
	}
}

func merges(t *testing.T, b *bench) {
	s := b.session(t)
	s.Duration = brief
	if _, err := b.bin.Fuzz(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	extra := b.sub(t, "more inputs")
	write(t, filepath.Join(extra, "again"), []byte("seed"))
	into := b.sub(t, "merged inputs")
	if err := b.bin.Merge(t.Context(), into, []string{s.Corpus, extra}, generous); err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for _, dir := range []string{s.Corpus, extra} {
		for _, n := range names(t, dir) {
			all = append(all, read(t, filepath.Join(dir, n)))
		}
	}
	merged := names(t, into)
	if len(merged) == 0 || len(merged) >= len(all) {
		t.Errorf("%d inputs became %d", len(all), len(merged))
	}
	for _, n := range merged {
		if m := read(t, filepath.Join(into, n)); !slices.ContainsFunc(all, func(x []byte) bool { return bytes.Equal(x, m) }) {
			t.Errorf("%s is none of the inputs: %q", n, m)
		}
	}
	if before, after := b.coverage(t, s.Corpus), b.coverage(t, into); after < before {
		t.Errorf("the corpus reached %d, and reaches %d merged", before, after)
	}
}

// coverage is what a corpus reaches without any new inputs, 0 where the engine
// cannot tell.
func (b *bench) coverage(t *testing.T, corpus string) int64 {
	t.Helper()
	ended, err := b.bin.Fuzz(t.Context(), fuzz.Session{
		Corpus: corpus, Artifacts: b.sub(t, "artifacts"), Jobs: 1, Runs: 1, Duration: generous,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ended.Stats.Coverage
}

func mergeTooShort(t *testing.T, b *bench) {
	from := b.sub(t, "corpus")
	write(t, filepath.Join(from, "seed"), []byte("seed"))
	if err := b.bin.Merge(t.Context(), b.sub(t, "merged"), []string{from}, time.Nanosecond); err == nil {
		t.Error("no error")
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var n []string
	for _, e := range entries {
		n = append(n, e.Name())
	}
	return n
}
