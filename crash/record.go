package crash

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/finding"
	"github.com/cordonlabs/cordon/fuzz"
)

// recordVersion is that of the records in the store. Those of a newer one are passed over.
const recordVersion = 1

// Origin is where a crash comes from.
type Origin struct {
	Lineage string          `json:"lineage"` // the project over all versions of its target
	Target  cordon.TargetID `json:"target_id"`
	ETag    string          `json:"target_etag,omitempty"` // the version of the target

	Engine        string `json:"engine"`
	EngineVersion string `json:"engine_version"`
	Sanitizer     string `json:"sanitizer,omitempty"` // as in fuzz.Project: what was wished for

	Workflow string `json:"workflow_id,omitempty"`
	Run      string `json:"run_id,omitempty"`
	Host     string `json:"host,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"` // the tier of the confinement

	// Roots are the directories where the workspace was, as the fuzzed process and who
	// built it saw them. In what is stored they are told as $WORKSPACE.
	Roots []string `json:"-"`
}

// Crash is what Store.Add takes.
type Crash struct {
	Origin
	fuzz.Crash
}

// Input is what is stored of one input.
type Input struct {
	Version   int    `json:"version"`
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	Signature string `json:"signature"`
	Origin

	Harness  fuzz.Harness   `json:"harness"`
	Kind     fuzz.FoundKind `json:"kind"`
	Seen     time.Time      `json:"first_seen"`
	LastSeen time.Time      `json:"last_seen"`

	Report  Report   `json:"report"`
	Log     string   `json:"log,omitempty"` // its last 64 KiB
	Command []string `json:"command,omitempty"`
	Env     []string `json:"env,omitempty"`

	MinimisedFrom string    `json:"minimised_from,omitempty"` // the SHA-256 of the input that it is a smaller form of
	Tried         int       `json:"tried"`                    // how often it was run again after it was found
	Reproduced    int       `json:"reproduced"`               // how often of these it crashed
	Stability     Stability `json:"stability"`
}

// Stability says whether an input crashes each time that it is run.
type Stability string

// The stabilities.
const (
	Untested      Stability = "untested"       // it was not run again
	Stable        Stability = "stable"         // it crashed each time
	Flaky         Stability = "flaky"          // it crashed now and then
	NotReproduced Stability = "not reproduced" // it never crashed again
)

func stabilityOf(tried, reproduced int) Stability {
	switch {
	case tried <= 0:
		return Untested
	case reproduced >= tried:
		return Stable
	case reproduced > 0:
		return Flaky
	}
	return NotReproduced
}

// Bug is what is stored of one bug.
type Bug struct {
	Version     int       `json:"version"`
	Signature   string    `json:"signature"`
	Fingerprint string    `json:"fingerprint"` // begins with the signature
	Lineage     string    `json:"lineage"`
	Harness     string    `json:"harness"`
	Report      Report    `json:"report"` // of its first input
	FirstSeen   time.Time `json:"first_seen"`
	LastSeen    time.Time `json:"last_seen"`

	// Engines and Targets are those that inputs come from, sorted.
	Engines []string `json:"engines"`
	Targets []string `json:"targets"`

	Stability Stability `json:"stability"` // of Best
	Count     int       `json:"inputs_kept"`
	Crashes   int64     `json:"crashes"` // different inputs that showed it, at least, those not kept included

	// Inputs are the kept ones, the best to work with first: those that crash each
	// time, of these the smallest.
	Inputs []Input `json:"inputs"`
}

// Best returns the input that is the best to work with.
func (b Bug) Best() Input { return b.Inputs[0] }

// Input returns the input of b with that SHA-256.
func (b Bug) Input(sha string) (Input, bool) {
	i := slices.IndexFunc(b.Inputs, func(in Input) bool { return in.SHA256 == sha })
	if i < 0 {
		return Input{}, false
	}
	return b.Inputs[i], true
}

// In returns b as its target of that id shows it: lines move from one version of a
// project to the next. Where no input is the target's, it is b as it is.
func (b Bug) In(target cordon.TargetID) Bug {
	for _, in := range b.Inputs { // the best first
		if in.Target == target && len(in.Report.Frames) > 0 {
			b.Report = in.Report
			break
		}
	}
	return b
}

