package contract_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/liveness"
	"github.com/cordonlabs/cordon/workspace"
)

// What runs at a Temporal server: a workflow of any make, which never cleans up,
// and the workers that it has, some of which are processes that can be killed.

// plan is what a run of ScanWorkflow does with target T.
type plan struct {
	Run   string   `json:"run"`             // the run_id that it gives, "" for none
	Mode  string   `json:"mode"`            // "" for none
	Then  []string `json:"then"`            // what each run of the chain does once it has the workspace
	Queue string   `json:"queue,omitempty"` // of its activities; "": its own
}

// scan says its path to a query, and does what the plan says.
func scan(ctx workflow.Context, p plan) error {
	var path string
	if err := workflow.SetQueryHandler(ctx, "path", func() (string, error) { return path, nil }); err != nil {
		return err
	}
	if p.Then[0] == "lets a child ask" {
		child := plan{Run: workflow.GetInfo(ctx).WorkflowExecution.RunID, Mode: p.Mode, Then: []string{"ends"}}
		if err := workflow.ExecuteChildWorkflow(ctx, "ScanWorkflow", child).Get(ctx, nil); err != nil {
			return err
		}
		path = "the child's"
		return workflow.Await(ctx, func() bool { return false })
	}
	asking := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute, WaitForCancellation: true, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3},
	})
	if err := workflow.ExecuteActivity(asking, "get_target", "T", p.Run, p.Mode).Get(ctx, &path); err != nil {
		return err
	}
	told := func(what string) { workflow.GetSignalChannel(ctx, what).Receive(ctx, nil) }
	switch p.Then[0] {
	case "ends":
		return nil
	case "fails":
		told("go")
		return temporal.NewNonRetryableApplicationError("it broke", "Broken", nil)
	case "fails once":
		if workflow.GetInfo(ctx).Attempt == 1 {
			return temporal.NewApplicationError("it broke", "Broken")
		}
	case "continues":
		told("go")
		p.Then = p.Then[1:]
		return workflow.NewContinueAsNewError(ctx, "ScanWorkflow", p)
	case "asks again":
		told("go")
		path = ""
		if err := workflow.ExecuteActivity(asking, "get_target", "T", p.Run, p.Mode).Get(ctx, &path); err != nil {
			return err
		}
	}
	return workflow.Await(ctx, func() bool { return false })
}

// atTemporal makes a cache ask c which runs are over.
func atTemporal(c client.Client) func(*workspace.Options) {
	return func(o *workspace.Options) {
		o.Runs = liveness.New(func(context.Context) (client.Client, error) { return c, nil }, o.Logger)
	}
}

// polls starts a worker that polls queue, until it is stopped.
func polls(c client.Client, queue string, acts *activities.Activities) (sdkworker.Worker, error) {
	w := sdkworker.New(c, queue, sdkworker.Options{
		MaxHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle, DefaultHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle,
	})
	acts.RegisterStorage(w)
	w.RegisterWorkflowWithOptions(scan, workflow.RegisterOptions{Name: "ScanWorkflow"})
	return w, w.Start()
}

const workerEnv = "CORDON_TEST_WORKER"

// post is where a worker process works.
type post struct {
	Server, Namespace, Queue, Cache string
	Store                           shelf
}

// workerProcess is one: it works until its standard input ends.
func workerProcess(job string) error {
	var p post
	if err := json.Unmarshal([]byte(job), &p); err != nil {
		return err
	}
	c, err := client.Dial(client.Options{HostPort: p.Server, Namespace: p.Namespace, Logger: quiet{}})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := p.Store.open(log)
	if err != nil {
		return err
	}
	opts := workspace.Options{Dir: p.Cache, Store: store, Logger: log}
	atTemporal(c)(&opts)
	cache, err := workspace.Open(opts)
	if err != nil {
		return err
	}
	if _, err = polls(c, p.Queue, activities.New(activities.Options{Cache: cache, Client: c, Logger: log})); err != nil {
		return err
	}
	os.Stdout.WriteString("polls\n")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startWorker starts a worker process, and returns what kills it for good.
func startWorker(t *testing.T, p post) (kill func()) {
	t.Helper()
	kill, _ = startWorkerLogging(t, p)
	return kill
}

// startWorkerLogging is startWorker that also returns what says what the worker logged.
func startWorkerLogging(t *testing.T, p post) (kill func(), logged func() string) {
	t.Helper()
	job, err := json.Marshal(p)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+string(job))
	log, err := os.Create(filepath.Join(t.TempDir(), "worker.log"))
	must(t, err)
	defer log.Close()
	cmd.Stderr = log
	in, err := cmd.StdinPipe() // ends with this process, if nothing else ends the worker
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = cmd.Process.Kill() // gone already; Wait says it
			_ = cmd.Wait()
			in.Close()
		}
	}
	logged = func() string {
		b, _ := os.ReadFile(log.Name()) // it is there: the worker has it open
		return string(b)
	}
	t.Cleanup(func() {
		kill()
		if t.Failed() {
			t.Logf("the worker said\n%s", logged())
		}
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		kill()
		t.Fatalf("the worker does not start: %q, %v\n%s", line, err, logged())
	}
	return kill, logged
}
