//go:build !race

// A Temporal server takes minutes to compile with the race detector.

package contract_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/temporaltest"

	"github.com/cordonlabs/cordon/activities"
)

// server is one real Temporal for all tests that need its cancellations.
var server = sync.OnceValue(func() *temporaltest.TestServer {
	s := temporaltest.NewServer(temporaltest.WithBaseClientOptions(client.Options{Logger: quiet{}}))
	atEnd = append(atEnd, s.Stop)
	return s
})

// office is a worker of a desk's at a real Temporal server.
type office struct {
	client client.Client
	acts   *activities.Activities
	worker sdkworker.Worker
	run    client.WorkflowRun // which has asked for a target
}

// asksByTemporal starts a worker, and a workflow that asks for the bulk.
func (d *desk) asksByTemporal(mode string) *office {
	d.t.Helper()
	o := &office{client: server().GetDefaultClient()}
	o.acts = activities.New(activities.Options{Cache: d.cache, Catalog: d.catalog, Client: o.client, Logger: d.logger})
	queue := "queue of " + d.t.Name()
	o.worker = sdkworker.New(o.client, queue, sdkworker.Options{
		MaxHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle, DefaultHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle,
	})
	o.acts.RegisterStorage(o.worker)
	o.worker.RegisterWorkflowWithOptions(func(ctx workflow.Context) (path string, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, WaitForCancellation: true, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		err = workflow.ExecuteActivity(ctx, "get_target", "bulk", "run-1", mode).Get(ctx, &path)
		return path, err
	}, workflow.RegisterOptions{Name: "ScanWorkflow"})
	must(d.t, o.worker.Start())
	d.t.Cleanup(o.stop)
	opts, args := client.StartWorkflowOptions{TaskQueue: queue}, []any{}
	if d.python() {
		needPython(d.t)
		opts.TaskQueue = pythonsQueue
		args = append(args, pythonCall{Queue: queue, Activity: "get_target", Args: []any{"bulk", "run-1", mode}, Seconds: 60})
	}
	var err error
	o.run, err = o.client.ExecuteWorkflow(context.Background(), opts, "ScanWorkflow", args...)
	must(d.t, err)
	return o
}

// stop is what a worker does that is told to end.
func (o *office) stop() {
	o.acts.Stop()
	o.worker.Stop()
}

func TestRow13_StoppedByTemporalWhileTheStoreIsSilent(t *testing.T) {
	ctx := context.Background()
	cancel := func(o *office) error { return o.client.CancelWorkflow(ctx, o.run.GetID(), "") }
	for _, c := range []struct {
		what, mode string
		stop       func(*office) error
	}{
		{"the run is cancelled", "isolated", cancel},
		{"the run is cancelled", "shared", cancel},
		{"the run is terminated", "isolated", func(o *office) error { return o.client.TerminateWorkflow(ctx, o.run.GetID(), "", "test") }},
		{"the worker is stopped", "isolated", func(o *office) error { o.stop(); return nil }},
		{"the worker is stopped", "copy-on-write", func(o *office) error { o.stop(); return nil }},
	} {
		t.Run(c.what+", "+c.mode, func(t *testing.T) {
			_, _, s := bulks(t)
			n := newNetwork(t, s.Endpoint)
			n.turns(t, slow)
			d := newDeskOn(t, s.through(n.url))
			o := d.asksByTemporal(c.mode)
			d.mustBeArriving(1 << 20)
			n.turns(t, silent)
			began := time.Now()
			must(t, c.stop(o))
			d.mustHaveStopped(t, began)
		})
	}
}
