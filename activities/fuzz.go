package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/crash"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/fuzz/engines"
	"github.com/cordonlabs/cordon/workspace"
)

// Fuzzing is what run_fuzzer works with.
type Fuzzing struct {
	Engines []fuzz.Engine
	Store   FuzzStore
	// BuildEnv is what builds that reach the network need to find it, as NAME=value.
	BuildEnv []string
	// Observe, if not nil, is told that a harness begins to be fuzzed, and how far
	// earlier attempts came with it; what it returns is told how far it is, and that it
	// has ended.
	Observe func(earlier fuzz.Live) (told func(fuzz.Live), ended func())
}

// observe is Observe, where nobody need be told.
func (f *Fuzzing) observe(earlier fuzz.Live) (told func(fuzz.Live), ended func()) {
	if f.Observe == nil {
		return func(fuzz.Live) {}, func() {}
	}
	return f.Observe(earlier)
}

// FuzzRequest is the argument of run_fuzzer.
type FuzzRequest struct {
	TargetID string `json:"target_id"`
	Path     string `json:"path"`   // a workspace of the run's own that get_target returned
	Engine   string `json:"engine"` // "atheris", "cargo-fuzz", "libfuzzer", "afl++" or "go"

	// Harness names one of the project's harnesses, by its name or its file; "" is
	// all of them, which share the time and the iterations.
	Harness string `json:"harness,omitempty"`

	MaxIterations  int64  `json:"max_iterations,omitempty"`  // 0: no limit
	TimeoutSeconds int64  `json:"timeout_seconds,omitempty"` // of fuzzing, building not included; 0: no limit
	Sanitizer      string `json:"sanitizer,omitempty"`       // "": the engine's own choice
}

// maxHarnesses is how many harnesses of a project are fuzzed in one run. Each of
// more would get no time to speak of.
const maxHarnesses = 50

// RunFuzzer is run_fuzzer: it builds the project's harnesses inside of the
// workspace and fuzzes them, confined. Crash inputs and the corpus are in the
// object store when it returns; what did not get there is saved before the workspace
// goes (CONTRACT §7, row 16). Another attempt goes on where one has ended.
func (a *Activities) RunFuzzer(ctx context.Context, argument converter.RawValue) (Part, error) {
	req, err := request[FuzzRequest](RunFuzzerName, argument)
	if err != nil {
		return Part{}, err
	}
	var part Part
	err = a.Fuzz(ctx, RunFuzzerName, req, func(ctx context.Context, found *analyze.Result, outcomes []fuzz.Outcome) (err error) {
		part, err = a.newPart(ctx, RunFuzzerName, partContent{Result: *found})
		report := a.sandbox.Report()
		part.Fuzzing, part.Sandbox = bounded(outcomes), &report
		return err
	})
	return part, err
}

// Fuzz is the work of an activity that is called name, as RunFuzzer describes it: it
// hands what was found, and what was done, to then. An empty TargetID in req means that
// of the workspace. Its error is fit to leave the activity. It is over some seconds before
// the attempt's time is.
func (a *Activities) Fuzz(ctx context.Context, name string, req FuzzRequest, then func(context.Context, *analyze.Result, []fuzz.Outcome) error) error {
	life, end := a.runs.begin(ctx)
	defer end()
	beat := a.newFuzzBeat(life)
	defer beat.stop()

	info := activity.GetInfo(ctx)
	found, outcomes, err := a.fuzz(life, name, info, req, beat)
	if err == nil {
		err = then(life, found, outcomes)
	}
	if err != nil {
		a.callerOn(info, req.Path).Warn(name+" failed", "path", req.Path, "engine", req.Engine, "error", err)
	}
	return failure(life, name, err)
}

