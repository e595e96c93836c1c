package fuzz_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
)

// script is an engine whose sessions do what a test says: what real ones cannot be
// made to do when it is wanted. It is its own binary.
type script struct {
	fuzz.Engine

	mu       sync.Mutex
	sessions []fuzz.Session
	fuzz     func(ctx context.Context, n int, s fuzz.Session) (fuzz.Ended, error)
	crashes  func(input string) bool // whether an input crashes when it is run again
}

func (s *script) Name() string { return "script" }

func (s *script) Fuzz(ctx context.Context, session fuzz.Session) (fuzz.Ended, error) {
	s.mu.Lock()
	s.sessions = append(s.sessions, session)
	n := len(s.sessions)
	s.mu.Unlock()
	return s.fuzz(ctx, n, session)
}

func (s *script) Reproduce(_ context.Context, file string, _ time.Duration) (fuzz.Reproduction, error) {
	b, err := os.ReadFile(file)
	if err != nil || s.crashes != nil && !s.crashes(string(b)) {
		return fuzz.Reproduction{}, err
	}
	bug, _, _ := strings.Cut(string(b), " ")
	return fuzz.Reproduction{Crashed: true, Kind: fuzz.FoundCrash, Log: bug, Command: []string{"run", file}}, nil
}

func (s *script) Minimise(_ context.Context, file, out string, _ time.Duration) (bool, error) {
	b, err := os.ReadFile(file)
	if bug, _, ok := strings.Cut(string(b), " "); ok && err == nil {
		return true, os.WriteFile(out, []byte(bug), 0o644)
	}
	return false, err
}

func (s *script) Merge(_ context.Context, into string, from []string, _ time.Duration) error {
	return os.CopyFS(into, os.DirFS(from[0]))
}

// crash leaves a crash input, as a fuzzer does; the first word is the bug.
func crash(s fuzz.Session, input string) {
	file := filepath.Join(s.Artifacts, "crash-"+sum(input))
	if err := os.WriteFile(file, []byte(input), 0o644); err != nil {
		panic(err)
	}
	bug, _, _ := strings.Cut(input, " ")
	s.Found(fuzz.Found{Kind: fuzz.FoundCrash, File: file, Log: bug})
}

func sum(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

// shelf is a store of crashes and of one corpus.
type shelf struct {
	mu      sync.Mutex
	refuse  error // what Keep and Push fail with
	crashes []string
	kept    map[string]fuzz.Crash // by input
	known   []string              // the corpus that others left
	corpus  map[string]bool
	pushes  int
	merged  int
}

func (s *shelf) Identify(_ string, _ fuzz.FoundKind, log string, input []byte) fuzz.Bug {
	if log == "" {
		log = sum(string(input))
	}
	return fuzz.Bug{ID: log, Type: "crash", Title: log}
}

func (s *shelf) Keep(_ context.Context, bug fuzz.Bug, c fuzz.Crash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	if s.kept == nil {
		s.kept = map[string]fuzz.Crash{}
	}
	if _, ok := s.kept[string(c.Input)]; !ok {
		s.crashes = append(s.crashes, bug.ID+": "+string(c.Input))
	}
	s.kept[string(c.Input)] = c
	return nil
}

func (s *shelf) Pull(_ context.Context, dir *os.Root) (int, error) {
	for _, in := range s.known {
		if err := dir.WriteFile(sum(in), []byte(in), 0o644); err != nil {
			return 0, err
		}
	}
	return len(s.known), nil
}

func (s *shelf) Push(_ context.Context, dir *os.Root) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return 0, s.refuse
	}
	s.pushes++
	if s.corpus == nil {
		s.corpus = map[string]bool{}
	}
	all, err := fs.ReadDir(dir.FS(), ".")
	for _, e := range all {
		b, err := dir.ReadFile(e.Name())
		if err == nil && !s.corpus[string(b)] && !slices.Contains(s.known, string(b)) {
			s.corpus[string(b)] = true
			n++
		}
	}
	return n, err
}

func (s *shelf) Replace(_ context.Context, dir *os.Root) error {
	all, err := fs.ReadDir(dir.FS(), ".")
	s.merged = len(all)
	return err
}

func (s *shelf) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = err
}

func (s *shelf) have() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.crashes))
}

