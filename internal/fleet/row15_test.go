//go:build !race

package fleet

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// plainStep is an activity that plainWorkflow calls with the path that get_target gave.
type plainStep struct {
	Name  string
	Queue string // of one host
}

// pause is a step that waits for a signal of that name, and answers such a query meanwhile.
const pause = "pause"

// plainWorkflow knows of get_target alone, as workflows do that were written for one
// host. Its steps are sent to hosts here, so that the test knows where they are.
func plainWorkflow(ctx workflow.Context, mode string, from string, steps []plainStep) (last activities.Part, err error) {
	on := func(queue string) workflow.Context {
		return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3}})
	}
	var path string
	if err := workflow.ExecuteActivity(on(from), activities.GetTargetName, "object", nil, mode).Get(ctx, &path); err != nil {
		return last, err
	}
	for _, s := range steps {
		if s.Name == pause {
			if err := workflow.SetQueryHandler(ctx, pause, func() (bool, error) { return true, nil }); err != nil {
				return last, err
			}
			workflow.GetSignalChannel(ctx, pause).Receive(ctx, nil)
			continue
		}
		if s.Name == activities.CleanupCacheName {
			if err := workflow.ExecuteActivity(on(s.Queue), s.Name, path).Get(ctx, nil); err != nil {
				return last, err
			}
			continue
		}
		last = activities.Part{}
		req := activities.RunToolRequest{Path: path, Arguments: []json.RawMessage{json.RawMessage("0")}}
		if err := workflow.ExecuteActivity(on(s.Queue), s.Name, req).Get(ctx, &last); err != nil {
			return last, err
		}
	}
	return last, nil
}

// CONTRACT §7, row 15, for workflows that call get_target: a later activity that meets
// another host finds the workspace there, made anew, unless that would lose something.
// What is lost by a host's death is TestEveryRunEndsWellWhateverHappensToHosts.
func TestRow15_AnActivityMeetsAnotherHost(t *testing.T) {
	t.Parallel()
	if !alike() {
		t.Skip("only root can give each host the same cache directory")
	}
	f := newFleet(t, 2).on()
	f.put("object", 5000)
	own := sdkworker.New(f.client, f.queue+" plain", sdkworker.Options{LocalActivityWorkerOnly: true})
	for _, m := range modes { // under a class whose metadata says the mode, and what run_tool runs
		own.RegisterWorkflowWithOptions(plainWorkflow, workflow.RegisterOptions{Name: classOf(m)})
	}
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Stop)
	one, two := f.alone(0), f.alone(1)

	const read, wrote = activities.InventoryFilesName, activities.RunToolName
	for _, tc := range []struct {
		name  string
		mode  string
		steps []plainStep
		files int // what the last step reads; 0: it does not read
		lost  bool
		gone  []int // the hosts that have nothing of the run when it is over, at once
	}{
		{"a shared tree is read", "shared", []plainStep{{read, two}, {wrote, two}, {read, one}}, 2, false, nil},
		{"what nobody has written to is read", "isolated", []plainStep{{read, two}, {activities.CleanupCacheName, two}}, 2, false, []int{1}},
		{"a view of it too", "copy-on-write", []plainStep{{read, two}, {read, one}, {activities.CleanupCacheName, one}}, 2, false, []int{0}},
		{"what nobody has written to is written to", "isolated", []plainStep{{wrote, two}, {read, two}}, 3, false, nil},
		{"what was written to elsewhere", "isolated", []plainStep{{wrote, one}, {read, one}, {read, two}}, 0, true, nil},
		{"what was written to elsewhere, though the first one has it still", "copy-on-write", []plainStep{{wrote, two}, {pause, ""}, {read, f.queue}}, 0, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run, err := f.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: f.queue + " plain"}, classOf(tc.mode), tc.mode, one, tc.steps)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(tc.steps, func(s plainStep) bool { return s.Name == pause }) {
				until(t, "it is written to", func() bool {
					v, err := f.client.QueryWorkflow(t.Context(), run.GetID(), "", pause)
					var waits bool
					return err == nil && v.Get(&waits) == nil && waits
				})
				f.hosts[1].off(syscall.SIGTERM) // so that the other one alone is there
				if err := f.client.SignalWorkflow(t.Context(), run.GetID(), "", pause, nil); err != nil {
					t.Fatal(err)
				}
				defer f.hosts[1].on()
			}
			var last activities.Part
			err = run.Get(t.Context(), &last)
			var app *temporal.ApplicationError
			switch {
			case tc.lost && (!errors.As(err, &app) || app.Type() != string(cordon.WorkspaceLost) || !app.NonRetryable() || !strings.Contains(app.Message(), "acquire_workspace")):
				t.Errorf("the error is %v, want a WorkspaceLost that says what to do", err)
			case !tc.lost && err != nil:
				t.Error(err)
			case !tc.lost && (last.Inventory == nil || last.Inventory.Files != tc.files):
				t.Errorf("it read %+v, want %d files", last.Inventory, tc.files)
			}
			for _, i := range tc.gone {
				for _, path := range f.hosts[i].workspaces() {
					if filepath.Base(filepath.Dir(path)) == run.GetRunID() {
						t.Errorf("%s has %s", f.hosts[i].name, path)
					}
				}
			}
		})
	}
	f.mustBeEmpty() // the hosts that no cleanup has met learn that the runs are over
}

