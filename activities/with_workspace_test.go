package activities_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workspace"
)

// visit says how visitWorkflow works.
type visit struct {
	Options activities.WorkspaceOptions
	Then    string // "fail", "wait", "again"; "": it succeeds
}

// visited is what it saw.
type visited struct {
	Workspace activities.Workspace
	Queue     string // on which its tool ran
	Found     bool   // the tool found the path
}

// tool is an activity of a workflow author's own.
func tool(ctx context.Context, path string) (visited, error) {
	_, err := os.Stat(path)
	return visited{Queue: activity.GetInfo(ctx).TaskQueue, Found: err == nil}, nil
}

func visitWorkflow(ctx workflow.Context, v visit) (out visited, err error) {
	err = activities.WithWorkspace(ctx, v.Options, func(ctx workflow.Context, ws activities.Workspace) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 30 * time.Second, ScheduleToStartTimeout: 30 * time.Second})
		if err := workflow.ExecuteActivity(ctx, "tool", ws.Path).Get(ctx, &out); err != nil {
			return err
		}
		out.Workspace = ws
		switch v.Then {
		case "fail":
			return temporal.NewNonRetryableApplicationError("the tool is not happy", "Unhappy", nil)
		case "wait":
			return workflow.Sleep(ctx, time.Hour)
		case "again":
			v.Then = ""
			return workflow.NewContinueAsNewError(ctx, "VisitWorkflow", v)
		}
		return nil
	})
	return out, err
}

// ran returns the task queues on which a run scheduled an activity, in their order.
func (h *house) ran(id, run, name string) (queues []string) {
	h.t.Helper()
	it := h.client.GetWorkflowHistory(context.Background(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		event, err := it.Next()
		if err != nil {
			h.t.Fatal(err)
		}
		if a := event.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == name {
			queues = append(queues, a.GetTaskQueue().GetName())
		}
	}
	return queues
}

func TestWithWorkspaceCleansUpOnEveryPath(t *testing.T) {
	t.Parallel()
	h := open(t, options{workflows: map[string]any{"VisitWorkflow": visitWorkflow}})
	h.put("project", map[string]string{"a.txt": "a"})
	hosts, _ := h.pollHost(map[string]any{"tool": tool})

	for _, tc := range []struct {
		name string
		mode cordon.Mode
		then string
		path string // below the cache; RUN is the run's id
		says string // what its error says
		stay bool   // the path, for it is shared
	}{
		{name: "it succeeds", path: "project/RUN/workspace"},
		{name: "it fails", then: "fail", mode: cordon.CopyOnWrite, path: "project/RUN/workspace", says: "the tool is not happy"},
		{name: "it is cancelled", then: "wait", path: "project/RUN/workspace", says: "canceled"},
		{name: "it continues as new", then: "again", path: "project/RUN/workspace"},
		{name: "what is shared stays", mode: cordon.Shared, path: "project/workspace", stay: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "VisitWorkflow",
				visit{Options: activities.WorkspaceOptions{Target: "project", Mode: tc.mode}, Then: tc.then})
			if err != nil {
				t.Fatal(err)
			}
			first := run.GetRunID()
			path := h.in(strings.ReplaceAll(tc.path, "RUN", first))
			if tc.then == "wait" {
				h.until(func() bool { return len(h.ran(run.GetID(), first, "tool")) > 0 })
				if !exists(path) {
					t.Errorf("while it works, %s is not there", path)
				}
				if err := h.client.CancelWorkflow(context.Background(), run.GetID(), first); err != nil {
					t.Fatal(err)
				}
			}
			var got visited
			err = h.wait(run, &got)
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("the error is %v, want one that says %q", err, tc.says)
			}
			if err == nil && (!got.Found || got.Queue != hosts || got.Workspace.TaskQueue != hosts || got.Workspace.TargetID != "project" || got.Workspace.Writable == tc.stay) {
				t.Errorf("the tool ran on %q and found the path: %v; the workspace is %+v", got.Queue, got.Found, got.Workspace)
			}
			if exists(path) != tc.stay {
				t.Errorf("after the run %s exists: %v", path, exists(path))
			}
			if queues := h.ran(run.GetID(), first, activities.CleanupCacheName); len(queues) != 1 || queues[0] != hosts {
				t.Errorf("cleanups on %v, want one on %s", queues, hosts)
			}
			h.until(func() bool { // a view's base is let go when the view is unmounted, a little later
				entries, err := h.cache.Entries()
				return err == nil && !slices.ContainsFunc(entries, func(e workspace.Entry) bool { return len(e.Holders) > 0 })
			})
			h.replay(run.GetID(), first, "VisitWorkflow", visitWorkflow)
		})
	}

	t.Run("a target that is not there", func(t *testing.T) {
		run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "VisitWorkflow", visit{Options: activities.WorkspaceOptions{Target: "nobody"}})
		if err != nil {
			t.Fatal(err)
		}
		if app := failed(t, h.wait(run, nil)); app.Type() != string(cordon.TargetNotFound) {
			t.Errorf("the error is %s", app.Type())
		}
		if queues := h.ran(run.GetID(), run.GetRunID(), activities.CleanupCacheName); len(queues) != 0 {
			t.Errorf("there was nothing to clean up, and it was tried on %v", queues)
		}
	})
}

