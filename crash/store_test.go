package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
)

func blobsIn(t testing.TB, root string) target.Blobs {
	t.Helper()
	d, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// storeIn opens a store of crashes as a process of its own would, and returns what it
// warns of, too.
func storeIn(t testing.TB, root string) (*Store, *bytes.Buffer) {
	var warned bytes.Buffer
	return NewStore(blobsIn(t, root), slog.New(slog.NewTextHandler(&warned, nil))), &warned
}

func targetID(t testing.TB, s string) cordon.TargetID {
	t.Helper()
	id, err := cordon.ParseTargetID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// someCrash is a crash of the heap overflow in testdata.
func someCrash(t testing.TB, input string) Crash {
	return Crash{
		Origin: Origin{Lineage: "wire", Target: targetID(t, "wire-1"), ETag: "e1", Engine: "libfuzzer", EngineVersion: "14.0.6", Workflow: "w1", Run: "r1", Host: "h1", Sandbox: "full", Roots: []string{"/build/wire"}},
		Crash: fuzz.Crash{
			Input: []byte(input), Kind: fuzz.FoundCrash, Log: readLog(t, "asan-heap-overflow-read"), Harness: fuzz.Harness{Name: "decode", File: "src/fuzz_decode.cc", Line: 2},
			Seen: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: []string{"/build/wire/.cordon-fuzz/x/decode", "-runs=1"}, Env: []string{"ASAN_OPTIONS=abort_on_error=1"},
		},
	}
}

func add(t testing.TB, s *Store, c Crash) Added {
	t.Helper()
	a, err := s.Add(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func list(t testing.TB, s *Store, f Filter) []Bug {
	t.Helper()
	bugs, err := s.List(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return bugs
}

func keysIn(t testing.TB, root string) (keys []string) {
	t.Helper()
	for info, err := range blobsIn(t, root).ListBlobs(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func TestACrashIsStoredUnderItsHashWithAllThatReproducesIt(t *testing.T) {
	root := t.TempDir()
	s, _ := storeIn(t, root)
	c := someCrash(t, "boom")
	a := add(t, s, c)
	if !a.NewBug || !a.NewInput || a.Dropped || !IsSignature(a.Signature) {
		t.Errorf("%+v", a)
	}
	at := "crashes/wire/" + a.Signature
	want := []string{at + "/crash.json", at + "/inputs/" + a.SHA256, at + "/inputs/" + a.SHA256 + ".json", at + "/runs/r1.json"}
	if got := keysIn(t, root); !slices.Equal(got, want) || a.SHA256 != fmt.Sprintf("%x", sha256.Sum256([]byte("boom"))) {
		t.Errorf("keys %v, want %v", got, want)
	}
	if again := add(t, s, c); again.NewBug || again.NewInput || again.Signature != a.Signature {
		t.Errorf("added again: %+v", again)
	}
	other, _ := storeIn(t, root)
	b, in, err := other.Get(t.Context(), a.Signature[:5], "")
	if err != nil {
		t.Fatal(err)
	}
	if body, err := other.Read(t.Context(), in); err != nil || string(body) != "boom" {
		t.Errorf("the input is %q, %v", body, err)
	}
	if in.Target.String() != "wire-1" || in.ETag != "e1" || in.EngineVersion != "14.0.6" || in.Run != "r1" || in.Sandbox != "full" || in.Size != 4 || in.Stability != Untested || in.Harness != c.Harness {
		t.Errorf("%+v", in)
	}
	if !slices.Equal(in.Command, []string{"$WORKSPACE/.cordon-fuzz/x/decode", "-runs=1"}) || !slices.Equal(in.Env, c.Env) {
		t.Errorf("command %v, environment %v", in.Command, in.Env)
	}
	if !strings.Contains(in.Log, "AddressSanitizer: heap-buffer-overflow") || strings.Contains(in.Log, "/build/wire/") {
		t.Errorf("log %.300s", in.Log)
	}
	if b.Count != 1 || b.Crashes != 1 || b.Report.Type != "heap-buffer-overflow-read" || b.Report.Where().Func != "wire::Reader::take" || !b.FirstSeen.Equal(c.Seen) || !strings.HasPrefix(b.Fingerprint, b.Signature) {
		t.Errorf("%+v", b)
	}
}

func TestAfterTriageTheRecordSaysMore(t *testing.T) {
	s, _ := storeIn(t, t.TempDir())
	c := someCrash(t, "boom and more")
	a := add(t, s, c)
	for _, tt := range []struct {
		tried, reproduced int
		want              Stability
	}{{3, 3, Stable}, {3, 1, Flaky}, {3, 0, NotReproduced}} {
		c.Tried, c.Reproduced = tt.tried, tt.reproduced
		if again := add(t, s, c); again.NewInput || again.NewBug {
			t.Errorf("%+v", again)
		}
		if _, in, err := s.Get(t.Context(), a.SHA256[:12], ""); err != nil || in.Stability != tt.want || in.Tried != 3 || in.Reproduced != tt.reproduced {
			t.Errorf("%d of %d: %v of %d, %v", tt.reproduced, tt.tried, in.Stability, in.Tried, err)
		}
	}
	small := someCrash(t, "boom")
	small.Smaller, small.Tried, small.Reproduced = a.SHA256, 3, 3
	if got := add(t, s, small); got.Signature != a.Signature || !got.NewInput || got.NewBug {
		t.Errorf("%+v", got)
	}
	b, in, err := s.Get(t.Context(), a.Signature, "")
	if err != nil || in.Size != 4 || in.MinimisedFrom != a.SHA256 || b.Stability != Stable || b.Count != 2 {
		t.Errorf("the best input is %+v, %v", in, err)
	}
	// The next sighting knows nothing of what was found out.
	if add(t, s, someCrash(t, "boom")); list(t, s, Filter{})[0].Stability != Stable {
		t.Error("a later sighting without triage forgot how stable the input is")
	}
}

func TestHostsAddOneCrashAtOnce(t *testing.T) {
	root := t.TempDir()
	const hosts, inputs = 8, 5
	var mu sync.Mutex
	bugs, fresh := 0, 0
	var wg sync.WaitGroup
	for h := range hosts {
		s, _ := storeIn(t, root)
		wg.Go(func() {
			for i := range inputs {
				c := someCrash(t, fmt.Sprint("input ", i))
				c.Host, c.Run = fmt.Sprint("h", h), fmt.Sprint("r", h)
				a, err := s.Add(context.Background(), c)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				if a.NewBug {
					bugs++
				}
				if a.NewInput {
					fresh++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if bugs != 1 || fresh != inputs {
		t.Errorf("%d hosts were told that the bug is new, and %d that an input is", bugs, fresh)
	}
	s, warned := storeIn(t, root)
	if got := list(t, s, Filter{}); len(got) != 1 || got[0].Count != inputs || warned.Len() > 0 {
		t.Errorf("%d bugs, %s", len(got), warned)
	}
}

// breaking is a store of blobs whose writes begin to fail.
type breaking struct {
	target.Blobs
	writes int // that still work
}

var errBroken = &cordon.Error{Kind: cordon.StorageUnavailable, Op: "put blob", Err: errors.New("cut")}

func (b *breaking) PutBlob(ctx context.Context, key string, r io.Reader, size int64, opts target.PutBlob) (bool, error) {
	if b.writes--; b.writes < 0 {
		return false, errBroken
	}
	return b.Blobs.PutBlob(ctx, key, r, size, opts)
}

func TestAWriterThatIsCutOffAnywhereLeavesNoRecordWithoutItsInput(t *testing.T) {
	for writes := range 5 {
		root := t.TempDir()
		cut := NewStore(&breaking{Blobs: blobsIn(t, root), writes: writes}, slog.New(slog.DiscardHandler))
		a, err := cut.Add(t.Context(), someCrash(t, "boom"))
		if whole := writes >= 4; (err == nil) != whole {
			t.Fatalf("%d writes: %v", writes, err)
		}
		s, warned := storeIn(t, root)
		bugs := list(t, s, Filter{})
		if want := min(1, writes/2); len(bugs) != want || warned.Len() > 0 {
			t.Errorf("%d writes: %d bugs, want %d; %s", writes, len(bugs), want, warned)
		}
		for _, b := range bugs {
			for _, in := range b.Inputs {
				if _, err := s.Read(t.Context(), in); err != nil {
					t.Errorf("%d writes: %v", writes, err)
				}
			}
			if b.Signature != a.Signature || b.Report.Type != "heap-buffer-overflow-read" || b.Fingerprint == "" {
				t.Errorf("%d writes: %+v", writes, b)
			}
		}
		if again := add(t, s, someCrash(t, "boom")); again.Signature != a.Signature {
			t.Errorf("%+v", again)
		}
		if got := list(t, s, Filter{}); len(got) != 1 || got[0].Count != 1 {
			t.Errorf("%d writes, and added again: %d bugs", writes, len(got))
		}
	}
}

func TestOneRunKeepsTwentyInputsOfABugAndTheSmallest(t *testing.T) {
	root := t.TempDir()
	s, _ := storeIn(t, root)
	dropped, signature := 0, ""
	for i := range 50 {
		// Larger ones and smaller ones by turns; each smaller one is the smallest so far.
		size := 1000 + i
		if i%2 == 1 {
			size = 1000 - i
		}
		if i == 25 {
			s, _ = storeIn(t, root) // another attempt of the run, in another process
		}
		a := add(t, s, someCrash(t, strings.Repeat("x", size)))
		if signature = a.Signature; a.Dropped {
			dropped++
		}
	}
	b := list(t, s, Filter{})[0]
	if b.Count != maxPerRun || b.Best().Size != 951 {
		t.Errorf("%d inputs are kept, the smallest of %d bytes", b.Count, b.Best().Size)
	}
	if dropped != 15 { // the larger ones, from the 21st input on
		t.Errorf("%d were dropped", dropped)
	}
	if b.Crashes < 32 || b.Crashes > 50 { // written at powers of two
		t.Errorf("%d crashes are counted, of 50", b.Crashes)
	}
	c := someCrash(t, strings.Repeat("x", 5000))
	if a := add(t, s, c); !a.Dropped || a.NewInput {
		t.Errorf("one more: %+v", a)
	}
	c.Smaller = strings.Repeat("ab", 32)
	if a := add(t, s, c); a.Dropped || !a.NewInput || a.Signature != signature {
		t.Errorf("a minimised one: %+v", a)
	}
	other := someCrash(t, strings.Repeat("x", 6000))
	other.Run = "r2"
	if a := add(t, s, other); a.Dropped || !a.NewInput {
		t.Errorf("one of another run: %+v", a)
	}
	for _, in := range list(t, s, Filter{})[0].Inputs {
		if _, err := s.Read(t.Context(), in); err != nil {
			t.Error(err)
		}
	}
}

func TestInputsOfAnotherRunStayWhenThisOneFindsSmallerOnes(t *testing.T) {
	s, _ := storeIn(t, t.TempDir())
	big := someCrash(t, strings.Repeat("b", 9000))
	big.Run = "other"
	a := add(t, s, big)
	mine := big
	mine.Run = "r1"
	if again := add(t, s, mine); again.NewInput {
		t.Fatal("the same input is new")
	}
	for i := range 30 {
		add(t, s, someCrash(t, strings.Repeat("x", 1000-i)))
	}
	b := list(t, s, Filter{})[0]
	if _, ok := b.Input(a.SHA256); !ok || b.Count != maxPerRun+1 {
		t.Errorf("%d inputs, the other run's among them: %v", b.Count, ok)
	}
}

func TestIdsAreTheBeginningsOfSignaturesAndHashes(t *testing.T) {
	s, _ := storeIn(t, t.TempDir())
	byFirst := map[byte][]Added{}
	for i := range 40 {
		c := someCrash(t, fmt.Sprint("input ", i))
		c.Harness.Name = fmt.Sprint("h", i%20)
		a := add(t, s, c)
		byFirst[a.SHA256[0]] = append(byFirst[a.SHA256[0]], a)
	}
	for first, all := range byFirst {
		for _, a := range all {
			if b, in, err := s.Get(t.Context(), strings.ToUpper(a.SHA256), ""); err != nil || in.SHA256 != a.SHA256 || b.Signature != a.Signature {
				t.Errorf("%s: %s, %v", a.SHA256, in.SHA256, err)
			}
		}
		if len(all) > 1 {
			_, _, err := s.Get(t.Context(), string(first), "")
			if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "several") {
				t.Errorf("%c means %d inputs: %v", first, len(all), err)
			}
		}
	}
	for id, kind := range map[string]cordon.Kind{
		"": cordon.InvalidArgument, "xyz": cordon.InvalidArgument, strings.Repeat("a", 65): cordon.InvalidArgument, strings.Repeat("f", 64): cordon.TargetNotFound,
		"../../x": cordon.InvalidArgument,
	} {
		if _, _, err := s.Get(t.Context(), id, ""); cordon.KindOf(err) != kind || cordon.FixOf(err) == "" {
			t.Errorf("%.20q: %v", id, err)
		}
	}
	if got := list(t, s, Filter{Harness: "h3"}); len(got) != 1 || got[0].Harness != "h3" || got[0].Count != 2 {
		t.Errorf("of one harness: %d bugs", len(got))
	}
	for _, f := range []Filter{{Lineage: "fire"}, {Target: "x"}, {Engine: "go"}, {Run: "r9"}} {
		if got := list(t, s, f); len(got) != 0 {
			t.Errorf("%+v takes %d bugs", f, len(got))
		}
	}
}

func TestWhatIsDamagedOrForeignIsPassedOverAndSaid(t *testing.T) {
	root := t.TempDir()
	s, _ := storeIn(t, root)
	a := add(t, s, someCrash(t, "boom"))
	b := add(t, s, someCrash(t, "bang"))
	at := filepath.Join(root, "fuzzing", "crashes", "wire", a.Signature)
	put := func(name, body string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(at, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(at, name), []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	record, err := os.ReadFile(filepath.Join(at, "inputs", a.SHA256+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, what := range map[string]func(){
		"crash.json": func() { put("crash.json", "{") },
		b.SHA256:     func() { put("inputs/"+b.SHA256+".json", string(record)) }, // another input's
		"newer": func() {
			put("inputs/"+strings.Repeat("0", 64)+".json", `{"version":2}`)
			put("inputs/"+strings.Repeat("0", 64), "")
		},
		"huge": func() {
			put("inputs/"+strings.Repeat("1", 64)+".json", strings.Repeat(" ", maxRecord+1))
			put("inputs/"+strings.Repeat("1", 64), "")
		},
		"stray":  func() { put("../../stray", "x") },
		"runs/x": func() { put("runs/x.json", "null") },
	} {
		what()
		s, warned := storeIn(t, root)
		if got := list(t, s, Filter{}); len(got) != 1 || got[0].Signature != a.Signature {
			t.Fatalf("%s: %d bugs", name, len(got))
		}
		if !strings.Contains(warned.String(), name) && name != "newer" && name != "huge" || warned.Len() == 0 {
			t.Errorf("%s: the warning is %q", name, warned)
		}
	}
	if got := list(t, s, Filter{})[0]; got.Count != 1 || got.Inputs[0].SHA256 != a.SHA256 || got.Report.Type != "heap-buffer-overflow-read" {
		t.Errorf("%+v", got)
	}
	put("inputs/"+a.SHA256, "b00m")
	if _, err := s.Read(t.Context(), list(t, s, Filter{})[0].Best()); cordon.KindOf(err) != cordon.IntegrityMismatch {
		t.Errorf("changed bytes: %v", err)
	}
	if err := os.Remove(filepath.Join(at, "inputs", a.SHA256)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if got := list(t, s, Filter{}); len(got) != 0 {
		t.Errorf("a record without its input is listed: %+v", got)
	}
}

func TestACampaignNamesABugAsTheStoreDoes(t *testing.T) {
	s, _ := storeIn(t, t.TempDir())
	c := someCrash(t, "boom")
	kept := s.Campaign(c.Origin)
	bug := kept.Identify(c.Harness.Name, c.Kind, c.Log, c.Input)
	if err := kept.Keep(t.Context(), bug, c.Crash); err != nil {
		t.Fatal(err)
	}
	got := list(t, s, Filter{})
	if len(got) != 1 || got[0].Signature != bug.ID || bug.Function != "wire::Reader::take" || bug.File != "src/parse.cc" || bug.Line != 13 {
		t.Errorf("%+v", bug)
	}
	if a, b := kept.Identify("decode", fuzz.FoundTimeout, "", []byte("a")), kept.Identify("decode", fuzz.FoundTimeout, "", []byte("b")); a.ID == b.ID || a.Type != "timeout" {
		t.Errorf("without a log: %+v, %+v", a, b)
	}
}

func TestABugIsAFindingAtItsInnermostFrame(t *testing.T) {
	s, _ := storeIn(t, t.TempDir())
	add(t, s, someCrash(t, "boom"))
	b := list(t, s, Filter{})[0]
	f := b.Finding()
	if f.RuleID != "fuzz/heap-buffer-overflow-read" || f.FilePath != "src/parse.cc" || f.LineStart != 13 || f.Severity != "high" || f.Fingerprint != b.Fingerprint || f.ID != b.Fingerprint {
		t.Errorf("%+v", f)
	}
	if len(f.Stacks) != 1 || f.Stacks[0].Frames[0].Function != "wire::Reader::take" || f.Stacks[0].Frames[0].File != "src/parse.cc" {
		t.Errorf("%+v", f.Stacks)
	}
	failed := someCrash(t, "failed")
	failed.Log, failed.Engine, failed.Harness = readLog(t, "go-session-fatal"), "go", fuzz.Harness{Name: "codec.FuzzDecode", File: "codec/codec_test.go", Line: 5}
	add(t, s, failed)
	for _, b := range list(t, s, Filter{Engine: "go"}) {
		if f := b.Finding(); f.RuleID != "fuzz/test-failure" || f.FilePath != "codec/codec_test.go" || f.LineStart != 12 {
			t.Errorf("a failed test: %+v", f)
		}
	}
	c := someCrash(t, "no stack")
	c.Log = ""
	add(t, s, c)
	for _, b := range list(t, s, Filter{}) {
		if f := b.Finding(); b.Report.Type == "unknown" && (f.FilePath != "src/fuzz_decode.cc" || f.LineStart != 2) {
			t.Errorf("without a stack: %s:%d", f.FilePath, f.LineStart)
		}
	}
}

func TestABugIsWhereTheTargetHasIt(t *testing.T) {
	s, _ := storeIn(t, t.TempDir())
	old := someCrash(t, "a")
	next := someCrash(t, "longer")
	next.Target = targetID(t, "the-next-version")
	next.Log = strings.ReplaceAll(next.Log, "parse.cc:13", "parse.cc:30")
	if next.Log == old.Log {
		t.Fatal("the log has no such line")
	}
	add(t, s, old)
	id := add(t, s, next).Signature
	b, _, err := s.Get(t.Context(), id, old.Lineage)
	if err != nil || len(b.Inputs) != 2 {
		t.Fatalf("%d inputs, %v", len(b.Inputs), err)
	}
	for target, want := range map[cordon.TargetID]int{old.Target: 13, next.Target: 30, targetID(t, "another"): 13} {
		if f := b.In(target).Finding(); f.LineStart != want || f.ID != b.Fingerprint {
			t.Errorf("in %s it is at line %d, want %d; its id is %s", target, f.LineStart, want, f.ID)
		}
	}
}