// stage is a campaign in a workspace of its own.
func stage(t *testing.T, run func(ctx context.Context, n int, s fuzz.Session) (fuzz.Ended, error)) (*fuzz.Campaign, *script, *shelf) {
	t.Helper()
	ws := t.TempDir()
	e, s := &script{fuzz: run}, &shelf{}
	c := &fuzz.Campaign{
		Engine: e, Version: "1", Harness: fuzz.Harness{Name: "parse", File: "fuzz/parse.c", Line: 1}, Binary: e,
		Place: fuzz.PlaceOf(ws, "script", "parse"), Crashes: s, Corpus: s, Duration: time.Minute, Log: slog.New(slog.DiscardHandler),
	}
	if err := c.Place.Make(); err != nil {
		t.Fatal(err)
	}
	return c, e, s
}

func mustRun(t *testing.T, c *fuzz.Campaign) fuzz.Outcome {
	t.Helper()
	out, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantSaved(t *testing.T, s *shelf, want ...string) {
	t.Helper()
	if got := s.have(); !slices.Equal(got, want) {
		t.Errorf("the store has %q, want %q", got, want)
	}
}

func TestACampaignGoesOnAfterACrash(t *testing.T) {
	c, e, s := stage(t, func(_ context.Context, n int, s fuzz.Session) (fuzz.Ended, error) {
		switch n {
		case 1:
			crash(s, "overflow with much around it")
			return fuzz.Ended{Crashed: true, Stats: fuzz.Stats{Executions: 10}}, nil
		case 2:
			crash(s, "overflow again")
			return fuzz.Ended{Crashed: true, Stats: fuzz.Stats{Executions: 20}}, nil
		}
		crash(s, "leak")
		return fuzz.Ended{Limit: true, Stats: fuzz.Stats{Executions: 70, Coverage: 5}}, nil
	})
	c.Runs = 100
	out := mustRun(t, c)
	wantSaved(t, s, "leak: leak", "overflow: overflow", "overflow: overflow again", "overflow: overflow with much around it")
	if out.Stopped != fuzz.StoppedRuns || out.Stats.Executions != 100 || len(e.sessions) != 3 || e.sessions[2].Runs != 70 {
		t.Errorf("outcome %+v after %d sessions", out, len(e.sessions))
	}
	if len(out.Bugs) != 2 || out.Bugs[0].ID != "overflow" || out.Bugs[0].Inputs != 2 || out.Bugs[0].Tried != 3 || out.Bugs[0].Reproduced != 3 || out.Bugs[1].ID != "leak" {
		t.Errorf("bugs %+v", out.Bugs)
	}
	if k := s.kept["overflow again"]; len(k.Command) != 2 || filepath.Base(k.Command[1]) != "crash-"+sum("overflow again") {
		t.Errorf("an input that was not looked into is run by %q", k.Command)
	}
	small := s.kept["overflow"]
	if small.Smaller != sum("overflow with much around it") || small.Reproduced != 3 || len(small.Command) == 0 {
		t.Errorf("the minimised input is kept as %+v", small)
	}
	if c, err := os.ReadDir(e.sessions[0].Artifacts); err != nil || len(c) != 0 {
		t.Errorf("left in the workspace: %v, %v", c, err)
	}
}

// Whoever waits for a campaign gives up at a time: the fuzzing ends before it, however
// long it was meant to be, and so does what comes after.
func TestACampaignIsOverWhenNobodyWaitsAnyMore(t *testing.T) {
	c, e, s := stage(t, func(ctx context.Context, n int, s fuzz.Session) (fuzz.Ended, error) {
		if n == 1 {
			crash(s, "bug")
			return fuzz.Ended{Crashed: true, Stats: fuzz.Stats{Executions: 10}}, nil
		}
		time.Sleep(s.Duration)
		return fuzz.Ended{Limit: true, Stats: fuzz.Stats{Executions: 10}}, nil
	})
	c.Duration, c.Until = time.Hour, time.Now().Add(8*time.Second)
	began := time.Now()
	out := mustRun(t, c)
	wantSaved(t, s, "bug: bug")
	if took := time.Since(began); took > 8*time.Second || out.Stopped != fuzz.StoppedTime {
		t.Errorf("it stopped for %q after %v", out.Stopped, took)
	}
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "before its 1h0m0s were over") {
		t.Errorf("that it was cut short is said by %q", out.Notes)
	}
	if d := e.sessions[0].Duration; d <= 0 || d > 4*time.Second {
		t.Errorf("the first session was given %v of 8 s, half of which are for the end", d)
	}
}

func TestAnInputThatIsFoundAgainIsDoneWith(t *testing.T) {
	c, e, s := stage(t, func(_ context.Context, n int, s fuzz.Session) (fuzz.Ended, error) {
		crash(s, "bug")
		time.Sleep(20 * time.Millisecond)
		return fuzz.Ended{Crashed: true, Stats: fuzz.Stats{Executions: 10}}, nil
	})
	c.Runs = 50
	out := mustRun(t, c)
	wantSaved(t, s, "bug: bug")
	if len(e.sessions) != 5 || len(out.Bugs) != 1 {
		t.Errorf("%d sessions, bugs %+v", len(e.sessions), out.Bugs)
	}
}

