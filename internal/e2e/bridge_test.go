package e2e

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// countLines is a workflow of somebody's, whose own activity our worker has no code for.
func countLines(ctx workflow.Context, target, activity string, config any) (json.RawMessage, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: "python-queue", StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 2, InitialInterval: 100 * time.Millisecond},
	})
	var path string
	if err := workflow.ExecuteActivity(ctx, "get_target", target, nil, "shared").Get(ctx, &path); err != nil {
		return nil, err
	}
	var counted json.RawMessage
	err := workflow.ExecuteActivity(ctx, activity, path, config).Get(ctx, &counted)
	if cleanup := workflow.ExecuteActivity(ctx, "cleanup_cache", path, "shared").Get(ctx, nil); cleanup != nil {
		err = errors.Join(err, cleanup)
	}
	return counted, err
}

// The example that docs/tool-bridge.md shows, as its reader would run it.
func TestTheExampleOfTheToolBridgeRuns(t *testing.T) {
	t.Parallel()
	need(t, "/usr/bin/python3")
	bridge, err := filepath.Abs("../../examples/tool-bridge/bridge.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The system's own Python: one that a version manager stands in for runs that manager.
	u := newUser(t, "CORDON_TOOL_BRIDGE="+bridge, "PATH=/usr/local/bin:/usr/bin:/bin")
	project := filepath.Join(u.home, "project")
	writeFile(t, filepath.Join(project, "app", "main.py"), "print(1)\nprint(2)\n")
	writeFile(t, filepath.Join(project, "Makefile"), "all:\n")
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	c, err := client.Dial(client.Options{HostPort: d.Temporal, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	w := sdkworker.New(c, "theirs", sdkworker.Options{DisableRegistrationAliasing: true})
	w.RegisterWorkflow(countLines)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run := func(activity string, config any) (counted struct {
		Files int
		Lines map[string]int
	}, err error) {
		r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "theirs"}, countLines, id, activity, config)
		if err != nil {
			t.Fatal(err)
		}
		return counted, r.Get(t.Context(), &counted)
	}
	if got, err := run("count_lines", nil); err != nil || got.Files != 2 || got.Lines[".py"] != 2 || got.Lines["Makefile"] != 1 {
		t.Errorf("got %+v, %v\n%s", got, err, d.log())
	}
	if got, err := run("count_lines", map[string]any{"skip": []string{"app"}}); err != nil || got.Files != 1 {
		t.Errorf("with a configuration: %+v, %v", got, err)
	}
	for activity, c := range map[string]struct {
		config any
		kind   string
		says   string
	}{
		"count_lines": {[]string{"app"}, "InvalidArgument", "has no attribute"},
		"count_words": {nil, "ActivityNotRegistered", bridge},
	} {
		_, err := run(activity, c.config)
		var app *temporal.ApplicationError
		if !errors.As(err, &app) || app.Type() != c.kind || !strings.Contains(app.Message(), c.says) {
			t.Errorf("%s: %v; want %s and %q", activity, err, c.kind, c.says)
		}
	}
}

// A bridge that cannot be read stops the worker at its start, with the place.
func TestABridgeThatIsWrongIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	file := filepath.Join(u.home, "bridge.yaml")
	writeFile(t, file, "activities:\n  scan:\n    run: python3 scan.py\n")
	u = u.with("CORDON_TOOL_BRIDGE=" + file)
	got := u.must(t, 2, "worker", "--vertical", "python", "--address", "127.0.0.1:1", "--data", u.data())
	if !strings.Contains(got.err, file+":3:10") || !strings.Contains(got.err, "no shell reads it") {
		t.Errorf("it says %s", got.err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if got := u.must(t, 2, "worker", "--vertical", "python", "--address", "127.0.0.1:1", "--data", u.data()); !strings.Contains(got.err, file) {
		t.Errorf("it says %s", got.err)
	}
}
