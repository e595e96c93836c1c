package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/libfuzzer"
	"github.com/cordonlabs/cordon/target/dir"
)

// crashesOf opens what the store below --data keeps of crashes.
func (c *call) crashesOf(t *testing.T) *crash.Store {
	t.Helper()
	d, err := dir.Open(filepath.Join(c.data(), storeFolder))
	if err != nil {
		t.Fatal(err)
	}
	return crash.NewStore(d, slog.New(slog.DiscardHandler))
}

func addCrash(t *testing.T, s *crash.Store, log, input string, change func(*crash.Crash)) crash.Added {
	t.Helper()
	b, err := os.ReadFile("../../crash/testdata/logs/" + log + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	id, err := cordon.ParseTargetID("wire-1")
	if err != nil {
		t.Fatal(err)
	}
	c := crash.Crash{
		Origin: crash.Origin{Lineage: "wire", Target: id, Engine: "libfuzzer", EngineVersion: "14", Workflow: "w", Run: "r", Roots: []string{"/build/wire"}},
		Crash: fuzz.Crash{Input: []byte(input), Kind: fuzz.FoundCrash, Log: string(b), Harness: fuzz.Harness{Name: "decode", File: "src/fuzz_decode.cc", Line: 2}, Seen: time.Now(),
			Command: []string{"/build/wire/out dir/decode", "-runs=1"}, Env: []string{"ASAN_OPTIONS=a=1:b=2"}},
	}
	if change != nil {
		change(&c)
	}
	a, err := s.Add(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCrashesAreListedTheWorstFirst(t *testing.T) {
	c := newCall(t)
	if got := c.mustRun(t, "crashes", "list", "--data", c.data()); got.out != "" || !strings.Contains(got.err, "no crash is known") {
		t.Errorf("an empty store: %q, %q", got.out, got.err)
	}
	s := c.crashesOf(t)
	read := addCrash(t, s, "asan-heap-overflow-read", "a", nil)
	free := addCrash(t, s, "asan-use-after-free", "b", func(c *crash.Crash) { c.Tried, c.Reproduced = 3, 2 })
	odd := addCrash(t, s, "go-exit", "c", func(c *crash.Crash) { c.Engine, c.Harness.Name = "go", "Fuzz\x1b[31mX" })

	got := c.mustRun(t, "crashes", "list", "--data", c.data())
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "ID ") {
		t.Fatalf("%s", got.out)
	}
	for i, want := range []string{free.Signature[:6] + "  critical", read.Signature[:6] + "  high", odd.Signature[:6] + "  low"} {
		if !strings.HasPrefix(lines[i+1], want) {
			t.Errorf("line %d is %q, want %q", i+1, lines[i+1], want)
		}
	}
	if !strings.Contains(lines[1], "flaky 2/3") || !strings.Contains(lines[2], "wire::Reader::take src/parse.cc:13  decode") || strings.Contains(got.out, "\x1b") || !strings.Contains(lines[3], `Fuzz\x1b[31mX`) {
		t.Errorf("%s", got.out)
	}

	var bugs []crash.Bug
	got = c.mustRun(t, "crashes", "list", "--json", "--engine", "libfuzzer", "--harness", "decode", "--lineage", "wire", "--target", "wire-1", "--data", c.data())
	if err := json.Unmarshal([]byte(got.out), &bugs); err != nil || len(bugs) != 2 || bugs[0].Signature != free.Signature || bugs[0].Inputs[0].Log != "" || bugs[0].Inputs[0].Stability != crash.Flaky {
		t.Errorf("%v\n%s", err, got.out)
	}
	if got := c.mustRun(t, "crashes", "list", "--json", "--lineage", "fire", "--data", c.data()); got.out != "[]\n" {
		t.Errorf("of another lineage: %s", got.out)
	}
}

func TestCrashesAreWrittenAsSARIF(t *testing.T) {
	c := newCall(t)
	a := addCrash(t, c.crashesOf(t), "asan-heap-overflow-read", "a", nil)
	file := filepath.Join(c.home, "crashes.sarif")
	c.mustRun(t, "crashes", "list", "--sarif", file, "--data", c.data())
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var log struct {
		Version string
		Runs    []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
				Stacks              []struct{ Frames []any }
				CodeFlows           []any
				PartialFingerprints map[string]string
			}
		}
	}
	if err := json.Unmarshal(b, &log); err != nil {
		t.Fatal(err)
	}
	r := log.Runs[0].Results[0]
	place := r.Locations[0].PhysicalLocation
	if log.Version != "2.1.0" || r.RuleID != "fuzz/heap-buffer-overflow-read" || place.ArtifactLocation.URI != "src/parse.cc" || place.Region.StartLine != 13 || len(r.Stacks[0].Frames) < 3 || len(r.CodeFlows) != 1 {
		t.Errorf("%s", b)
	}
	if !strings.HasPrefix(r.PartialFingerprints["cordonFingerprint/v1"], a.Signature) {
		t.Errorf("fingerprints %v", r.PartialFingerprints)
	}
}