func TestACampaignGivesUpWhereItMeetsNothingButWhatItKnows(t *testing.T) {
	c, e, _ := stage(t, func(_ context.Context, n int, s fuzz.Session) (fuzz.Ended, error) {
		crash(s, "the same, variant "+string(rune('a'+n%26)))
		return fuzz.Ended{Crashed: true, Stats: fuzz.Stats{Executions: 1}}, nil
	})
	out := mustRun(t, c)
	if out.Stopped != fuzz.StoppedKnown || len(out.Bugs) != 1 || len(e.sessions) < 10 || len(e.sessions) > 50 {
		t.Errorf("stopped for %q after %d sessions with %+v", out.Stopped, len(e.sessions), out.Bugs)
	}
}

func TestACrashThatComesAndGoesIsFlaky(t *testing.T) {
	c, e, s := stage(t, func(_ context.Context, _ int, s fuzz.Session) (fuzz.Ended, error) {
		crash(s, "rare one")
		return fuzz.Ended{}, nil
	})
	n := 0
	e.crashes = func(string) bool { n++; return n == 2 }
	out := mustRun(t, c)
	if len(out.Bugs) != 1 || out.Bugs[0].Tried != 3 || out.Bugs[0].Reproduced != 1 {
		t.Errorf("bugs %+v", out.Bugs)
	}
	if k := s.kept["rare one"]; k.Tried != 3 || k.Reproduced != 1 {
		t.Errorf("kept %+v", k)
	}
}

func TestACrashIsInTheStoreWhileTheFuzzerGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name string
		put  func(fuzz.Session)
	}{
		{"the engine tells of it", func(s fuzz.Session) { crash(s, "told") }},
		{"nobody tells of it", func(s fuzz.Session) {
			_ = os.WriteFile(filepath.Join(s.Artifacts, "crash-x"), []byte("told"), 0o644)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var s *shelf
			c, _, s := stage(t, func(ctx context.Context, _ int, session fuzz.Session) (fuzz.Ended, error) {
				tc.put(session)
				for began := time.Now(); len(s.have()) == 0; time.Sleep(10 * time.Millisecond) {
					if time.Since(began) > time.Minute {
						t.Error("it is not in the store")
						break
					}
				}
				return fuzz.Ended{}, nil
			})
			mustRun(t, c)
			wantSaved(t, s, "told: told")
		})
	}
}