// assemble makes of what is stored of a bug what a reader is given. first is its
// crash.json, or nil where it is not there (yet) or cannot be read: then the oldest
// input stands for it. Without inputs there is no bug.
func assemble(first *Bug, inputs []Input, runs []runRecord) (Bug, bool) {
	if len(inputs) == 0 {
		return Bug{}, false
	}
	oldest := slices.MinFunc(inputs, func(a, b Input) int {
		return cmp.Or(a.Seen.Compare(b.Seen), strings.Compare(a.SHA256, b.SHA256))
	})
	b := bugOf(oldest)
	if first != nil {
		b = *first
	}
	b.LastSeen = b.FirstSeen
	b.Crashes = 0
	for _, in := range inputs {
		b.FirstSeen, b.LastSeen = earlier(b.FirstSeen, in.Seen), later(b.LastSeen, in.LastSeen)
		b.Engines, b.Targets = append(b.Engines, in.Engine), append(b.Targets, in.Target.String())
	}
	for _, r := range runs {
		b.LastSeen = later(b.LastSeen, r.LastSeen)
		b.Crashes += r.Crashes
	}
	b.Crashes = max(b.Crashes, int64(len(inputs)))
	b.Engines, b.Targets = sortedSet(b.Engines), sortedSet(b.Targets)
	b.Count = len(inputs)
	slices.SortFunc(inputs, func(x, y Input) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Size, y.Size), strings.Compare(x.SHA256, y.SHA256))
	})
	b.Inputs, b.Stability = inputs, inputs[0].Stability
	return b, true
}

// bugOf is the bug that an input shows, as its first input tells it.
func bugOf(in Input) Bug {
	return Bug{
		Version: recordVersion, Signature: in.Signature, Fingerprint: Fingerprint(in.Lineage, in.Harness.Name, in.Report, in.SHA256),
		Lineage: in.Lineage, Harness: in.Harness.Name, Report: in.Report, FirstSeen: in.Seen, LastSeen: in.Seen,
	}
}

// Finding makes a bug a finding: its place is that of the innermost frame in the
// workspace.
func (b Bug) Finding() finding.Finding {
	in := b.Best()
	w := b.Report.Where()
	f := finding.Finding{
		ID: b.Fingerprint, Fingerprint: b.Fingerprint, RuleID: "fuzz/" + b.Report.Type,
		Title: b.Report.Title, Severity: b.Report.Severity, Category: "crash",
		Description:    b.Report.Title + ". Found by fuzzing the harness " + b.Harness + " with " + in.Engine + ".",
		Recommendation: "Run 'cordon crashes repro " + b.Signature + "' to see it crash.",
		Metadata: map[string]any{
			"crash": b.Signature, "lineage": b.Lineage, "harness": b.Harness, "engines": b.Engines, "targets": b.Targets,
			"input_sha256": in.SHA256, "input_bytes": in.Size, "inputs": b.Count, "stability": string(b.Stability),
			"first_seen": b.FirstSeen.UTC().Format(time.RFC3339), "last_seen": b.LastSeen.UTC().Format(time.RFC3339),
		},
	}
	if inWorkspace(w.File) {
		f.FilePath, f.LineStart, f.LineEnd = w.File, w.Line, w.Line
	} else if in.Harness.File != "" {
		f.FilePath, f.LineStart, f.LineEnd = in.Harness.File, in.Harness.Line, in.Harness.Line
	}
	if b.Report.Detail != "" {
		f.Description += "\n" + b.Report.Detail
	}
	for i, frames := range [][]Frame{b.Report.Frames, b.Report.Other} {
		if len(frames) == 0 {
			continue
		}
		s := finding.Stack{Message: []string{"where it happened", "the other access"}[i]}
		for _, fr := range frames {
			sf := finding.StackFrame{Function: fr.Func, Module: fr.Module, Line: fr.Line}
			if inWorkspace(fr.File) && !fr.Runtime {
				sf.File = fr.File
			}
			s.Frames = append(s.Frames, sf)
		}
		f.Stacks = append(f.Stacks, s)
	}
	return f
}

// rank is 0 for the inputs that are the best to work with.
func rank(in Input) int {
	return slices.Index([]Stability{Stable, Flaky, Untested, NotReproduced}, in.Stability)
}

func sortedSet(ss []string) []string {
	slices.Sort(ss)
	return slices.Compact(ss)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