func TestACrashIsShownByTheBeginningOfItsID(t *testing.T) {
	c := newCall(t)
	s := c.crashesOf(t)
	a := addCrash(t, s, "asan-heap-overflow-read", "a longer input", nil)
	small := addCrash(t, s, "asan-heap-overflow-read", "in", func(c *crash.Crash) { c.Smaller, c.Tried, c.Reproduced = a.SHA256, 3, 3 })
	got := c.mustRun(t, "crashes", "show", a.Signature[:5], "--data", c.data())
	for _, want := range []string{
		"heap-buffer-overflow: READ of size 1 in wire::Reader::take", a.Signature, "wire::decode src/parse.cc:38", small.SHA256 + ", 2 B; stable 3/3; a smaller form of " + a.SHA256[:16], a.SHA256, "wire-1",
		`ASAN_OPTIONS=a=1:b=2 "$WORKSPACE"/'out dir/decode' -runs=1`, "2 inputs of it kept",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is not in\n%s", want, got.out)
		}
	}
	if strings.Contains(got.out, "__libc_start") || strings.Contains(got.out, "Shadow bytes") {
		t.Errorf("the runtime's frames, or the log, are shown:\n%s", got.out)
	}
	if got := c.mustRun(t, "crashes", "show", a.SHA256[:20], "--log", "--data", c.data()); !strings.Contains(got.out, "Shadow bytes") || !strings.Contains(got.out, "input     "+a.SHA256) {
		t.Errorf("%s", got.out)
	}
	for _, cmd := range [][]string{{"show"}, {"get", "-o", "-"}, {"repro"}} {
		args := append(append([]string{"crashes"}, cmd...), "--data", c.data())
		if got := c.run(t, append(args, "ffffffffffffffff")...); got.code != ExitNotFound || !strings.Contains(got.err, "cordon crashes list") {
			t.Errorf("%v of an unknown one: %d, %s", cmd, got.code, got.err)
		}
		if got := c.run(t, append(args, "no-id")...); got.code != ExitUsage {
			t.Errorf("%v of no id: %d, %s", cmd, got.code, got.err)
		}
	}
}

func TestTheBytesOfAnInputGoToAFileOrAPipe(t *testing.T) {
	c := newCall(t)
	a := addCrash(t, c.crashesOf(t), "asan-heap-overflow-read", "\x00\x1b]0;x\x07\xff", nil)
	if got := c.mustRun(t, "crashes", "get", a.Signature, "--data", c.data()); got.out != "\x00\x1b]0;x\x07\xff" {
		t.Errorf("%q", got.out)
	}
	file := filepath.Join(c.home, "in.bin")
	if got := c.mustRun(t, "crashes", "get", a.Signature, "-o", file, "--data", c.data()); got.out != "" {
		t.Errorf("%q", got.out)
	}
	if b, err := os.ReadFile(file); err != nil || fmt.Sprintf("%x", sha256.Sum256(b)) != a.SHA256 {
		t.Errorf("%q, %v", b, err)
	}
	if got := c.run(t, "crashes", "get", a.Signature, "-o", filepath.Join(c.home, "no", "x"), "--data", c.data()); got.code != ExitFailure {
		t.Errorf("%d, %s", got.code, got.err)
	}
}

// unconfined runs processes as they are: for tests, which run projects of their own alone.
type unconfined struct{ dir string }

func (u unconfined) Run(ctx context.Context, c fuzz.Command) (fuzz.Exit, error) {
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	if cmd.Dir = c.Dir; cmd.Dir == "" {
		cmd.Dir = u.dir
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + u.dir, "LANG=C.UTF-8"}, c.Env...)
	cmd.Stdout, cmd.Stderr = c.Stdout, c.Stderr
	began := time.Now()
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return fuzz.Exit{}, err
	}
	return fuzz.Exit{Code: cmd.ProcessState.ExitCode(), Wall: time.Since(began)}, nil
}

