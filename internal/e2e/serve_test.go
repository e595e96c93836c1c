package e2e

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
)

// theirs is a worker of somebody else's, in this process.
type theirs struct {
	client client.Client
}

func connect(t *testing.T, d *dev) theirs {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: d.Temporal, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return theirs{c}
}

// poll runs a worker until the test ends.
func (th theirs) poll(t *testing.T, queue string, opts worker.Options, register func(worker.Worker)) {
	t.Helper()
	w := worker.New(th.client, queue, opts)
	register(w)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
}

// run runs a workflow of theirs to its end.
func (th theirs) run(t *testing.T, queue, name, argument string, into any) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run, err := th.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, name, argument)
	if err != nil {
		t.Fatal(err)
	}
	return run.Get(ctx, into)
}

const rivalLine = "another worker does not belong on this queue"

// Topology B: their worker has workflows and tools, Cordon's the storage activities.
func TestServeStorage(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := filepath.Join(u.home, "project")
	writeFile(t, filepath.Join(project, "main.py"), "print(1)\n")
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	cache := filepath.Join(u.home, "storage-cache")
	ours, _ := u.start(t, "worker", "--vertical", "python", "--serve", "storage", "--address", d.Temporal, "--store", d.Store, "--cache-dir", cache)
	ours.waitLog(t, "worker polls")
	them := connect(t, d)

	type seen struct{ Path, Text, URL string }
	them.poll(t, "their-tools", worker.Options{Identity: "their worker"}, func(w worker.Worker) {
		w.RegisterActivityWithOptions(func(_ context.Context, path string) (string, error) {
			text, err := os.ReadFile(filepath.Join(path, "main.py"))
			return string(text), errors.Join(err, os.WriteFile(filepath.Join(path, "crash"), nil, 0o600))
		}, activity.RegisterOptions{Name: "their_tool"})
		w.RegisterWorkflowWithOptions(func(ctx workflow.Context, target string) (out seen, err error) {
			err = activities.WithWorkspace(ctx, activities.WorkspaceOptions{Target: target, StorageQueue: "python-storage"}, func(ctx workflow.Context, ws activities.Workspace) error {
				out.Path = ws.Path
				ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
				if err := workflow.ExecuteActivity(ctx, "their_tool", ws.Path).Get(ctx, &out.Text); err != nil {
					return err
				}
				storage := workflow.WithTaskQueue(ctx, "python-storage")
				return workflow.ExecuteActivity(storage, "upload_results", workflow.GetInfo(ctx).WorkflowExecution.ID, map[string]any{"text": out.Text}).Get(ctx, &out.URL)
			})
			return out, err
		}, workflow.RegisterOptions{Name: "TheirWorkflow"})
	})
	var got seen
	if err := them.run(t, "their-tools", "TheirWorkflow", id, &got); err != nil {
		t.Fatalf("%v\n%s", err, ours.log())
	}
	if got.Text != "print(1)\n" || !strings.HasPrefix(got.Path, cache+"/"+id+"/") || !strings.HasPrefix(got.URL, "file://"+d.Store+"/results/") {
		t.Errorf("got %+v", got)
	}
	if _, err := os.Stat(got.Path); err == nil {
		t.Errorf("%s is still there", got.Path)
	}
	if text := ours.log(); !strings.Contains(text, "serve=storage") || strings.Contains(text, rivalLine) {
		t.Errorf("the log:\n%s", text)
	}

	// On their own queue it must not be.
	refused := u.must(t, 2, "worker", "--vertical", "python", "--serve", "storage", "--task-queue", "their-tools", "--address", d.Temporal, "--store", d.Store, "--cache-dir", cache)
	if !strings.Contains(refused.err, `"their-tools"`) || !strings.Contains(refused.err, `"their worker"`) || !strings.Contains(refused.err, "a queue of its own") {
		t.Errorf("it says: %s", refused.err)
	}
	wrong := u.must(t, 2, "worker", "--vertical", "python", "--serve", "tools")
	if !strings.Contains(wrong.err, "all, activities, storage") {
		t.Errorf("it says: %s", wrong.err)
	}
}

// Topology A with workflows of their own: their worker has workflows and no activity.
func TestServeActivities(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := filepath.Join(u.home, "project")
	writeFile(t, filepath.Join(project, "config.py"), "password = 'AKIA"+"Z7QHFD3MXK5WTBVN'\n")
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	cache := filepath.Join(u.home, "their-cache")
	flags := []string{"--vertical", "python", "--address", d.Temporal, "--store", d.Store, "--cache-dir", cache}
	them := connect(t, d)
	ours, _ := u.with("WORKER_SERVE=activities").start(t, append([]string{"worker", "--task-queue", "their-queue"}, flags...)...)
	ours.waitLog(t, "worker polls")
	them.poll(t, "their-queue", worker.Options{LocalActivityWorkerOnly: true}, func(w worker.Worker) {
		w.RegisterWorkflowWithOptions(func(ctx workflow.Context, target string) (found []string, err error) {
			err = activities.WithWorkspace(ctx, activities.WorkspaceOptions{Target: target, Mode: "shared"}, func(ctx workflow.Context, ws activities.Workspace) error {
				ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
				var part activities.Part
				err := workflow.ExecuteActivity(ctx, "scan_secrets", activities.ScanSecretsRequest{Path: ws.Path}).Get(ctx, &part)
				if err != nil {
					return err
				}
				for _, f := range part.Result.Findings {
					found = append(found, f.FilePath)
				}
				return nil
			})
			return found, err
		}, workflow.RegisterOptions{Name: "TheirWorkflow"})
	})
	var found []string
	if err := them.run(t, "their-queue", "TheirWorkflow", id, &found); err != nil {
		t.Fatalf("%v\n%s", err, ours.log())
	}
	if len(found) != 1 || found[0] != "config.py" {
		t.Errorf("found %+v", found)
	}
	if text := ours.log(); !strings.Contains(text, "serve=activities workflows=[]") || strings.Contains(text, rivalLine) {
		t.Errorf("the log:\n%s", text)
	}

	// What does not work: two workers with different activities on one queue.
	them.poll(t, "mixed-queue", worker.Options{Identity: "their tools"}, func(w worker.Worker) {
		w.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: "their_tool"})
	})
	beside, _ := u.start(t, append([]string{"worker", "--task-queue", "mixed-queue"}, flags...)...)
	beside.waitLog(t, rivalLine)
	who := u.with("WORKER_TASK_QUEUE=mixed-queue", "WORKER_VERTICAL=python", "TEMPORAL_ADDRESS="+d.Temporal)
	for end := time.Now().Add(time.Minute); ; {
		var report struct {
			Checks []struct{ Name, Status, Found, Fix string }
		}
		decode(t, who.cordon(t, "doctor", "--json", "--store", d.Store, "--cache-dir", cache).out, &report)
		i := slices.IndexFunc(report.Checks, func(c struct{ Name, Status, Found, Fix string }) bool { return c.Name == "queues" })
		if i < 0 {
			t.Fatalf("there is no check of the queues: %+v", report)
		}
		c := report.Checks[i]
		if c.Status == "warn" && strings.Contains(c.Found, `"their tools"`) && strings.Contains(c.Fix, "activities=[]") {
			break
		}
		if time.Now().After(end) { // a machine that is busy may not answer the first time
			t.Fatalf("doctor says %+v", c)
		}
	}
}
