package flow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workflows/flow"
)

const path = "/cache/project/workspace"

// world is a workflow of two tools, "first" and "second", and what its
// activities do.
type world struct {
	env     *testsuite.TestWorkflowEnvironment
	calls   []string
	cleaned []string
	failed  []bool // what each cleanup was told
	keep    bool   // the metadata says keep_on_failure
	report  activities.ReportRequest

	acquire       error
	first, second func(context.Context) error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	w := &world{env: suite.NewTestWorkflowEnvironment()}
	ok := func(context.Context) error { return nil }
	w.first, w.second = ok, ok
	register := func(name string, fn any) { w.env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name}) }
	register(activities.ChooseHostsName, func(target, run, mode string) ([]string, error) { return nil, nil })
	register(activities.AcquireWorkspaceName, func(target, run, mode string) (activities.Workspace, error) {
		w.calls = append(w.calls, "acquire_workspace "+target)
		if run == "" {
			return activities.Workspace{}, errors.New("no run id")
		}
		return activities.Workspace{Path: path, TaskQueue: "queue@host", Host: "host"}, w.acquire
	})
	register("first", func(ctx context.Context, req activities.ToolRequest) (activities.Part, error) {
		w.calls = append(w.calls, "first "+req.Path)
		return activities.Part{Tool: "first", Findings: 1}, w.first(ctx)
	})
	register("second", func(ctx context.Context, req activities.ToolRequest) (activities.Part, error) {
		w.calls = append(w.calls, "second "+req.Path)
		return activities.Part{Tool: "second", Findings: 2}, w.second(ctx)
	})
	register(activities.ReportFindingsName, func(req activities.ReportRequest) (activities.Result, error) {
		w.calls = append(w.calls, "report")
		w.report = req
		return activities.Result{Status: activities.Completed, TargetID: req.TargetID}, nil
	})
	register(activities.CleanupCacheName, func(p string, _ *string, failed bool) (*string, error) {
		w.cleaned, w.failed = append(w.cleaned, p), append(w.failed, failed)
		if failed && w.keep {
			return &p, nil
		}
		return nil, nil
	})
	w.env.RegisterWorkflow(twoTools)
	return w
}

func twoTools(ctx workflow.Context) (activities.Result, error) {
	target, err := cordon.ParseTargetID("project")
	if err != nil {
		return activities.Result{}, err
	}
	request := func(path string) any { return activities.ToolRequest{Path: path} }
	return flow.Run(ctx, target, flow.Definition{Tools: []flow.Tool{{Name: "first", Request: request}, {Name: "second", Request: request}}})
}

func (w *world) run(t *testing.T) (activities.Result, error) {
	t.Helper()
	w.env.ExecuteWorkflow(twoTools)
	if !w.env.IsWorkflowCompleted() {
		t.Fatal("the workflow is still running")
	}
	var result activities.Result
	if err := w.env.GetWorkflowError(); err != nil {
		return result, err
	}
	return result, w.env.GetWorkflowResult(&result)
}

// steps renders steps as "name status".
func steps(in []activities.Step) []string {
	var out []string
	for _, s := range in {
		out = append(out, s.Name+" "+s.Status)
	}
	return out
}

func failing(kind cordon.Kind) func(context.Context) error {
	return func(context.Context) error {
		return activities.ApplicationError("first", &cordon.Error{Kind: kind, Op: "scan", Err: errors.New("it broke")})
	}
}

func TestARunFetchesAnalysesReportsAndCleansUp(t *testing.T) {
	w := newWorld(t)
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"acquire_workspace project", "first " + path, "second " + path, "report"}; !slices.Equal(w.calls, want) {
		t.Errorf("called %v, want %v", w.calls, want)
	}
	if !slices.Equal(w.cleaned, []string{path}) || w.failed[0] {
		t.Errorf("cleaned %v, failed %v", w.cleaned, w.failed)
	}
	want := []string{"acquire_workspace completed", "first completed", "second completed", "report_findings completed", "cleanup_cache completed"}
	if got := steps(result.Steps); !slices.Equal(got, want) {
		t.Errorf("steps %v, want %v", got, want)
	}
	if result.Steps[2].Findings != 2 {
		t.Errorf("the second tool's step has %d findings, want 2", result.Steps[2].Findings)
	}
	var p flow.Progress
	v, err := w.env.QueryWorkflow(flow.ProgressQuery)
	if err == nil {
		err = v.Get(&p)
	}
	if err != nil || p.Step != "" || p.Index != 5 || p.Of != 5 {
		t.Errorf("at the end the progress is %+v (%v)", p, err)
	}
}