func TestAnotherAttemptKeepsWhatOneBeforeItLeft(t *testing.T) {
	c, e, s := stage(t, func(_ context.Context, _ int, s fuzz.Session) (fuzz.Ended, error) {
		return fuzz.Ended{Limit: true, Stats: fuzz.Stats{Executions: 60}}, nil
	})
	place := filepath.Join(filepath.Dir(c.Place.Build()), "harnesses", "parse", "artifacts", "crash-1")
	if err := os.WriteFile(place, []byte("left behind"), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Runs, c.SpentRuns, c.Known = 100, 40, []fuzz.Sighting{{Bug: fuzz.Bug{ID: "known"}, Inputs: 3}}
	out := mustRun(t, c)
	wantSaved(t, s, "left: left", "left: left behind")
	if len(e.sessions) != 1 || e.sessions[0].Runs != 60 || out.Stats.Executions != 100 || len(out.Bugs) != 2 {
		t.Errorf("outcome %+v after %d sessions", out, len(e.sessions))
	}
}

func TestNothingIsLostWhileTheStoreIsAway(t *testing.T) {
	away := &cordon.Error{Kind: cordon.StorageUnavailable, Op: "put", Err: errors.New("connection refused")}
	c, e, s := stage(t, func(_ context.Context, _ int, s fuzz.Session) (fuzz.Ended, error) {
		crash(s, "bug")
		return fuzz.Ended{Crashed: true, Stats: fuzz.Stats{Executions: 100}}, nil
	})
	c.Runs = 100
	s.set(away)
	time.AfterFunc(time.Second, func() { s.set(nil) })
	mustRun(t, c)
	wantSaved(t, s, "bug: bug")

	t.Run("a cancelled campaign says what it could not store, and leaves it there", func(t *testing.T) {
		s.set(away)
		ctx, cancel := context.WithCancel(t.Context())
		e.fuzz = func(ctx context.Context, _ int, s fuzz.Session) (fuzz.Ended, error) {
			crash(s, "late bug")
			cancel()
			return fuzz.Ended{}, nil
		}
		began := time.Now()
		_, err := c.Run(ctx)
		if cordon.KindOf(err) != cordon.StorageUnavailable {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %v to end", took)
		}
		s.set(nil)
		if err := fuzz.Salvage(t.Context(), c.Place, c.Harness, s, s); err != nil {
			t.Fatal(err)
		}
		wantSaved(t, s, "bug: bug", sum("late bug")+": late bug")
	})
}

func TestTheCorpusIsPulledPushedAndMerged(t *testing.T) {
	c, _, s := stage(t, func(_ context.Context, n int, s fuzz.Session) (fuzz.Ended, error) {
		if b, err := os.ReadFile(filepath.Join(s.Corpus, sum("old"))); err != nil || string(b) != "old" {
			t.Errorf("the known input is not there: %v", err)
		}
		if b, err := os.ReadFile(filepath.Join(s.Corpus, sum("seed"))); err != nil || string(b) != "seed" {
			t.Errorf("the seed is not there: %v", err)
		}
		if filepath.Base(s.Dictionary) != "parse.dict" {
			t.Errorf("the dictionary is %q", s.Dictionary)
		}
		if err := os.WriteFile(filepath.Join(s.Corpus, "new"), []byte("new"), 0o644); err != nil {
			t.Error(err)
		}
		return fuzz.Ended{}, nil
	})
	ws := strings.TrimSuffix(c.Place.Build(), filepath.Join(fuzz.WorkDir, "script", "build"))
	for name, data := range map[string]string{"fuzz/parse_seed_corpus/one": "seed", "fuzz/parse.dict": `"x"`} {
		file := filepath.Join(ws, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(data), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s.known = []string{"old"}
	out := mustRun(t, c)
	if out.Pulled != 1 || out.Pushed != 2 || !s.corpus["new"] || s.merged != 3 {
		t.Errorf("pulled %d, pushed %d, merged %d: %v", out.Pulled, out.Pushed, s.merged, s.corpus)
	}
}

func TestTheCorpusIsPushedWhileTheFuzzerGoesOn(t *testing.T) {
	var s *shelf
	c, _, s := stage(t, func(_ context.Context, n int, session fuzz.Session) (fuzz.Ended, error) {
		if err := os.WriteFile(filepath.Join(session.Corpus, "new"), []byte("new"), 0o644); err != nil {
			t.Error(err)
		}
		for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(5 * time.Millisecond) {
			s.mu.Lock()
			done := s.corpus["new"]
			s.mu.Unlock()
			if done {
				return fuzz.Ended{}, nil
			}
		}
		t.Error("it was not pushed")
		return fuzz.Ended{}, nil
	})
	c.PushEvery = 20 * time.Millisecond
	mustRun(t, c)
}

// What a tool leaves is read as what hostile code left (HARDNESS §2).
func TestWhatIsNoRegularFileIsNoCrash(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, s := stage(t, func(_ context.Context, _ int, s fuzz.Session) (fuzz.Ended, error) {
		link := filepath.Join(s.Artifacts, "crash-link")
		fifo := filepath.Join(s.Artifacts, "crash-fifo")
		if err := errors.Join(os.Symlink(secret, link), mkfifo(fifo)); err != nil {
			t.Error(err)
		}
		s.Found(fuzz.Found{Kind: fuzz.FoundCrash, File: link, Log: "link"})
		s.Found(fuzz.Found{Kind: fuzz.FoundCrash, File: fifo, Log: "fifo"})
		s.Found(fuzz.Found{Kind: fuzz.FoundCrash, File: secret, Log: "elsewhere"})
		crash(s, "real")
		return fuzz.Ended{}, nil
	})
	mustRun(t, c)
	wantSaved(t, s, "real: real")
}

func TestLiveOnOneLine(t *testing.T) {
	l := fuzz.Live{Harness: "parse", Stage: fuzz.StageFuzz, Bugs: 1, Stats: fuzz.Stats{
		Executions: 1_234_567, PerSecond: 45_678, Coverage: 812, Corpus: 33, LastNew: time.Now().Add(-90 * time.Second)}}
	if got, want := l.String(), "parse: 1.2M execs, 45.7k/s, cov 812, corpus 33, 1 crash, last new path 1m30s ago"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	l.Plateau = true
	if got := l.String(); !strings.HasSuffix(got, "plateau: no new path for 1m30s") {
		t.Errorf("got %q", got)
	}
}
