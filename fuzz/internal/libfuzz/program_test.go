package libfuzz

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/internal/fuzztest"
)

const name = "crash-45b1f7569022caac0eda4ffa06610b989038a0d3"

// stub is a Program of a shell script that behaves as a fuzzer might not.
func stub(t *testing.T, script string) (*Program, fuzz.Session) {
	t.Helper()
	ws := t.TempDir()
	p := &Program{
		Runner: fuzztest.NewRunner(t, ws), Workspace: ws, Out: filepath.Join(ws, "out"), Dir: ws,
		Path: filepath.Join(ws, "out", "harness"), Engine: "libfuzzer", Harness: "stub",
	}
	s := fuzz.Session{Corpus: filepath.Join(ws, "corpus"), Artifacts: filepath.Join(ws, "artifacts"), Jobs: 1}
	for _, dir := range []string{p.Out, s.Corpus, s.Artifacts} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(p.Path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return p, s
}

const began = "printf '#2\\tINITED cov: 3 ft: 4 corp: 1/1b exec/s: 0 rss: 30Mb\\n' >&2\n"

func TestWhatIsNoCrash(t *testing.T) {
	for about, script := range map[string]string{
		"an input that is not there":     began + "echo 'Test unit written to artifacts/" + name + "'; exit 1",
		"an input elsewhere":             began + "echo x >" + name + "; echo 'Test unit written to ../" + name + "'; exit 1",
		"an input that is a link":        began + "ln -s /etc/passwd artifacts/" + name + "; echo 'Test unit written to artifacts/" + name + "'; exit 1",
		"an input that is a FIFO":        began + "mkfifo artifacts/" + name + "; echo 'Test unit written to artifacts/" + name + "'; exit 1",
		"an input of another name":       began + "echo x >artifacts/slow-unit-1; echo 'Test unit written to artifacts/slow-unit-1'; exit 1",
		"a death without a word":         began + "kill -9 $$",
		"an exit with a code of its own": began + "exit 3",
	} {
		t.Run(about, func(t *testing.T) {
			p, s := stub(t, script)
			s.Duration = time.Hour
			s.Found = func(f fuzz.Found) { t.Errorf("found %+v", f) }
			ended, err := p.Fuzz(t.Context(), s)
			if err == nil || cordon.KindOf(err) != "" || ended.Crashed || ended.Limit {
				t.Errorf("it ended with %+v, %v; want an error that may pass", ended, err)
			}
		})
	}
}

func TestWhatDoesNotStart(t *testing.T) {
	for about, script := range map[string]string{
		"a library is missing": "echo 'error while loading shared libraries: libnone.so' >&2; exit 127",
		"it does nothing":      "exit 0",
	} {
		t.Run(about, func(t *testing.T) {
			p, s := stub(t, script)
			if _, err := p.Fuzz(t.Context(), s); cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("fuzzing: %v", err)
			}
			if err := p.Start(t.Context(), t.Output()); cordon.KindOf(err) != cordon.InvalidArgument {
				t.Errorf("starting: %v", err)
			}
		})
	}
}

func TestFoundOnce(t *testing.T) {
	p, s := stub(t, began+"echo x >artifacts/"+name+"; for i in 1 2 3; do echo 'Test unit written to artifacts/"+name+"'; done; exit 77")
	told := 0
	s.Found = func(f fuzz.Found) {
		told++
		if f.File != filepath.Join(s.Artifacts, name) || f.Kind != fuzz.FoundCrash {
			t.Errorf("found %+v", f)
		}
	}
	ended, err := p.Fuzz(t.Context(), s)
	if err != nil || !ended.Crashed || ended.Stats.Crashes != 1 || told != 1 {
		t.Errorf("it ended with %+v, %v, told of %d", ended, err, told)
	}
}

// One job's crash ends the others, of which one does not listen.
func TestJobsEndTogether(t *testing.T) {
	p, s := stub(t, began+`if mkdir first 2>/dev/null; then trap '' INT; sleep 1000; sleep 1000; fi
while ! test -d first; do sleep 0.1; done
echo x >artifacts/`+name+"; echo 'Test unit written to artifacts/"+name+"'; exit 77")
	s.Jobs = 2
	ended, err := p.Fuzz(t.Context(), s)
	if err != nil || !ended.Crashed {
		t.Errorf("it ended with %+v, %v", ended, err)
	}
}

