package securityassessment_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	securityassessment "github.com/cordonlabs/cordon/workflows/security_assessment"
)

// run executes the workflow with args and returns the tools that it called and
// what the report was asked for.
func run(t *testing.T, args ...any) (tools []string, report activities.ReportRequest, err error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	register := func(name string, fn any) { env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name}) }
	register(activities.ChooseHostsName, func(string, string, string) ([]string, error) { return nil, nil })
	register(activities.AcquireWorkspaceName, func(string, string, string) (activities.Workspace, error) {
		return activities.Workspace{Path: "/cache/p/workspace", TaskQueue: "queue@host"}, nil
	})
	for _, name := range []string{activities.InventoryFilesName, activities.ScanCodeName, activities.ScanGoName} {
		register(name, func(activities.ToolRequest) (activities.Part, error) {
			tools = append(tools, name)
			return activities.Part{Tool: name}, nil
		})
	}
	register(activities.ReportFindingsName, func(req activities.ReportRequest) (activities.Result, error) {
		report = req
		return activities.Result{}, nil
	})
	register(activities.CleanupCacheName, func(string) error { return nil })
	// By name, as clients do, so that any arguments may be passed.
	env.RegisterWorkflowWithOptions(securityassessment.Workflow, workflow.RegisterOptions{Name: "SecurityAssessmentWorkflow"})
	env.ExecuteWorkflow("SecurityAssessmentWorkflow", args...)
	return tools, report, env.GetWorkflowError()
}

func TestTheConfigsChooseWhatIsDone(t *testing.T) {
	all := []string{activities.InventoryFilesName, activities.ScanCodeName, activities.ScanGoName}
	for _, tc := range []struct {
		name     string
		args     []any
		tools    []string
		severity string
		note     string
	}{
		{"the target alone means everything", []any{"p"}, all, "info", ""},
		{"nulls mean everything", []any{"p", nil, nil, nil}, all, "info", ""},
		{"empty objects mean everything", []any{"p", map[string]any{}, map[string]any{}, map[string]any{}}, all, "info", ""},
		{"the inventory can be left out", []any{"p", map[string]any{"enabled": false}}, all[1:], "info", ""},
		{"gosec can be left out", []any{"p", nil, map[string]any{"gosec": false}}, all[:2], "info", ""},
		{"the code rules can be left out", []any{"p", nil, map[string]any{"code": false, "gosec": true}}, []string{all[0], all[2]}, "info", ""},
		{"the least severity can be raised", []any{"p", nil, nil, map[string]any{"min_severity": "high"}}, all, "high", ""},
		{"unknown keys are ignored with a note", []any{"p", map[string]any{"patterns": 1, "depth": 2}}, all, "info", `scanner_config has keys that are not known and were ignored: "depth", "patterns".`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tools, report, err := run(t, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(tools, tc.tools) || string(report.MinSeverity) != tc.severity || strings.Join(report.Notes, "") != tc.note {
				t.Errorf("tools %v, severity %s, notes %q", tools, report.MinSeverity, report.Notes)
			}
		})
	}
	for _, tc := range []struct {
		name string
		args []any
		says string
	}{
		{"no target", nil, "target_id"},
		{"a number as target", []any{7}, "target_id is a number"},
		{"a target that leads up", []any{"../x"}, "target_id"},
		{"text as config", []any{"p", "x"}, "scanner_config is a string, not an object"},
		{"a key of the wrong type", []any{"p", nil, map[string]any{"gosec": "no"}}, `analyzer_config has a key "gosec"`},
		{"a severity that does not exist", []any{"p", nil, nil, map[string]any{"min_severity": "bad"}}, "min_severity"},
		{"nothing left to do", []any{"p", map[string]any{"enabled": false}, map[string]any{"code": false, "gosec": false}}, "every analysis off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tools, _, err := run(t, tc.args...)
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != string(cordon.InvalidArgument) || !app.NonRetryable() || !strings.Contains(app.Message(), tc.says) {
				t.Errorf("got %v, want InvalidArgument that says %q", err, tc.says)
			}
			if len(tools) > 0 {
				t.Errorf("it ran %v", tools)
			}
		})
	}
}
