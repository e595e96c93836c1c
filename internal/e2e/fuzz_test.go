package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/fuzzsample"
)

// fuzzed is what a test looks at in the result of a fuzzing run.
type fuzzed struct {
	TargetID string         `json:"target_id"`
	Status   string         `json:"status"`
	Findings []crashFinding `json:"findings"`
	Summary  struct {
		Workspace struct {
			Path string `json:"path"`
		} `json:"workspace"`
		Fuzzing []fuzzedHarness `json:"fuzzing"`
	} `json:"summary"`
	ResultsURL string `json:"results_url"`
}

type crashFinding struct {
	Category  string `json:"category"`
	FilePath  string `json:"file_path"`
	LineStart int    `json:"line_start"`
	Stacks    []struct {
		Frames []struct {
			Function string `json:"function"`
			File     string `json:"file"`
			Line     int    `json:"line"`
		} `json:"frames"`
	} `json:"stacks"`
	Metadata struct {
		Crash string `json:"crash"`
	} `json:"metadata"`
}

type fuzzedHarness struct {
	Harness struct {
		Name string `json:"name"`
	} `json:"harness"`
	Stats struct {
		Executions int64 `json:"executions"`
	} `json:"stats"`
	Stopped string `json:"stopped"`
	Pulled  int    `json:"corpus_pulled"`
	Bugs    []struct {
		ID         string `json:"id"`
		Tried      int    `json:"tried"`
		Reproduced int    `json:"reproduced"`
	} `json:"bugs"`
}

// crashOf returns the only bug of a run, which has to be the planted one.
func (r fuzzed) crashOf(t *testing.T, s fuzzsample.Sample, said string) crashFinding {
	t.Helper()
	if r.Status != "completed" || len(r.Findings) != 1 || len(r.Summary.Fuzzing) != 1 {
		t.Fatalf("status %q, %d findings, %d harnesses; want the planted bug alone\n%s", r.Status, len(r.Findings), len(r.Summary.Fuzzing), said)
	}
	h, f := r.Summary.Fuzzing[0], r.Findings[0]
	// Go's fuzzer first counts after three seconds, and the bug ends it sooner each time.
	counts := h.Stats.Executions > 0 || s.Engine == "go"
	if h.Harness.Name != s.Harness || !counts || len(h.Bugs) != 1 || h.Bugs[0].ID != f.Metadata.Crash {
		t.Errorf("the summary says %+v of it", h)
	}
	if f.Category != "crash" || f.FilePath != s.File || f.LineStart != s.Line {
		t.Errorf("a %s at %s:%d, want a crash at %s:%d", f.Category, f.FilePath, f.LineStart, s.File, s.Line)
	}
	for _, stack := range f.Stacks {
		for _, frame := range stack.Frames {
			if strings.HasSuffix(frame.Function, s.Function) && frame.File == s.File && frame.Line == s.Line {
				return f
			}
		}
	}
	t.Errorf("%s is not in the stack: %+v", s.Function, f.Stacks)
	return f
}

func TestEachEngineFindsItsPlantedBug(t *testing.T) {
	for _, s := range fuzzsample.All {
		t.Run(s.Engine, func(t *testing.T) {
			u, project := newUser(t).plantSample(t, s)
			sarif := filepath.Join(u.home, "out.sarif")
			began := time.Now()
			run := func(seconds string, more ...string) (fuzzed, answer) {
				t.Helper()
				got := u.must(t, 0, append([]string{"run", s.Workflow, project, "--data", u.data(), "--json", "-p", "timeout_seconds=" + seconds}, more...)...)
				var r fuzzed
				decode(t, got.out, &r)
				return r, got
			}
			find := func(more ...string) (fuzzed, answer) {
				t.Helper()
				r, got := run("8", more...)
				if len(r.Findings) == 0 { // it takes luck, and more of it on a busy machine
					r, got = run("90", more...)
				}
				return r, got
			}
			r, got := find("--sarif", sarif)
			f := r.crashOf(t, s, got.err)
			t.Logf("found within a run of %v, %d executions", time.Since(began).Round(time.Second), r.Summary.Fuzzing[0].Stats.Executions)
			if want := "cordon crashes show " + f.Metadata.Crash; !strings.Contains(got.err, want) {
				t.Errorf("it does not say %q:\n%s", want, got.err)
			}
			u.nothingLeft(t)
			u.mustRunNothing(t)
			mustBeInSARIF(t, s, sarif)

			u.mustReproduce(t, f.Metadata.Crash)
			u.mustHaveCorpus(t, s)
			u.nothingLeft(t)
			u.mustRunNothing(t)

			// The next version of the project is another target. It begins with what is
			// known, and the same bug is the same bug, wherever its line has moved.
			s.Move(t, project)
			next, got := find()
			if next.TargetID == r.TargetID {
				t.Fatal("the next version is the same target")
			}
			if again := next.crashOf(t, s, got.err); again.Metadata.Crash != f.Metadata.Crash {
				t.Errorf("the bug was %s, and is %s in the next version", f.Metadata.Crash, again.Metadata.Crash)
			}
			if next.Summary.Fuzzing[0].Pulled == 0 {
				t.Error("the next version begins without the first one's corpus")
			}
		})
	}
}

