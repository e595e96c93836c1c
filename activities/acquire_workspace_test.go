package activities_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// acquired is what the call returned.
func (h *house) acquired(a answer, err error) map[string]any {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal([]byte(a.Result), &object); err != nil {
		h.t.Fatalf("the result %q is no JSON object", a.Result)
	}
	return object
}

func TestAcquireWorkspaceSaysWhatItIsAndWhere(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.txt": "a"})
	h.put("blob", map[string]string{"": "just bytes"})
	choice, err := h.cache.CowDriver()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		args []arg
		path string // below the cache; RUN is the calling run's id
		want map[string]any
	}{
		{"the target alone", []arg{text("project")}, "project/RUN/workspace",
			map[string]any{"target_id": "project", "run_id": "RUN", "mode": "isolated", "driver": "", "writable": true}},
		{"shared is not to be written", []arg{text("project"), text("r1"), text("shared")}, "project/workspace",
			map[string]any{"target_id": "project", "run_id": "r1", "mode": "shared", "driver": "", "writable": false}},
		{"copy-on-write says how", []arg{text("project"), text("r2"), text("copy-on-write")}, "project/r2/workspace",
			map[string]any{"target_id": "project", "run_id": "r2", "mode": "copy-on-write", "driver": choice.Name, "writable": true}},
		{"one object holds the arguments", []arg{{Data: `{"target_id":"project","run_id":"r3","workspace_isolation":"isolated","x":1}`}}, "project/r3/workspace",
			map[string]any{"target_id": "project", "run_id": "r3", "mode": "isolated", "driver": "", "writable": true}},
		{"nulls and more arguments", []arg{text("blob"), null, null, text("more")}, "blob/RUN/target",
			map[string]any{"target_id": "blob", "run_id": "RUN", "mode": "isolated", "driver": "", "writable": true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, run, err := h.call(activities.AcquireWorkspaceName, tc.args...)
			got := h.acquired(a, err)
			tc.want["path"] = h.in(strings.ReplaceAll(tc.path, "RUN", run))
			tc.want["run_id"] = strings.ReplaceAll(tc.want["run_id"].(string), "RUN", run)
			tc.want["host"] = h.cache.HostID()
			tc.want["task_queue"] = h.queue + "@" + h.cache.HostID()
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %v\nwant %v", got, tc.want)
			}
			if !exists(tc.want["path"].(string)) {
				t.Error("the path does not exist")
			}
			if !strings.Contains(h.log.String(), "User code downloaded") || !strings.Contains(h.log.String(), "path="+tc.want["path"].(string)+" ") {
				t.Error(`the log does not say "User code downloaded" with the path`)
			}
		})
	}
	for _, tc := range []struct {
		name string
		args []arg
		kind cordon.Kind
		says string
	}{
		{"no argument", nil, cordon.InvalidArgument, "acquire_workspace: argument target_id is missing"},
		{"a number", []arg{{Data: "7"}}, cordon.InvalidArgument, "target_id is a number"},
		{"a mode that does not exist", []arg{text("project"), null, text("private")}, cordon.InvalidArgument, "workspace_isolation"},
		{"a run that climbs", []arg{text("project"), text("../x")}, cordon.InvalidArgument, "run_id"},
		{"a target that is not stored", []arg{text("nobody")}, cordon.TargetNotFound, "nobody"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := h.call(activities.AcquireWorkspaceName, tc.args...)
			app := failed(t, err)
			if app.Type() != string(tc.kind) || !app.NonRetryable() || !strings.Contains(app.Message(), tc.says) {
				t.Errorf("got %s %q, non-retryable %v; want %s that says %q", app.Type(), app.Message(), app.NonRetryable(), tc.kind, tc.says)
			}
		})
	}
}

// acquire_workspace and get_target are two doors to one workspace.
func TestAcquireWorkspaceIsGetTargetWithMoreToSay(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.txt": "a"})
	queue, _ := h.pollHost(nil)

	a, _, err := h.call(activities.AcquireWorkspaceName, text("project"), text("r"))
	first := h.acquired(a, err)
	path := first["path"].(string)
	if err := os.WriteFile(path+"/mine", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, _, err = h.call(activities.GetTargetName, text("project"), text("r"))
	if got := h.path(a, err); got != path || !exists(path+"/mine") {
		t.Errorf("get_target gives %s, want %s with what is in it", got, path)
	}

	// On the host's own queue it answers the same: that queue is its own host's.
	var onHost answer
	err = h.wait(h.start("CallWorkflow", nil, call{Activity: activities.AcquireWorkspaceName, Args: []arg{text("project"), text("r")}, Queue: queue}), &onHost)
	if got := h.acquired(onHost, err); !reflect.DeepEqual(got, first) {
		t.Errorf("on the host's queue: %v\nbefore: %v", got, first)
	}
	if first["task_queue"] != queue {
		t.Errorf("the task queue is %v, want %s", first["task_queue"], queue)
	}

	err = h.wait(h.start("CallWorkflow", nil, call{Activity: activities.CleanupCacheName, Args: []arg{text(path)}, Queue: queue}), nil)
	if err != nil || exists(path) {
		t.Errorf("after the cleanup %s exists: %v (%v)", path, exists(path), err)
	}
}
