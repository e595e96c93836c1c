package worker_test

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/worker"
)

// A run that began with one version of a worker deployment ends with the next: what waits
// for a slot is found by it, and so is the host's queue.
func TestARunGoesOnWithTheNextVersion(t *testing.T) {
	const deployment, queue = "cordon-versions", "versions"
	c := calling(t)
	base, _ := setup(t)
	version := func(build string) (*worker.Worker, *logBuffer) {
		opts, log := setup(t)
		opts = endless(t, opts, queue, 1)
		opts.Config.Vertical, opts.LookEvery = "secrets", 200*time.Millisecond
		opts.Config.CacheDir, opts.Config.StoreDir = base.Config.CacheDir, base.Config.StoreDir
		opts.Config.Deployment, opts.Config.BuildID = deployment, build
		return start(t, opts), log
	}
	current := func(build string) {
		t.Helper()
		until(t, "the version "+build+" is current", func() bool {
			_, err := c.WorkerDeploymentClient().GetHandle(deployment).SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
			return err == nil
		})
	}
	first, log := version("1")
	put(t, first, "project", map[string]string{"a.py": "x = 1\n"})
	until(t, "a version that is not current says so", func() bool {
		return len(log.lines("this worker's version gets no workflows", "set-current-version --deployment-name cordon-versions --build-id 1")) == 1
	})
	current("1")
	until(t, "a version that is current says so", func() bool { return len(log.lines("this worker's version gets workflows", "routing=current")) == 1 })

	second, _ := version("2")
	house := begin(t, c, "Fuzzes", queue, 2) // one for each version's only slot
	until(t, "the slots are taken", func() bool { return first.Admission().Tools == 1 && second.Admission().Tools == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, "SecretDetectionWorkflow", "project")
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the run's tool waits for a slot", func() bool {
		_, all := pending(t, c, r)
		for _, p := range all {
			if p.GetActivityType().GetName() == activities.ScanSecretsName {
				return p.GetAttempt() > 1
			}
		}
		return false
	})

	current("2")
	stores := begin(t, c, "Stores", activities.HostQueue(queue, second.Cache().HostID()), false)
	if err := stores.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	if err := c.TerminateWorkflow(ctx, house.GetID(), house.GetRunID(), "make room"); err != nil {
		t.Fatal(err)
	}
	var result activities.Result
	if err := r.Get(ctx, &result); err != nil || result.Status != activities.Completed {
		t.Fatalf("the run ended with %+v, %v", result.Status, err)
	}
	d, err := c.DescribeWorkflowExecution(ctx, r.GetID(), r.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	if v := d.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion(); v.GetDeploymentName() != deployment || v.GetBuildId() != "2" {
		t.Errorf("it ended with the version %v", v)
	}
}