// A host may go while a run works on it. Then any worker may clean up, or try to.
func TestWithWorkspaceCleansUpElsewhereWhereTheHostIsGone(t *testing.T) {
	t.Parallel()
	h := open(t, options{workflows: map[string]any{"VisitWorkflow": visitWorkflow}})
	h.put("project", map[string]string{"a.txt": "a"})
	hosts, stop := h.pollHost(map[string]any{"tool": tool})
	run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "VisitWorkflow",
		visit{Options: activities.WorkspaceOptions{Target: "project", HostWait: time.Second}, Then: "wait"})
	if err != nil {
		t.Fatal(err)
	}
	path := h.in("project", run.GetRunID(), "workspace")
	h.until(func() bool { return len(h.ran(run.GetID(), run.GetRunID(), "tool")) > 0 && exists(path) })
	stop()
	if err := h.client.CancelWorkflow(context.Background(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	var canceled *temporal.CanceledError
	if err := h.wait(run, nil); !errors.As(err, &canceled) {
		t.Errorf("the error is %v", err)
	}
	if queues := h.ran(run.GetID(), run.GetRunID(), activities.CleanupCacheName); len(queues) != 2 || queues[0] != hosts || queues[1] != h.queue {
		t.Errorf("cleanups on %q, want %q, then %q", queues, hosts, h.queue)
	}
	if exists(path) {
		t.Errorf("%s is still there", path)
	}
}

// Where Cordon's worker serves storage alone, tools stay where they are.
func TestWithWorkspaceLeavesToolsWhereStorageIsApart(t *testing.T) {
	t.Parallel()
	h := open(t, options{})
	h.put("project", map[string]string{"a.txt": "a"})
	hosts, _ := h.pollHost(nil)
	own := "tools of " + t.Name()
	w := sdkworker.New(h.client, own, sdkworker.Options{})
	w.RegisterWorkflowWithOptions(visitWorkflow, workflow.RegisterOptions{Name: "VisitWorkflow"})
	w.RegisterActivityWithOptions(tool, activity.RegisterOptions{Name: "tool"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	start := h.startOptions()
	start.TaskQueue = own
	run, err := h.client.ExecuteWorkflow(context.Background(), start, "VisitWorkflow",
		visit{Options: activities.WorkspaceOptions{Target: "project", Run: "mine", StorageQueue: h.queue}})
	if err != nil {
		t.Fatal(err)
	}
	var got visited
	if err := h.wait(run, &got); err != nil {
		t.Fatal(err)
	}
	if got.Queue != own || !got.Found || got.Workspace.Path != h.in("project", "mine", "workspace") {
		t.Errorf("the tool ran on %q and found the path: %v; the workspace is %+v", got.Queue, got.Found, got.Workspace)
	}
	acquired, cleaned := h.ran(run.GetID(), "", activities.AcquireWorkspaceName), h.ran(run.GetID(), "", activities.CleanupCacheName)
	if len(acquired) != 1 || acquired[0] != h.queue || len(cleaned) != 1 || cleaned[0] != hosts {
		t.Errorf("acquired on %q and cleaned up on %q", acquired, cleaned)
	}
	if exists(got.Workspace.Path) {
		t.Error("the workspace is still there")
	}
}

// CONTRACT §8.12: what a failed run leaves stays where its metadata says so.
func TestWithWorkspaceTellsTheCleanupOfAFailure(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	writeMetadata(t, folder, "isolated\nkeep_on_failure: true")
	h := open(t, options{catalog: []string{folder}, workflows: map[string]any{"EditedWorkflow": visitWorkflow}})
	h.put("project", map[string]string{"a.txt": "a"})
	h.pollHost(map[string]any{"tool": tool})
	for then, stays := range map[string]bool{"fail": true, "": false} {
		run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "EditedWorkflow",
			visit{Options: activities.WorkspaceOptions{Target: "project"}, Then: then})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.wait(run, nil); (err != nil) != stays {
			t.Errorf("the error is %v", err)
		}
		if path := h.in("project", run.GetRunID(), "workspace"); exists(path) != stays {
			t.Errorf("then %q: %s exists: %v", then, filepath.Base(path), exists(path))
		}
	}
}

// until waits for what a run brings about.
func (h *house) until(done func() bool) {
	h.t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("it does not come about\n%s", h.log)
		}
	}
}

// replay runs a workflow's code on the history of a run: it must do the same again.
func (h *house) replay(id, run, name string, code any) {
	h.t.Helper()
	history := &historypb.History{}
	it := h.client.GetWorkflowHistory(context.Background(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		event, err := it.Next()
		if err != nil {
			h.t.Fatal(err)
		}
		history.Events = append(history.Events, event)
	}
	replayer := sdkworker.NewWorkflowReplayer()
	replayer.RegisterWorkflowWithOptions(code, workflow.RegisterOptions{Name: name})
	if err := replayer.ReplayWorkflowHistory(nopLogger{}, history); err != nil {
		h.t.Errorf("replayed: %v", err)
	}
}
