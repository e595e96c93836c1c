package fuzzing_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workflows/flow"
	"github.com/cordonlabs/cordon/workflows/fuzzing"
)

var code = fuzzing.Workflow{Name: "x_fuzzing", Engine: "x", Harness: "target_name", MaxIterations: 1_000_000, Sanitizer: "address"}

func fuzz(ctx workflow.Context, a, b, c, d, e converter.RawValue) (activities.Result, error) {
	return code.Run(ctx, a, b, c, d, e)
}

// raw is an argument as a client in some language sends it.
func raw(v string) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: []byte(v)})
}

// start runs the workflow; during is called in the middle of run_fuzzer.
func start(t *testing.T, during func(*testsuite.TestWorkflowEnvironment), args ...string) (activities.FuzzRequest, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	var got activities.FuzzRequest
	register := func(name string, fn any) { env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name}) }
	register(activities.ChooseHostsName, func(string, string, string) ([]string, error) { return nil, nil })
	register(activities.AcquireWorkspaceName, func(string, string, string) (activities.Workspace, error) {
		return activities.Workspace{Path: "/cache/project/run/workspace", TaskQueue: "queue@host"}, nil
	})
	register(activities.RunFuzzerName, func(_ context.Context, req activities.FuzzRequest) (activities.Part, error) {
		got = req
		if during != nil {
			during(env)
		}
		return activities.Part{Tool: activities.RunFuzzerName}, nil
	})
	register(activities.ReportFindingsName, func(activities.ReportRequest) (activities.Result, error) { return activities.Result{}, nil })
	register(activities.CleanupCacheName, func(string) (*string, error) { return nil, nil })
	env.RegisterWorkflow(fuzz)
	all := make([]any, 5)
	for i := range all {
		all[i] = raw("null")
		if i < len(args) {
			all[i] = raw(args[i])
		}
	}
	env.ExecuteWorkflow(fuzz, all...)
	return got, env.GetWorkflowError()
}

func TestArguments(t *testing.T) {
	for _, tc := range []struct {
		args string // a JSON list
		want activities.FuzzRequest
	}{
		{`["project"]`, activities.FuzzRequest{MaxIterations: 1_000_000, TimeoutSeconds: 1800, Sanitizer: "address"}},
		{`["project", "parse", 10, 20, "thread"]`, activities.FuzzRequest{Harness: "parse", MaxIterations: 10, TimeoutSeconds: 20, Sanitizer: "thread"}},
		{`["project", null, 1e6, 0]`, activities.FuzzRequest{MaxIterations: 1_000_000, Sanitizer: "address"}},
		{`["project", "", 0, 60.0, ""]`, activities.FuzzRequest{TimeoutSeconds: 60, Sanitizer: "address"}},
		{`[{"target_id": "project", "timeout_seconds": 5}]`, activities.FuzzRequest{MaxIterations: 1_000_000, TimeoutSeconds: 5, Sanitizer: "address"}},
	} {
		got, err := start(t, nil, list(t, tc.args)...)
		tc.want.TargetID, tc.want.Path, tc.want.Engine = "project", "/cache/project/run/workspace", "x"
		if err != nil || got != tc.want {
			t.Errorf("%s: %+v, %v\nwant %+v", tc.args, got, err, tc.want)
		}
	}
}

func TestWrongArgumentsAreNotRetried(t *testing.T) {
	for args, says := range map[string]string{
		`[]`:                        "target_id",
		`["project", 7]`:            "target_name is a number",
		`["project", "", "many"]`:   "max_iterations is a string",
		`["project", "", -1]`:       "max_iterations is not a whole number",
		`["project", "", 1.5]`:      "max_iterations is not a whole number",
		`["project", "", 0, 0]`:     "would never end",
		`["project", "", 0, 1e9]`:   "more than 30 days",
		`["project", "", 0, 1, []]`: "sanitizer is an array",
		`["../project", "", 0, 1]`:  "target_id",
	} {
		_, err := start(t, nil, list(t, args)...)
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || app.Type() != string(cordon.InvalidArgument) || !app.NonRetryable() || !strings.Contains(strings.ToLower(app.Message()), says) {
			t.Errorf("%s: %v, want an InvalidArgument that says %q", args, err, says)
		}
	}
}

func list(t *testing.T, s string) (out []string) {
	t.Helper()
	var all []json.RawMessage
	if err := json.Unmarshal([]byte(s), &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		out = append(out, string(v))
	}
	return out
}

func TestARunTellsHowFarItsFuzzerIs(t *testing.T) {
	var seen flow.Progress
	_, err := start(t, func(env *testsuite.TestWorkflowEnvironment) {
		env.SignalWorkflow(activities.LiveSignal, "parse: 1.2M execs")
		for began := time.Now(); seen.Detail == "" && time.Since(began) < 10*time.Second; time.Sleep(time.Millisecond) {
			v, err := env.QueryWorkflow(flow.ProgressQuery)
			if err == nil {
				err = v.Get(&seen)
			}
			if err != nil {
				t.Error(err)
			}
		}
	}, `"project"`)
	if err != nil || seen.Detail != "parse: 1.2M execs" || seen.Step != activities.RunFuzzerName {
		t.Errorf("progress %+v, %v", seen, err)
	}
}
