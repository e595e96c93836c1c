package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonAnswer is what one call from Python came to.
type pythonAnswer struct {
	OK           any    `json:"ok"`
	RunID        string `json:"run_id"`
	Type         string `json:"type"`
	Message      string `json:"message"`
	NonRetryable bool   `json:"non_retryable"`
}

// python makes calls, each an activity's name and its arguments, from a workflow
// in Python.
func python(t *testing.T, d *dev, queue string, calls [][]any) []pythonAnswer {
	t.Helper()
	interpreter := os.Getenv("CORDON_TEST_PYTHON")
	if interpreter == "" {
		t.Skip("CORDON_TEST_PYTHON names no Python with Temporal's client; ./test.sh makes one")
	}
	text, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "testdata/client.py", d.Temporal, queue)
	cmd.Stdin = bytes.NewReader(text)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		t.Fatalf("the Python client: %v\n%s\nthe worker:\n%s", err, talk.String(), d.log())
	}
	var answers []pythonAnswer
	decode(t, out.String(), &answers)
	if len(answers) != len(calls) {
		t.Fatalf("%d answers to %d calls", len(answers), len(calls))
	}
	return answers
}

func TestAPythonWorkflowCallsTheActivitiesByName(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := filepath.Join(u.home, "project")
	writeFile(t, filepath.Join(project, "main.py"), "print(1)\n")
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	run := func(run string) string { return filepath.Join(d.Cache, id, run, "workspace") }
	shared := filepath.Join(d.Cache, id, "workspace")

	const ownRun = "(the calling run)"
	gets := []struct {
		name string
		args []any
		want string // the path, or ownRun
		kind string // or the type of the error
		says string // and what its message names
	}{
		{name: "one argument", args: []any{id}, want: ownRun},
		{name: "two arguments", args: []any{id, "r2"}, want: run("r2")},
		{name: "three arguments", args: []any{id, "r3", "shared"}, want: shared},
		{name: "three arguments, copy-on-write", args: []any{id, "r4", "copy-on-write"}, want: run("r4")},
		{name: "five arguments", args: []any{id, "r5", "isolated", map[string]any{"x": 1}, 7}, want: run("r5")},
		{name: "nulls are defaults", args: []any{id, nil, nil}, want: ownRun},
		{name: "an empty run is the calling one", args: []any{id, "", "isolated"}, want: ownRun},
		{name: "one object", args: []any{map[string]any{"target_id": id, "run_id": "r6", "workspace_isolation": "isolated"}}, want: run("r6")},
		{name: "the same run again", args: []any{id, "r2"}, want: run("r2")},
		{name: "no argument at all", args: []any{}, kind: "InvalidArgument", says: "target_id"},
		{name: "a null target", args: []any{nil}, kind: "InvalidArgument", says: "target_id"},
		{name: "a number for the target", args: []any{42}, kind: "InvalidArgument", says: "target_id"},
		{name: "a list for the run", args: []any{id, []any{"x"}}, kind: "InvalidArgument", says: "run_id"},
		{name: "an object for the mode", args: []any{id, "r", map[string]any{"mode": 1}}, kind: "InvalidArgument", says: "workspace_isolation"},
		{name: "an unknown mode", args: []any{id, "r", "private"}, kind: "InvalidArgument", says: "workspace_isolation"},
		{name: "a target id that climbs", args: []any{"a/../b"}, kind: "InvalidArgument", says: "target_id"},
		{name: "a reserved run id", args: []any{id, "shared"}, kind: "InvalidArgument", says: "run_id"},
		{name: "a target that is not stored", args: []any{"no-such-target"}, kind: "TargetNotFound", says: "no-such-target"},
	}
	cleanups := []struct {
		name string
		args []any
		path string // whose fate is looked at
		gone bool
	}{
		{"a shared path with the default mode", []any{shared}, shared, false},
		{"a shared path called isolated", []any{shared, "isolated"}, shared, false},
		{"a bare target id", []any{id}, run("r6"), false},
		{"the parent of a shared path", []any{filepath.Dir(shared), "shared"}, shared, false},
		{"a path outside of the cache", []any{project, "isolated"}, project, false},
		{"a path that climbs", []any{run("r6") + "/../../r5/workspace/../../..", "isolated"}, run("r6"), false},
		{"nothing", []any{}, run("r6"), false},
		{"null", []any{nil, nil}, run("r6"), false},
		{"wrong types", []any{42, []any{}}, run("r6"), false},
		{"one argument", []any{run("r2")}, run("r2"), true},
		{"two arguments", []any{run("r4"), "copy-on-write"}, run("r4"), true},
		{"five arguments", []any{run("r5"), "isolated", 1, 2, 3}, run("r5"), true},
		{"a path once more", []any{run("r5"), "isolated"}, run("r5"), true},
	}
	var calls [][]any
	for _, g := range gets {
		calls = append(calls, []any{"get_target", g.args})
	}
	for _, c := range cleanups {
		calls = append(calls, []any{"cleanup_cache", c.args})
	}
	answers := python(t, d, "python-queue", calls)

	for i, g := range gets {
		t.Run("get_target, "+g.name, func(t *testing.T) {
			got, want := answers[i], g.want
			if want == ownRun {
				want = run(got.RunID)
			}
			switch {
			case g.kind == "" && got.OK != want:
				t.Errorf("got %+v, want %q", got, want)
			case g.kind != "" && (got.Type != g.kind || !got.NonRetryable || !strings.Contains(got.Message, g.says)):
				t.Errorf("got %+v, want a non-retryable %s that names %s", got, g.kind, g.says)
			}
		})
	}
	for i, c := range cleanups {
		t.Run("cleanup_cache, "+c.name, func(t *testing.T) {
			got := answers[len(gets)+i]
			if got.Type != "" || got.OK != nil {
				t.Errorf("got %+v, want null: it never fails a workflow", got)
			}
			if c.gone {
				if _, err := os.Stat(c.path); err == nil {
					t.Errorf("%s is still there", c.path)
				}
			}
		})
	}
	for _, path := range []string{shared, project, run("r6")} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s was deleted: %v", path, err)
		}
	}

	t.Run("upload_results", func(t *testing.T) {
		got := python(t, d, "python-queue", [][]any{
			{"upload_results", []any{"flow/1", map[string]any{"b": 1, "a": "ü"}}},
			{"upload_results", []any{"flow-2", map[string]any{"version": "2.1.0"}, "sarif"}},
		})
		for i, suffix := range []string{"/results.json", "flow-2/results.sarif"} {
			url, _ := got[i].OK.(string)
			if !strings.HasPrefix(url, "file://"+d.Store+"/results/") || !strings.HasSuffix(url, suffix) {
				t.Errorf("the URL is %v", got[i])
			}
		}
	})
}
