//go:build !race

package fleet

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
)

// onceWorkflow gets a workspace and reads it, with one attempt for each, on whichever host
// takes that. Where it holds it waits for a signal "go" before it cleans up.
func onceWorkflow(ctx workflow.Context, queue, target, mode string, holds bool) (files int, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
	var path string
	if err := workflow.ExecuteActivity(ctx, activities.GetTargetName, target, "", mode).Get(ctx, &path); err != nil {
		return 0, err
	}
	var read activities.Part
	if err := workflow.ExecuteActivity(ctx, activities.InventoryFilesName, activities.RunToolRequest{Path: path}).Get(ctx, &read); err != nil {
		return 0, err
	}
	if holds {
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
	}
	return read.Inventory.Files, workflow.ExecuteActivity(ctx, activities.CleanupCacheName, path).Get(ctx, nil)
}

// once returns what starts onceWorkflow.
func (f *fleet) once() (start func(target, mode string, holds bool) work) {
	f.t.Helper()
	queue := f.queue + " once"
	w := sdkworker.New(f.client, queue, sdkworker.Options{LocalActivityWorkerOnly: true})
	w.RegisterWorkflowWithOptions(onceWorkflow, workflow.RegisterOptions{Name: "Once"})
	if err := w.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(w.Stop)
	return func(target, mode string, holds bool) work {
		f.t.Helper()
		run, err := f.client.ExecuteWorkflow(f.t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "Once", f.queue, target, mode, holds)
		if err != nil {
			f.t.Fatal(err)
		}
		return work{run, "get_target, " + mode, ""}
	}
}

// A host whose cache is full of what runs hold costs nobody a run, nor an attempt, while
// another one has room.
func TestRunsPassAFullHostBy(t *testing.T) {
	t.Parallel()
	if !alike() {
		t.Skip("only root can give each host the same cache directory")
	}
	f := newFleet(t, 2)
	f.put("large", 9_000_000)
	sum := f.put("wanted", 7_000_000)
	once := f.once()
	full, empty := f.hosts[0], f.hosts[1]
	full.env = append(full.env, "CACHE_MAX_SIZE=20MB")
	full.on()
	holds := once("large", "isolated", true)
	until(t, "the cache is full", func() bool { return len(full.workspaces()) > 0 })
	empty.on()
	until(t, "both hosts are known", func() bool { return len(f.known()) == 2 })

	var plain, ours []work
	for i := range 10 {
		if i%2 == 0 {
			plain = append(plain, once("wanted", modes[i%len(modes)], false))
			continue
		}
		ours = append(ours, work{f.start(classOf(modes[i%len(modes)]), "wanted", 0), modes[i%len(modes)], sum})
	}
	for _, w := range plain {
		var files int
		if err := w.Get(t.Context(), &files); err != nil || files != 2 {
			t.Errorf("%s: read %d files, want 2: %v", w.what, files, err)
		}
	}
	for _, w := range ours {
		if wrong := w.check(t.Context()); wrong != "" {
			t.Error(wrong)
		}
	}
	passed := strings.Count(full.said(), "is passed on")
	t.Logf("the full host passed on %d activities", passed)
	if passed == 0 || full.fetched() != 1 {
		t.Errorf("it was not asked for room, or was not full: it has fetched %d objects", full.fetched())
	}
	if err := f.client.SignalWorkflow(t.Context(), holds.GetID(), "", "go", nil); err != nil {
		t.Fatal(err)
	}
	if err := holds.Get(t.Context(), nil); err != nil {
		t.Error(err)
	}
	f.mustBeEmpty()
}