// roamingWorkflow reads its workspace wherever that is taken, again and again until it is told
// to go on, and may clean it up in the end, wherever that is taken.
func roamingWorkflow(ctx workflow.Context, queue, mode string, cleans bool) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: time.Minute})
	var path string
	if err := workflow.ExecuteActivity(ctx, activities.GetTargetName, "object", "", mode).Get(ctx, &path); err != nil {
		return err
	}
	for enough := workflow.GetSignalChannel(ctx, "go"); !enough.ReceiveAsync(nil); {
		if err := workflow.ExecuteActivity(ctx, activities.InventoryFilesName, activities.RunToolRequest{Path: path}).Get(ctx, nil); err != nil {
			return err
		}
	}
	if !cleans {
		return nil
	}
	return workflow.ExecuteActivity(ctx, activities.CleanupCacheName, path).Get(ctx, nil)
}

// A cleanup_cache meets one host. The others that have something of the run let go of it when
// the run is over, without waiting for their sweeps; what it has not cleaned up stays.
func TestACleanupReachesAllHostsOfTheRun(t *testing.T) {
	t.Parallel()
	if !alike() {
		t.Skip("only root can give each host the same cache directory")
	}
	f := newFleet(t, 2, "CORDON_SWEEP_INTERVAL=1h", "CACHE_GRACE=1h").on()
	f.put("object", 5000)
	until(t, "both hosts are known", func() bool { return len(f.known()) == 2 })
	own := sdkworker.New(f.client, f.queue+" roaming", sdkworker.Options{LocalActivityWorkerOnly: true})
	own.RegisterWorkflowWithOptions(roamingWorkflow, workflow.RegisterOptions{Name: "Roaming"})
	if err := own.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Stop)
	// of counts the hosts that have the run's workspace.
	of := func(run client.WorkflowRun) (n int) {
		for _, h := range f.hosts {
			if slices.ContainsFunc(h.workspaces(), func(p string) bool { return filepath.Base(filepath.Dir(p)) == run.GetRunID() }) {
				n++
			}
		}
		return n
	}
	var all []client.WorkflowRun
	for _, cleans := range []bool{true, false} {
		run, err := f.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: f.queue + " roaming"}, "Roaming", f.queue, "isolated", cleans)
		if err != nil {
			t.Fatal(err)
		}
		until(t, "both hosts have the run's workspace", func() bool { return of(run) == 2 })
		if err := f.client.SignalWorkflow(t.Context(), run.GetID(), "", "go", nil); err != nil {
			t.Fatal(err)
		}
		if err := run.Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		all = append(all, run)
	}
	began := time.Now()
	until(t, "both hosts have let go of what is cleaned up", func() bool { return of(all[0]) == 0 })
	t.Logf("cleaned up everywhere %v after the runs", time.Since(began).Round(time.Millisecond))
	if n := of(all[1]); n != 2 {
		t.Errorf("%d hosts have the workspace of the run that has not cleaned up, want 2", n)
	}
	for _, h := range f.hosts {
		h.off(syscall.SIGTERM) // before anything else reads their logs
	}
	if n := strings.Count(f.hosts[0].said()+f.hosts[1].said(), "its cleanup met another host"); n != 1 {
		t.Errorf("%d hosts say that the cleanup met another one, want 1", n)
	}
}

// alone returns the queue of one host.
func (f *fleet) alone(i int) string {
	f.t.Helper()
	h := f.hosts[i]
	_, rest, ok := strings.Cut(h.said(), "host_queue=")
	if !ok {
		f.t.Fatalf("%s does not say its queue:\n%s", h.name, h.said())
	}
	rest = strings.TrimPrefix(rest, `"`)
	end := strings.IndexAny(rest, "\" \n")
	if at := strings.Index(rest, "@"); at >= 0 {
		end = at + strings.IndexAny(rest[at:], "\" \n")
	}
	return rest[:end]
}