// fuzzersOfTests has libFuzzer alone.
func fuzzersOfTests() fuzzers {
	return fuzzers{
		engine: func(string) (fuzz.Engine, error) { return libfuzzer.Engine{}, nil },
		confine: func(_ context.Context, dir string) (fuzz.Runner, func(), error) {
			return unconfined{dir}, func() {}, nil
		},
	}
}

const overrun = `#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
__attribute__((noinline)) void copy(uint8_t *to, const uint8_t *from, size_t n) { for (size_t i = 0; i < n; i++) to[i] = from[i]; }
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 4 || data[0] != 'B') return 0;
  uint8_t *room = malloc(4);
  copy(room, data, size);
  int sum = room[0];
  free(room);
  return sum & 0;
}
`

func TestACrashIsReproducedInAWorkspaceOfItsTarget(t *testing.T) {
	probe := unconfined{t.TempDir()}
	version, err := libfuzzer.Engine{}.Version(t.Context(), probe)
	if err != nil {
		t.Skip(err)
	}
	c := newCall(t)
	c.fuzzers = fuzzersOfTests()
	put := func(source string) cordon.TargetID {
		t.Helper()
		project := t.TempDir()
		if err := os.WriteFile(filepath.Join(project, "overrun.c"), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		id, err := cordon.ParseTargetID(strings.TrimSpace(c.mustRun(t, "targets", "put", project, "--data", c.data()).out))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	broken, whole := put(overrun), put(strings.Replace(overrun, "malloc(4)", "malloc(size)", 1))
	harness := fuzz.Harness{Name: "overrun", File: "overrun.c", Line: 5}
	origin := crash.Origin{Lineage: "p", Target: broken, Engine: "libfuzzer", EngineVersion: version, Run: "r"}
	s := c.crashesOf(t)
	add := func(input, log string) crash.Added {
		t.Helper()
		a, err := s.Add(t.Context(), crash.Crash{Origin: origin, Crash: fuzz.Crash{Input: []byte(input), Log: log, Kind: fuzz.FoundCrash, Harness: harness, Seen: time.Now()}})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	// As a fuzzer somewhere else would have said it: other addresses, lines, places.
	log := "==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1 at pc 0x2\nWRITE of size 1 at 0x1 thread T0\n" +
		"    #0 0x2 in copy /far/away/overrun.c:99:7\n    #1 0x3 in LLVMFuzzerTestOneInput /far/away/overrun.c:199:3\n    #2 0x4 in main (/far/away/overrun+0x5)\n"
	a, harmless := add("BANG and more", log), add("harmless", "")

	args := []string{"crashes", "repro", "--data", c.data(), "--cache-dir", filepath.Join(c.home, "cache"), "--json"}
	run := func(want int, more ...string) reproduced {
		t.Helper()
		got := c.run(t, append(args, more...)...)
		var r reproduced
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != want {
			t.Fatalf("%v: exit code %d, %v\n%s%s", more, got.code, err, got.out, got.err)
		}
		return r
	}
	r := run(ExitOK, a.Signature)
	if !r.Crashed || !r.Same || r.Signature != a.Signature || r.Tries != 1 || r.Target != broken || r.Report.Where().Func != "copy" || r.Report.Where().File != "overrun.c" || len(r.Command) == 0 || r.Workspace != "" {
		t.Errorf("%+v", r)
	}
	if got := c.mustRun(t, "cache", "ls", "--json", "--cache-dir", filepath.Join(c.home, "cache"), "--data", c.data()); strings.Contains(got.out, "repro-") {
		t.Errorf("the workspace stays:\n%s", got.out)
	}
	if r := run(ExitFailure, a.Signature, "--target", whole.String(), "--tries", "2"); r.Crashed || r.Tries != 2 || r.Target != whole {
		t.Errorf("in the target that is mended: %+v", r)
	}
	if r := run(ExitFailure, harmless.Signature, "--tries", "1"); r.Crashed {
		t.Errorf("an input without harm: %+v", r)
	}
	kept := run(ExitOK, a.SHA256, "--keep")
	if _, err := os.Stat(filepath.Join(kept.Workspace, "overrun.c")); err != nil {
		t.Error(err)
	}

	human := c.mustRun(t, append(args[:len(args)-1:len(args)-1], a.Signature)...)
	if !strings.Contains(human.out, "the same bug") || !strings.Contains(human.out, "copy overrun.c:4") {
		t.Errorf("%s", human.out)
	}
}