func (a *Activities) fuzz(ctx context.Context, name string, info activity.Info, req FuzzRequest, beat *fuzzBeat) (*analyze.Result, []fuzz.Outcome, error) {
	if a.fuzzing == nil || a.sandbox == nil {
		return nil, nil, errors.New("this worker does not fuzz")
	}
	engine, err := engines.ByName(a.fuzzing.Engines, req.Engine)
	if err != nil {
		return nil, nil, err
	}
	if err := a.checkOwnTree(ctx, use{op: name, path: req.Path, info: info, writes: true, resumes: true}); err != nil {
		return nil, nil, err
	}
	if req.TargetID == "" {
		e, err := a.cache.Find(req.Path)
		if err != nil {
			return nil, nil, err
		}
		req.TargetID = e.Target.String()
	}
	done, err := a.alone(ctx, req.Path)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	run := a.runs.of(ctx, info)
	if a.runs.client != nil && run.owner.Cluster == "" {
		return nil, nil, &cordon.Error{Kind: cordon.StorageUnavailable, Op: name, Name: req.Path,
			Err: errors.New("Temporal did not say of which project the target is a version"), Fix: "see that Temporal is well; it is tried again"}
	}
	lease, err := a.cache.Use(ctx, req.Path, workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: run.owner})
	if err != nil {
		return nil, nil, err
	}
	defer lease.Release()
	watched, enough := a.cache.Watch(ctx, req.Path)
	defer enough()

	f := &fuzzing{a: a, req: req, engine: engine, beat: beat, log: a.callerOn(info, req.Path), deadline: info.Deadline}
	runner := a.runner(info, req.Path, lease)
	f.runner, f.jobs = runner, jobs(engine.Name(), runner.Limits)
	if f.origin, err = a.origin(info, run, req, engine); err != nil {
		return nil, nil, err
	}
	outcomes, err := f.run(watched)
	if err != nil && watched.Err() != nil && ctx.Err() == nil {
		err = context.Cause(watched) // the workspace is over its limit
	}
	if err != nil {
		if f.stored {
			a.salvaged(ctx, req.Path, f.log)
		}
		return nil, nil, err
	}
	result, err := f.result(ctx, outcomes)
	if err != nil {
		return nil, nil, err
	}
	if slices.ContainsFunc(outcomes, func(o fuzz.Outcome) bool { return o.Stopped == notFuzzed }) {
		// An attempt before this one may have fuzzed it, and been cut off.
		err = a.cache.Salvage(ctx, req.Path)
		if err != nil {
			f.log.Warn("the workspace is looked through once more before it goes", "path", req.Path, "error", err)
		}
		return result, outcomes, nil
	}
	a.salvaged(ctx, req.Path, f.log)
	return result, outcomes, nil
}

// handingOver is what is left of an attempt's time when its fuzzing is over: for reading
// what was stored, and for the way of the result to Temporal.
const handingOver = 5 * time.Second

// salvaged notes that everything is in the store that was found at path.
func (a *Activities) salvaged(ctx context.Context, path string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	if err := a.cache.Salvaged(ctx, path); err != nil {
		log.Warn("the workspace is looked through once more before it goes", "path", path, "error", err)
	}
}