func mustBeInSARIF(t *testing.T, s fuzzsample.Sample, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		PhysicalLocation struct {
			ArtifactLocation struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				StartLine int `json:"startLine"`
			} `json:"region"`
		} `json:"physicalLocation"`
	}
	var log struct {
		Runs []struct {
			Results []struct {
				Locations []place `json:"locations"`
				Stacks    []struct {
					Frames []struct {
						Location place `json:"location"`
					} `json:"frames"`
				} `json:"stacks"`
			} `json:"results"`
		} `json:"runs"`
	}
	decode(t, string(text), &log)
	is := func(p place) bool {
		return p.PhysicalLocation.ArtifactLocation.URI == s.File && p.PhysicalLocation.Region.StartLine == s.Line
	}
	for _, run := range log.Runs {
		for _, r := range run.Results {
			for _, stack := range r.Stacks {
				for _, frame := range stack.Frames {
					if is(frame.Location) && len(r.Locations) == 1 && is(r.Locations[0]) {
						return
					}
				}
			}
		}
	}
	t.Errorf("%s:%d with its stack is not in the SARIF file: %.3000s", s.File, s.Line, text)
}

// mustReproduce fails unless the crash is seen again in a fresh workspace.
func (u user) mustReproduce(t *testing.T, id string) {
	t.Helper()
	var r struct {
		Crashed bool `json:"crashed"`
		Same    bool `json:"same_bug"`
	}
	got := u.must(t, 0, "crashes", "repro", id, "--data", u.data(), "--json")
	if decode(t, got.out, &r); !r.Crashed || !r.Same {
		t.Errorf("it crashed: %v, the same bug: %v\n%s", r.Crashed, r.Same, got)
	}
}

func (u user) mustHaveCorpus(t *testing.T, s fuzzsample.Sample) {
	t.Helper()
	var all []struct {
		Lineage string `json:"lineage"`
		Engine  string `json:"engine"`
		Harness string `json:"harness"`
		Inputs  int    `json:"inputs"`
	}
	decode(t, u.must(t, 0, "corpus", "list", "--data", u.data(), "--json").out, &all)
	if len(all) != 1 || all[0].Lineage != "project" || all[0].Engine != s.Engine || all[0].Harness != s.Harness || all[0].Inputs == 0 {
		text, _ := json.Marshal(all)
		t.Errorf("the corpora are %s", text)
	}
}

// plantSample writes the sample to a new directory of u's, and returns u as somebody
// who can fuzz it.
func (u user) plantSample(t *testing.T, s fuzzsample.Sample) (user, string) {
	t.Helper()
	dir := filepath.Join(u.home, "project")
	return u.with(s.Plant(t, dir)...), dir
}

// mustRunNothing fails if a process works on anything in u's cache.
func (u user) mustRunNothing(t *testing.T) {
	t.Helper()
	if left := fuzzsample.Processes(t, filepath.Join(u.data(), "cache")); len(left) > 0 {
		t.Errorf("left running:\n%s", strings.Join(left, "\n"))
	}
}
