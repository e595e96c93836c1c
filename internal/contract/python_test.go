//go:build !race

// A Temporal server takes minutes to compile with the race detector.

package contract_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// The rows through workflows in Python: a worker without activities, in a process of
// its own, whose workflows call those of ours at a real Temporal server.

func init() {
	throughPython = (*desk).tryPython
	processesForPython = (*desk).workersForPython
}

// pythonsQueue is the one for workflow tasks that the Python worker polls.
const pythonsQueue = "python callers"

// pythonWorker is one for all tests. Its error is that of its start.
var pythonWorker = sync.OnceValue(func() error {
	cmd := exec.Command(os.Getenv("CORDON_TEST_PYTHON"), "testdata/caller.py", server().GetFrontendHostPort(), server().GetDefaultNamespace(), pythonsQueue)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // its end is the worker's
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	atEnd = append([]func(){func() {
		in.Close()
		defer time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() }).Stop() // go test waits for it, for ever
		_ = cmd.Wait()                                                                 // nobody needs it any more
	}}, atEnd...) // before its server
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "polls\n" {
		return fmt.Errorf("the Python worker does not start: %q, %v", line, err)
	}
	return nil
})

func needPython(t *testing.T) {
	t.Helper()
	if os.Getenv("CORDON_TEST_PYTHON") == "" {
		t.Skip("CORDON_TEST_PYTHON names no Python with Temporal's client; ./test.sh makes one")
	}
	must(t, pythonWorker())
}

// pythonCall is the argument of a ScanWorkflow in Python that makes one call.
type pythonCall struct {
	Queue    string   `json:"queue"`
	Activity string   `json:"activity"`
	Args     []any    `json:"args"`
	Seconds  float64  `json:"seconds"`            // of one attempt
	Attempts int      `json:"attempts,omitempty"` // 0: one
	Final    []string `json:"final,omitempty"`    // types of errors that are not tried again
}

// lostAttempts is how many attempts a call has where nobody looks at how long it takes. A
// busy server loses a task now and then: it has one second to note whom it gives that, may
// note it and be too late to give it, and the attempt's time passes without anybody.
const lostAttempts = 3

// queues counts those that desks have had.
var queues atomic.Int32

// serve lets a worker of ours have the desk's activities. It returns the queue of that,
// and the run that makes all the desk's calls.
func (d *desk) serve() (queue string, run client.WorkflowRun) {
	d.t.Helper()
	d.served.mu.Lock()
	defer d.served.mu.Unlock()
	c := server().GetDefaultClient()
	if d.served.run == nil {
		var err error
		d.served.run, err = c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{TaskQueue: pythonsQueue}, "ScanWorkflow", map[string]any{})
		must(d.t, err)
		d.t.Cleanup(func() {
			must(d.t, c.TerminateWorkflow(context.Background(), d.served.run.GetID(), "", "the test is over"))
		})
	}
	if d.served.acts == d.acts {
		return d.served.queue, d.served.run
	}
	d.served.acts, d.served.queue = d.acts, fmt.Sprintf("queue %d, of %s", queues.Add(1), d.t.Name())
	w := sdkworker.New(c, d.served.queue, sdkworker.Options{
		MaxHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle, DefaultHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle,
		DisableWorkflowWorker: true,
	})
	d.acts.RegisterStorage(w)
	must(d.t, w.Start())
	d.t.Cleanup(func() {
		d.acts.Stop()
		w.Stop()
	})
	return d.served.queue, d.served.run
}

// tryPython is tryFor with a workflow in Python. An attempt that has as long as any is not
// the only one, if nobody answers it.
func (d *desk) tryPython(limit time.Duration, name string, args ...any) (out outcome) {
	needPython(d.t)
	if args == nil {
		args = []any{}
	}
	queue, run := d.serve()
	call := pythonCall{Queue: queue, Activity: name, Args: args, Seconds: limit.Seconds(), Attempts: 1}
	if limit == attemptTime {
		call.Attempts = lostAttempts
		for _, kind := range []cordon.Kind{cordon.NoSpace, cordon.StorageUnavailable, cordon.Busy} {
			call.Final = append(call.Final, string(kind)) // what the first attempt says is the row's
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(call.Attempts)*limit+time.Minute)
	defer cancel()
	update, err := server().GetDefaultClient().UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: "call", Args: []any{call}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return outcome{err: err}
	}
	var path *string
	out.err = update.Get(ctx, &path)
	if path != nil {
		out.path = *path
	}
	return out
}

// workersForPython is processes with n worker processes of ours, and a workflow in
// Python for each run.
func (d *desk) workersForPython(n, runs int, id, mode string, want tree) (downloads int) {
	d.t.Helper()
	needPython(d.t)
	queue := fmt.Sprintf("queue %d, of %s", queues.Add(1), d.t.Name())
	var logs []func() string
	for range n {
		_, logged := startWorkerLogging(d.t, post{server().GetFrontendHostPort(), server().GetDefaultNamespace(), queue, d.cacheDir, d.shelf})
		logs = append(logs, logged)
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), 4*time.Minute)
	defer cancel()
	c := server().GetDefaultClient()
	var wg sync.WaitGroup
	for i := range n * runs {
		wg.Go(func() {
			call := pythonCall{Queue: queue, Activity: "get_target", Args: []any{id, fmt.Sprintf("run-%d", i), mode}, Seconds: 60, Attempts: lostAttempts}
			run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: pythonsQueue}, "ScanWorkflow", call)
			var path string
			if err == nil {
				err = run.Get(ctx, &path)
			}
			if err != nil {
				d.t.Error(err)
				return
			}
			mustBeTree(d.t, path, want)
		})
	}
	wg.Wait()
	for _, logged := range logs {
		downloads += d.shelf.downloads(logged())
	}
	return downloads
}

// Where the caller's language can matter: how arguments and results look, and which
// errors are tried again. All rows run that way with -callers python.
func TestRowsThroughPython(t *testing.T) {
	if *callers == "python" {
		t.Skip("all rows run through Python")
	}
	needPython(t)
	for name, row := range map[string]func(*testing.T){
		"Row01": TestRow01_CopyOnWrite, "Row02": TestRow02_CleanupOfSharedPathWithDefaultMode,
		"Row03": TestRow03_SharedFetchFailsWhileAnIsolatedRunLives, "Row05": TestRow05_IllegalIDs,
		"Row10": TestRow10_ObjectReplaced, "Row19": TestRow19_CacheEmptiedUnderARunningWorker, "Row20": TestRow20_OnlyMetadataIsChanged,
		"Row12, a retry": TestRow12_ARetryClosesTheRunBeforeIt, "Row12, continue as new": TestRow12_ContinueAsNewKeepsEntriesUntilTheChainCloses,
		"Row14": TestRow14_TargetOrBucketMissing,
	} {
		t.Run(name, row)
	}
}