func TestTheProgressNamesTheStepUnderWay(t *testing.T) {
	w := newWorld(t)
	var p flow.Progress
	w.second = func(context.Context) error {
		v, err := w.env.QueryWorkflow(flow.ProgressQuery)
		if err != nil {
			return err
		}
		return v.Get(&p)
	}
	if _, err := w.run(t); err != nil {
		t.Fatal(err)
	}
	if p.Step != "second" || p.Index != 3 || p.Of != 5 || p.Started.IsZero() {
		t.Errorf("during the third of five steps the progress is %+v", p)
	}
}

func TestAToolThatFailsIsAFailedStepAndTheRestStands(t *testing.T) {
	w := newWorld(t)
	w.first = failing(cordon.InvalidArgument)
	result, err := w.run(t)
	if err != nil {
		t.Fatal(err)
	}
	if got := steps(w.report.Steps); !slices.Equal(got, []string{"acquire_workspace completed", "first failed", "second completed"}) {
		t.Errorf("the report was told %v", got)
	}
	if len(w.report.Parts) != 1 || w.report.Parts[0].Tool != "second" {
		t.Errorf("the report was given %+v", w.report.Parts)
	}
	if !strings.Contains(result.Steps[1].Error, "it broke") {
		t.Errorf("the step says %q", result.Steps[1].Error)
	}
}

// Temporal looks at the outermost failure alone: it must be the activity's own
// kind, or a workflow that cannot succeed is started three times.
func TestAFailedRunHasItsCauseAsItsOwnErrorAndIsCleanedUp(t *testing.T) {
	for _, tc := range []struct {
		name      string
		break_    func(*world)
		kind      cordon.Kind
		cleanedUp bool
	}{
		{"the target does not exist", func(w *world) { w.acquire = failing(cordon.TargetNotFound)(nil) }, cordon.TargetNotFound, false},
		{"the store is down", func(w *world) { w.acquire = failing(cordon.StorageUnavailable)(nil) }, cordon.StorageUnavailable, false},
		{"all tools fail", func(w *world) {
			w.first, w.second = failing(cordon.TargetTooLarge), failing(cordon.TargetTooLarge)
		}, cordon.TargetTooLarge, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			tc.break_(w)
			_, err := w.run(t)
			var execution *temporal.WorkflowExecutionError
			if !errors.As(err, &execution) {
				t.Fatalf("got %v", err)
			}
			app, ok := errors.Unwrap(execution).(*temporal.ApplicationError)
			if !ok || app.Type() != string(tc.kind) || app.NonRetryable() == tc.kind.Retryable() {
				t.Errorf("the run failed with %#v, want an ApplicationError of type %s", errors.Unwrap(execution), tc.kind)
			}
			if (len(w.cleaned) == 1) != tc.cleanedUp {
				t.Errorf("cleaned %v", w.cleaned)
			}
		})
	}
}

func TestACancelledRunIsCleanedUp(t *testing.T) {
	w := newWorld(t)
	w.env.RegisterDelayedCallback(w.env.CancelWorkflow, time.Second)
	w.first = func(ctx context.Context) error {
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	_, err := w.run(t)
	if !temporal.IsCanceledError(err) {
		t.Errorf("got %v, want a cancellation", err)
	}
	if !slices.Equal(w.cleaned, []string{path}) || w.failed[0] {
		t.Errorf("cleaned %v, failed %v", w.cleaned, w.failed)
	}
	if slices.Contains(w.calls, "second "+path) || slices.Contains(w.calls, "report") {
		t.Errorf("it went on after the cancellation: %v", w.calls)
	}
}

func TestAFailedRunSaysWhereItsWorkspaceIsKept(t *testing.T) {
	for _, tc := range []struct {
		name string
		keep bool
		err  error // of both tools
		kind string
		says string
	}{
		{"it is kept", true, failing(cordon.TargetTooLarge)(nil), string(cordon.TargetTooLarge), "it broke; the run's workspace is kept at " + path},
		{"it is not", false, failing(cordon.TargetTooLarge)(nil), string(cordon.TargetTooLarge), "it broke"},
		{"it is kept after an error of no kind", true, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil), "", "took too long (StartToClose); the run's workspace is kept at " + path},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.keep = tc.keep
			w.first = func(context.Context) error { return tc.err }
			w.second = w.first
			_, err := w.run(t)
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != tc.kind || !strings.Contains(app.Message(), tc.says) || strings.Contains(app.Message(), "kept at") != tc.keep {
				t.Errorf("the run failed with %v", err)
			}
			if !slices.Equal(w.failed, []bool{true}) {
				t.Errorf("the cleanup was told %v", w.failed)
			}
		})
	}
}
