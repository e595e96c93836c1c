package activities_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/metadata"
)

// bridgeHouse is a house whose worker has a tool bridge, and runs workflows that get
// a target and give it to an activity.
type bridgeHouse struct {
	*house
	dir string // of the bridge's file
	at  string // the queue
}

// bridged is what a workflow does: the arguments are JSON texts, in which $WORKSPACE
// is the path that get_target returned.
type bridged struct {
	Target, Mode, Activity string
	Args                   []string
	Attempts               int32
}

func bridgeWorkflow(ctx workflow.Context, c bridged) (json.RawMessage, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: max(c.Attempts, 1), InitialInterval: 10 * time.Millisecond},
	})
	var path string
	if c.Target != "" {
		if err := workflow.ExecuteActivity(ctx, activities.GetTargetName, c.Target, nil, c.Mode).Get(ctx, &path); err != nil {
			return nil, err
		}
	}
	var args []any
	for _, a := range c.Args {
		args = append(args, json.RawMessage(strings.ReplaceAll(a, "$WORKSPACE", path)))
	}
	var result json.RawMessage
	err := workflow.ExecuteActivity(ctx, c.Activity, args...).Get(ctx, &result)
	return result, err
}

// openBridge opens a house with the bridge of text; script.sh beside it is script.
func openBridge(t *testing.T, text, script string) *bridgeHouse {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} { // a confined tool may be another user
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "script.sh"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	b, warnings, err := metadata.ParseBridge(filepath.Join(dir, "bridge.yaml"), []byte(text))
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	h := &bridgeHouse{house: open(t, options{bridge: b}), dir: dir, at: "bridge of " + t.Name()}
	w := sdkworker.New(h.client, h.at, sdkworker.Options{
		MaxHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle, DefaultHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle,
	})
	h.acts.RegisterStorage(w)
	h.acts.RegisterBridge(w)
	w.RegisterWorkflowWithOptions(bridgeWorkflow, workflow.RegisterOptions{Name: "BridgeWorkflow"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	h.put("project", map[string]string{"a.txt": "a\n"})
	h.put("file", map[string]string{"": "content"})
	return h
}

func (h *bridgeHouse) begin(c bridged) client.WorkflowRun {
	h.t.Helper()
	run, err := h.client.ExecuteWorkflow(h.t.Context(), client.StartWorkflowOptions{TaskQueue: h.at}, "BridgeWorkflow", c)
	if err != nil {
		h.t.Fatal(err)
	}
	return run
}

func (h *bridgeHouse) try(c bridged) (string, error) {
	h.t.Helper()
	var result json.RawMessage
	err := h.wait(h.begin(c), &result)
	return string(result), err
}

// returned is how many bytes the result of the run's last activity has in its history.
func (h *bridgeHouse) returned(run client.WorkflowRun) (n int) {
	h.t.Helper()
	for events := h.client.GetWorkflowHistory(h.t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		if err != nil {
			h.t.Fatal(err)
		}
		if p := e.GetActivityTaskCompletedEventAttributes().GetResult().GetPayloads(); len(p) > 0 {
			n = len(p[0].GetData())
		}
	}
	return n
}

// A command gets what an activity gets, and what it prints is the activity's result.
func TestACommandStandsForAnActivity(t *testing.T) {
	t.Parallel()
	h := openBridge(t, `
activities:
  echo: {run: [cat]}
  script:
    run: [sh, "{workflow}/script.sh", "{workspace}", "{output}"]
    env: {WORD: "a b"}
  nothing: {run: ["true"], workspace: none}
  markup: {run: [sh, -c, 'echo "\"$(head -c 40000 /dev/zero | tr "\\0" "<")\""'], workspace: none}
  "*": {run: [echo, "\"any\""], workspace: none}
`, `cat > "$2/in"; printf '{"files": "%s", "here": "%s", "word": "%s"}' "$(ls "$1")" "$(pwd)" "$WORD"`)
	run := h.begin(bridged{Target: "project", Activity: "echo", Args: []string{`{"n": 1.50, "path": "$WORKSPACE"}`, `null`, `[1,"ü"]`}})
	var got activities.BridgeRequest
	if err := h.wait(run, &got); err != nil {
		t.Fatal(err)
	}
	path := h.in("project", run.GetRunID(), "workspace")
	if got.Activity != "echo" || len(got.Args) != 3 || string(got.Args[1]) != "null" || string(got.Args[2]) != `[1,"ü"]` ||
		!strings.Contains(string(got.Args[0]), path) || !strings.Contains(string(got.Args[0]), "1.50") {
		t.Errorf("it got %s %s", got.Activity, got.Args)
	}
	if i := got.Info; i.WorkflowID != run.GetID() || i.RunID != run.GetRunID() || i.Attempt != 1 {
		t.Errorf("it got %+v", i)
	}
	for _, mode := range cordon.Modes {
		result, err := h.try(bridged{Target: "project", Mode: string(mode), Activity: "script", Args: []string{`"x"`, `"$WORKSPACE"`}})
		var said struct{ Files, Here, Word string }
		if err == nil {
			err = json.Unmarshal([]byte(result), &said)
		}
		if err != nil || said.Files != "a.txt" || !strings.HasSuffix(said.Here, "/workspace") || said.Word != "a b" {
			t.Errorf("%s: %s, %v", mode, result, err)
		}
	}
	for activity, want := range map[string]string{"nothing": "null", "anything": `"any"`} {
		if result, err := h.try(bridged{Activity: activity}); err != nil || result != want {
			t.Errorf("%s: %s, %v; want %s", activity, result, err, want)
		}
	}
	run = h.begin(bridged{Activity: "markup"})
	if err := h.wait(run, nil); err != nil {
		t.Error(err)
	}
	if n := h.returned(run); n != 40_002 {
		t.Errorf("a result of 40002 bytes crosses the history as %d", n)
	}
	if result, err := h.try(bridged{Target: "file", Activity: "script", Args: []string{`"$WORKSPACE"`}}); err != nil || !strings.Contains(result, "/target") {
		t.Errorf("a target that is one file: %s, %v", result, err)
	}
	left, err := os.ReadDir(h.in(".cordon", "staging"))
	if err != nil || len(left) > 0 {
		t.Errorf("what it wrote is left: %v %v", left, err)
	}
}

func TestACommandWritesIntoItsWorkspaceOnlyWhereItMay(t *testing.T) {
	t.Parallel()
	h := openBridge(t, `
activities:
  reads: {run: [sh, -ec, 'cat > /dev/null; echo x > "{workspace}/new"; ls "{workspace}"']}
  writes: {run: [sh, -c, 'echo x > "{workspace}/new"; printf 1'], workspace: writable}
`, "")
	for _, c := range []struct {
		activity, mode string
		says           string // "": it may
	}{
		{"writes", "isolated", ""},
		{"writes", "copy-on-write", ""},
		{"writes", "shared", "copy-on-write where targets are large"},
		{"reads", "isolated", "workspace: writable for it in " + h.dir},
		{"reads", "shared", "workspace: writable for it in " + h.dir},
	} {
		run := h.begin(bridged{Target: "project", Mode: c.mode, Activity: c.activity, Args: []string{`"$WORKSPACE"`}})
		err := h.wait(run, nil)
		written := exists(h.in("project", run.GetRunID(), "workspace", "new"))
		if c.says == "" && (err != nil || !written) {
			t.Errorf("%s, %s: %v", c.activity, c.mode, err)
		}
		if c.says != "" {
			if written {
				t.Errorf("%s, %s: it wrote", c.activity, c.mode)
			}
			if app := failed(t, err); app.Type() != string(cordon.PermissionDenied) || !app.NonRetryable() || !strings.Contains(app.Message(), c.says) {
				t.Errorf("%s, %s: %s: %s; want %q", c.activity, c.mode, app.Type(), app.Message(), c.says)
			}
		}
	}
}

// The workspace is one that this cache handed out, and to this run.
func TestACommandGetsOnlyTheRunsOwnWorkspace(t *testing.T) {
	t.Parallel()
	h := openBridge(t, `
activities:
  any: {run: [cat]}
  second: {run: [cat], workspace_argument: 2}
  keyed: {run: [cat], workspace_argument: at}
`, "")
	a, _, err := h.call(activities.GetTargetName, text("project"), text("r1"))
	others := h.path(a, err)
	q := func(s string) string { return fmt.Sprintf("%q", s) }
	for _, c := range []struct {
		name, activity string
		args           []string
		says           string // "": accepted
	}{
		{"its own", "any", []string{`1`, `"/etc"`, `"$WORKSPACE"`}, ""},
		{"its own, in an object", "any", []string{`{"a": 1, "target": "$WORKSPACE"}`}, ""},
		{"its own, by position", "second", []string{`"x"`, `"$WORKSPACE"`}, ""},
		{"its own, by key", "keyed", []string{`"x"`, `{"at": "$WORKSPACE"}`}, ""},
		{"another run's", "any", []string{q(others)}, "is not held by this run"},
		{"another run's first", "any", []string{q(others), `"$WORKSPACE"`}, "is not held by this run"},
		{"the run's directory", "any", []string{`"` + h.in("project") + `/x"`}, "not on this host"},
		{"the cache's own state", "any", []string{q(h.in(".cordon", "holds"))}, "is not a workspace"},
		{"one that climbs", "any", []string{`"$WORKSPACE/../../r1/workspace"`}, "is not a path below"},
		{"a file in it", "any", []string{`"$WORKSPACE/a.txt"`}, "is no workspace"},
		{"none", "any", []string{`"x"`, `{}`}, "workspace: none"},
		{"no arguments", "any", nil, "none of its arguments"},
		{"no text at the position", "second", []string{`"$WORKSPACE"`, `7`}, "position 2 is no text"},
		{"nothing at the position", "second", []string{`"$WORKSPACE"`}, "position 2 is no text"},
		{"outside, by position", "second", []string{`"$WORKSPACE"`, `"/etc"`}, "is not a path below"},
		{"no such key", "keyed", []string{`{"path": "$WORKSPACE"}`}, `the key "at"`},
	} {
		_, err := h.try(bridged{Target: "project", Activity: c.activity, Args: c.args})
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.says != "":
			app := failed(t, err)
			if !strings.Contains(app.Message(), c.says) || c.says != "not on this host" && (app.Type() != string(cordon.InvalidArgument) || !app.NonRetryable()) {
				t.Errorf("%s: %s: %s; want %q", c.name, app.Type(), app.Message(), c.says)
			}
		}
	}
}

func TestACommandThatFailsSaysHow(t *testing.T) {
	t.Parallel()
	h := openBridge(t, `
activities:
  fails: {run: [sh, -c, 'echo "cannot parse it" >&2; echo "attempt" ; exit 3'], workspace: none, exit_codes: {ok: [0, 4], final: [2]}}
  refuses: {run: [sh, -c, 'echo "wrong input" >&2; exit 2'], workspace: none, exit_codes: {final: 2}}
  fourth: {run: [sh, -c, 'echo 4; exit 4'], workspace: none, exit_codes: {ok: [0, 4]}}
  dies: {run: [sh, -c, 'kill -SEGV $$'], workspace: none}
  sleeps: {run: [sleep, "60"], workspace: none, limits: {time: 1s}}
  talks: {run: [echo, hello, you], workspace: none}
  twice: {run: [echo, "1 2"], workspace: none}
  floods: {run: [sh, -c, 'echo "\""; head -c 600000 /dev/zero | tr "\\0" x; echo "\""'], workspace: none}
  missing: {run: [no-such-program-7], workspace: none}
`, "")
	for _, c := range []struct {
		activity string
		kind     cordon.Kind
		says     []string
	}{
		{"fails", cordon.ToolFailed, []string{"exit code 3", "cannot parse it", "exit_codes in " + h.dir, "all that it printed: file://"}},
		{"refuses", cordon.InvalidArgument, []string{"exit code 2", "wrong input"}},
		{"dies", cordon.ToolFailed, []string{"signal 11"}},
		{"sleeps", cordon.InvalidArgument, []string{"over its limit, 1s", "limits.time in " + h.dir}},
		{"talks", cordon.InvalidArgument, []string{"not one JSON value: hello you"}},
		{"twice", cordon.InvalidArgument, []string{"not one JSON value"}},
		{"floods", cordon.InvalidArgument, []string{"more than 524 kB", "store what is large"}},
		{"missing", cordon.InvalidArgument, []string{"it is not installed", h.dir}},
	} {
		run := h.begin(bridged{Activity: c.activity, Attempts: 2})
		app := failed(t, h.wait(run, nil))
		if app.Type() != string(c.kind) || app.NonRetryable() == c.kind.Retryable() {
			t.Errorf("%s: %s (non-retryable: %t): %s", c.activity, app.Type(), app.NonRetryable(), app.Message())
		}
		for _, want := range c.says {
			if !strings.Contains(app.Message(), want) {
				t.Errorf("%s: it does not say %q: %s", c.activity, want, app.Message())
			}
		}
		if want := map[bool]int32{true: 2, false: 1}[c.kind.Retryable()]; attempts(t, h, run) != want {
			t.Errorf("%s: %d attempts, want %d", c.activity, attempts(t, h, run), want)
		}
	}
	if result, err := h.try(bridged{Activity: "fourth"}); err != nil || result != "4" {
		t.Errorf("an exit code that is fine: %s, %v", result, err)
	}
}

// attempts is how often the run's last activity was tried.
func attempts(t *testing.T, h *bridgeHouse, run client.WorkflowRun) (n int32) {
	t.Helper()
	for events := h.client.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if s := e.GetActivityTaskStartedEventAttributes(); s != nil {
			n = s.GetAttempt()
		}
	}
	return n
}