// alone waits until no other attempt in this process fuzzes at path: one whose time
// ran out beside its own retry.
func (a *Activities) alone(ctx context.Context, path string) (done func(), err error) {
	mine := make(chan struct{})
	for {
		other, busy := a.busy.LoadOrStore(path, mine)
		if !busy {
			return func() { a.busy.Delete(path); close(mine) }, nil
		}
		select {
		case <-other.(chan struct{}):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// checkOwnTree refuses a workspace that a fuzzer cannot work in: one that runs
// share, and a target that is a single file.
func (a *Activities) checkOwnTree(ctx context.Context, u use) error {
	op, path := u.op, u.path
	if err := a.checkWorkspace(ctx, u); err != nil {
		return err
	}
	wrong := func(what, fix string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: op, Name: path, Err: errors.New(what), Fix: fix}
	}
	rel, err := filepath.Rel(a.cache.Dir(), path)
	switch {
	case err != nil:
		return err
	case strings.Count(rel, "/") == 1:
		return wrong("is shared by all runs and read-only, and fuzzers write: corpus, crashes, builds",
			`set workspace_isolation: "isolated" (or "copy-on-write", where targets are large) in the metadata.yaml of `+class(u.info))
	case filepath.Base(path) != "workspace":
		return wrong("is a single file and no project", "upload the project's folder or an archive of it")
	}
	return nil
}

// fuzzing is one run_fuzzer.
type fuzzing struct {
	a      *Activities
	req    FuzzRequest
	engine fuzz.Engine
	runner fuzz.Runner
	origin crash.Origin
	beat   *fuzzBeat
	log    *slog.Logger
	jobs   int
	stored bool // all that was found, though the run was cut off

	deadline time.Time // of the attempt
}

// run fuzzes the harnesses, one after the other.
func (f *fuzzing) run(ctx context.Context) ([]fuzz.Outcome, error) {
	version, err := f.engine.Version(ctx, f.runner)
	if err != nil {
		return nil, err
	}
	f.origin.EngineVersion = version
	harnesses, err := f.harnesses(ctx)
	if err != nil {
		return nil, err
	}
	// From here on something may be found.
	note, err := json.Marshal(salvageNote{f.origin, harnesses})
	if err != nil {
		return nil, err
	}
	if err := f.a.cache.RequireSalvage(ctx, f.req.Path, note); err != nil {
		return nil, err
	}
	var outcomes []fuzz.Outcome
	var broken []error // of harnesses that cannot be fuzzed; the others are all the same
	for i, h := range harnesses {
		if done, ok := f.beat.done(h.Name); ok {
			outcomes = append(outcomes, done)
			continue
		}
		outcome, err := f.fuzz(ctx, h, i, len(harnesses))
		if cordon.KindOf(err) == cordon.InvalidArgument && ctx.Err() == nil {
			if broken = append(broken, err); len(broken) == len(harnesses) {
				return nil, broken[0]
			}
			outcome.Engine, outcome.Version, outcome.Harness = f.engine.Name(), f.origin.EngineVersion, h
			outcome.Stopped, outcome.Notes = notFuzzed, append(outcome.Notes, message(err))
			err = nil
		}
		if err != nil {
			return outcomes, err
		}
		if ctx.Err() != nil {
			f.stored = true // or there would be an error
			return outcomes, context.Cause(ctx)
		}
		f.beat.finished(outcome)
		outcomes = append(outcomes, outcome)
	}
	return outcomes, nil
}

// harnesses returns those that are to be fuzzed.
func (f *fuzzing) harnesses(ctx context.Context) ([]fuzz.Harness, error) {
	all, err := f.engine.Discover(ctx, f.req.Path)
	if err != nil {
		return nil, err
	}
	wrong := func(what, fix string) error {
		return &cordon.Error{Kind: cordon.InvalidArgument, Op: "find " + f.engine.Name() + " harnesses", Name: f.req.TargetID, Err: errors.New(what), Fix: fix}
	}
	if len(all) == 0 {
		return nil, wrong("the project has none", harnessHint[f.engine.Name()])
	}
	if f.req.Harness == "" {
		return all[:min(len(all), maxHarnesses)], nil
	}
	for _, same := range []func(h fuzz.Harness) bool{
		func(h fuzz.Harness) bool { return h.Name == f.req.Harness },
		func(h fuzz.Harness) bool { return h.File == filepath.ToSlash(filepath.Clean(f.req.Harness)) },
		func(h fuzz.Harness) bool { return filepath.Base(h.File) == f.req.Harness },
	} {
		if i := slices.IndexFunc(all, same); i >= 0 {
			return all[i : i+1], nil
		}
	}
	var names []string
	for _, h := range all {
		names = append(names, h.Name)
	}
	return nil, wrong(fmt.Sprintf("there is no %.100q among them", f.req.Harness), "use one of "+strings.Join(names[:min(len(names), 20)], ", "))
}

// harnessHint says what a harness of an engine looks like.
var harnessHint = map[string]string{
	"atheris":    "add a Python file with a TestOneInput function that calls atheris.Setup and atheris.Fuzz",
	"cargo-fuzz": "add fuzz/Cargo.toml and a fuzz_target! in fuzz/fuzz_targets, as 'cargo fuzz init' does",
	"libfuzzer":  "add a C or C++ file that defines LLVMFuzzerTestOneInput",
	"afl++":      "add a C or C++ file that defines LLVMFuzzerTestOneInput, or is a persistent-mode program",
	"go":         "add a func FuzzXxx(f *testing.F) to a file ending in _test.go",
}

// fuzz builds and fuzzes one harness, the i-th of so many.
func (f *fuzzing) fuzz(ctx context.Context, h fuzz.Harness, i, of int) (fuzz.Outcome, error) {
	place := fuzz.PlaceOf(f.req.Path, f.engine.Name(), h.Name)
	if err := place.Make(); err != nil {
		return fuzz.Outcome{}, err
	}
	earlier := f.beat.earlier(h.Name)
	building := earlier
	building.Engine, building.Harness, building.Stage = f.engine.Name(), h.Name, fuzz.StageBuild
	f.beat.tell(building)
	told, ended := f.a.fuzzing.observe(building)
	defer ended()
	said := &tail{}
	began := time.Now()
	binary, err := f.engine.Build(ctx, fuzz.Project{Dir: f.req.Path, Out: place.Build(), Runner: f.runner, Log: said, Sanitizer: f.req.Sanitizer}, h)
	if err != nil {
		return fuzz.Outcome{}, err
	}
	f.log.Info("fuzzer built", "engine", f.engine.Name(), "harness", h.Name, "took", time.Since(began).Round(time.Millisecond))
	duration := share(time.Duration(f.req.TimeoutSeconds)*time.Second, of)
	c := fuzz.Campaign{
		Engine: f.engine, Version: f.origin.EngineVersion, Harness: h, Binary: binary, Place: place,
		Crashes: f.a.fuzzing.Store.Crashes.Campaign(f.origin), Corpus: f.a.fuzzing.Store.Corpus(f.origin.Lineage, f.engine.Name(), h.Name),
		Duration: duration,
		Runs:     share(f.req.MaxIterations, of),
		Until:    f.deadline.Add(-handingOver - duration*time.Duration(of-1-i)), // those after it have their share
		Jobs:     f.jobs,
		Spent:    time.Duration(earlier.Elapsed), SpentRuns: earlier.Executions, Known: earlier.Found,
		Report: func(l fuzz.Live) { told(l); f.beat.tell(l) }, Log: f.log,
	}
	outcome, err := c.Run(ctx)
	if n, ok := binary.(fuzz.Noted); ok {
		outcome.Notes = append(n.Notes(), outcome.Notes...)
	}
	return outcome, err
}

// notFuzzed is why there was no fuzzing of a harness, beside fuzz's own reasons to stop: it
// does not build, or does not begin.
const notFuzzed = "not fuzzed"

// share is one of n equal parts of what there is; 0 stays no limit, and a part is
// never that.
func share[T ~int64](whole T, n int) T {
	if whole <= 0 {
		return 0
	}
	return max(whole/T(n), 1)
}