// A program that takes no notice of its time is stopped.
func TestTimeIsKept(t *testing.T) {
	p, s := stub(t, began+"sleep 1000")
	s.Duration = time.Second
	ended, err := p.Fuzz(t.Context(), s)
	if err != nil || !ended.Limit || ended.Crashed {
		t.Errorf("it ended with %+v, %v", ended, err)
	}
}

func TestArguments(t *testing.T) {
	p, s := stub(t, began+`for a in "$@"; do echo "$a"; done >>arguments`)
	s.Duration, s.Runs, s.Jobs = 1500*time.Millisecond, 3, 2
	s.InputTimeout, s.Memory, s.Dictionary = 100*time.Millisecond, 100<<20, filepath.Join(p.Workspace, "words")
	if _, err := p.Fuzz(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(p.Workspace, "arguments"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(b))
	count := func(arg string) (n int) {
		for _, g := range got {
			if g == arg {
				n++
			}
		}
		return n
	}
	for arg, want := range map[string]int{
		"-max_total_time=2": 2, "-runs=1": 1, "-runs=2": 1, "-timeout=1": 2, "-rss_limit_mb=100": 2, "-reload=1": 2,
		"-dict=" + s.Dictionary: 2, "-artifact_prefix=" + s.Artifacts + "/": 2, s.Corpus: 2,
	} {
		if count(arg) != want {
			t.Errorf("%s stands %d times in %q, want %d", arg, count(arg), got, want)
		}
	}
}

func TestReproduceKinds(t *testing.T) {
	for script, want := range map[string]fuzz.FoundKind{
		"exit 70":    fuzz.FoundTimeout,
		"exit 71":    fuzz.FoundMemory,
		"exit 77":    fuzz.FoundCrash,
		"kill -9 $$": fuzz.FoundCrash,
		"echo '==1==ERROR: LeakSanitizer: detected memory leaks'; exit 77": fuzz.FoundLeak,
		"sleep 1000": fuzz.FoundTimeout,
		"exit 0":     "",
	} {
		t.Run(script, func(t *testing.T) {
			p, _ := stub(t, "echo Running: x; "+script)
			r, err := p.Reproduce(t.Context(), filepath.Join(p.Workspace, "x"), time.Second)
			if err != nil || r.Crashed != (want != "") || r.Kind != want {
				t.Errorf("reproduced: %+v, %v", r, err)
			}
		})
	}
	p, _ := stub(t, "exit 127")
	if _, err := p.Reproduce(t.Context(), filepath.Join(p.Workspace, "x"), time.Second); cordon.KindOf(err) != cordon.InvalidArgument {
		t.Errorf("a program that does not start: %v", err)
	}
}

// What is smaller but crashes elsewhere is another bug.
func TestMinimiseKeepsTheBug(t *testing.T) {
	p, _ := stub(t, `
case "$*" in *-minimize_crash=1*) printf Y >"$(echo "$*" | sed 's/.*-exact_artifact_path=\([^ ]*\).*/\1/')"; exit 0;; esac
for last in "$@"; do :; done
echo "Running: $last"
grep -q X "$last" && f=first
grep -q Y "$last" && f=${f:-second}
[ -n "$f" ] || exit 0
echo '==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1 at pc 0x1'
echo "    #0 0x1 in $f /w/a.c:1:1"
exit 1`)
	in, out := filepath.Join(p.Workspace, "in put"), filepath.Join(p.Workspace, "out put")
	if err := os.WriteFile(in, []byte("aaaaXaaaaYaaaa"), 0o644); err != nil {
		t.Fatal(err)
	}
	ok, err := p.Minimise(t.Context(), in, out, time.Minute)
	if err != nil || !ok {
		t.Fatalf("minimised: %v, %v", ok, err)
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != "X" {
		t.Errorf("it became %q, %v; want the X", b, err)
	}
	if left, err := os.ReadDir(p.Out); err != nil || len(left) != 1 {
		t.Errorf("it left %v, %v beside the harness", left, err)
	}
}

func TestMergeErrors(t *testing.T) {
	for about, script := range map[string]string{
		"it ends without a word": "exit 0",
		"it fails":               "exit 1",
	} {
		p, s := stub(t, script)
		if err := p.Merge(t.Context(), s.Artifacts, []string{s.Corpus}, time.Minute); err == nil {
			t.Errorf("%s: no error", about)
		}
	}
	p, s := stub(t, "sleep 1000")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Merge(ctx, s.Artifacts, []string{s.Corpus}, time.Minute); err != context.DeadlineExceeded {
		t.Errorf("the context ended: %v", err)
	}
}