// What no entry is for may be known to another worker: its attempts go on, and say why.
func TestAnActivityThatNobodyKnowsIsNamed(t *testing.T) {
	t.Parallel()
	h := openBridge(t, "activities: {known: {run: [cat], workspace: none}}\n", "")
	run := h.begin(bridged{Activity: "unheard_of", Attempts: 2})
	app := failed(t, h.wait(run, nil))
	if app.Type() != "ActivityNotRegistered" || app.NonRetryable() || attempts(t, h, run) != 2 {
		t.Errorf("%s (non-retryable: %t)", app.Type(), app.NonRetryable())
	}
	for _, want := range []string{`"unheard_of"`, filepath.Join(h.dir, "bridge.yaml"), "it has known", "bridge of "} {
		if !strings.Contains(app.Message(), want) {
			t.Errorf("it does not say %q: %s", want, app.Message())
		}
	}
}

// CONTRACT §7, row 13: over in 5 s, and nothing of it is left. What it says meanwhile is
// the heartbeat's.
func TestACancelledCommandIsOverSoon(t *testing.T) {
	t.Parallel()
	h := openBridge(t, `activities: {waits: {run: [sh, "{workflow}/script.sh", "{workspace}"], workspace: writable}}`,
		`trap '' INT TERM; echo "half of it" >&2; echo begun > "$1/begun"; while :; do echo "half of it" >&2; sleep 1; done`)
	run := h.begin(bridged{Target: "project", Activity: "waits", Args: []string{`"$WORKSPACE"`}})
	waitFor(t, time.Minute, "the command begins", func() bool { return exists(h.in("project", run.GetRunID(), "workspace", "begun")) })
	waitFor(t, 20*time.Second, "a heartbeat with what it says", func() bool {
		d, err := h.client.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.GetPendingActivities() {
			if strings.Contains(p.GetHeartbeatDetails().String(), "half of it") {
				return true
			}
		}
		return false
	})
	if err := h.client.CancelWorkflow(t.Context(), run.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := h.wait(run, nil); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	left, err := os.ReadDir(h.in(".cordon", "staging"))
	if err != nil || len(left) > 0 {
		t.Errorf("what it wrote is left: %v %v", left, err)
	}
}
