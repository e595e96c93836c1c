package liveness_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/common/dynamicconfig"
	temporalserver "go.temporal.io/server/temporal"
	"go.temporal.io/server/temporaltest"
	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/internal/liveness"
	"github.com/cordonlabs/cordon/workspace"
)

// server is one real Temporal for all tests of the package, with a worker on queue.
var server = sync.OnceValue(func() *temporaltest.TestServer {
	// A closed run can be deleted once the server's queues have noted that they are done
	// with it: every 30 s unless they are told otherwise.
	soon := []dynamicconfig.ConstrainedValue{{Value: "50ms"}}
	yes := []dynamicconfig.ConstrainedValue{{Value: true}}
	s := temporaltest.NewServer(
		temporaltest.WithBaseClientOptions(client.Options{Logger: quiet{}}),
		temporaltest.WithBaseServerOptions(temporalserver.WithDynamicConfigClient(dynamicconfig.StaticClient{
			dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): yes,
			dynamicconfig.WorkflowPauseEnabled.Key():                    yes,
			dynamicconfig.TransferProcessorUpdateAckInterval.Key():      soon,
			dynamicconfig.VisibilityProcessorUpdateAckInterval.Key():    soon,
		})),
	)
	s.NewWorker(queue, func(r sdkworker.Registry) {
		r.RegisterWorkflowWithOptions(script, workflow.RegisterOptions{Name: "Script"})
	})
	return s
})

const (
	queue  = "queue"
	nobody = "a queue that nobody polls"
)

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

func TestMain(m *testing.M) {
	code := m.Run()
	server().Stop()
	os.Exit(code)
}

// script does what its first line says, and hands the others on to the run that it
// continues as.
func script(ctx workflow.Context, lines []string) error {
	switch lines[0] {
	case "completes":
		return nil
	case "fails":
		return temporal.NewNonRetryableApplicationError("it broke", "Broken", nil)
	case "fails once":
		if workflow.GetInfo(ctx).Attempt == 1 {
			return temporal.NewApplicationError("it broke", "Broken")
		}
		return workflow.Await(ctx, func() bool { return false })
	case "continues":
		return workflow.NewContinueAsNewError(ctx, "Script", lines[1:])
	case "continues when told":
		workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
		return workflow.NewContinueAsNewError(ctx, "Script", lines[1:])
	case "waits":
		return workflow.Await(ctx, func() bool { return false })
	}
	return fmt.Errorf("no such line: %s", lines[0])
}

// start begins a run that is terminated when the test ends.
func start(t *testing.T, opts client.StartWorkflowOptions, lines ...string) client.WorkflowRun {
	t.Helper()
	c := server().GetDefaultClient()
	if opts.TaskQueue == "" {
		opts.TaskQueue = queue
	}
	run, err := c.ExecuteWorkflow(t.Context(), opts, "Script", lines)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.TerminateWorkflow(context.Background(), run.GetID(), "", "the test is over") // where it is not over already
	})
	return run
}

// info is what Temporal says of a run; of the newest one where runID is "".
func info(t *testing.T, id, runID string) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	d, err := server().GetDefaultClient().DescribeWorkflowExecution(t.Context(), id, runID)
	if err != nil {
		t.Fatal(err)
	}
	return d.GetWorkflowExecutionInfo()
}

// until waits for a run to be in a state.
func until(t *testing.T, id, runID string, want enumspb.WorkflowExecutionStatus) {
	t.Helper()
	await(t, func() bool { return info(t, id, runID).GetStatus() == want }, "run %s of %s is not %s", runID, id, want)
}

// another waits until the newest run of id is none of those known, and returns its id.
func another(t *testing.T, id string, known ...string) string {
	t.Helper()
	newest := ""
	await(t, func() bool {
		newest = info(t, id, "").GetExecution().GetRunId()
		for _, k := range known {
			if k == newest {
				return false
			}
		}
		return true
	}, "%s has no other run", id)
	return newest
}

func await(t *testing.T, done func() bool, format string, args ...any) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf(format, args...)
		}
	}
}

// cluster is the server's id.
func cluster(t *testing.T) string {
	t.Helper()
	c, err := server().GetDefaultClient().WorkflowService().GetClusterInfo(t.Context(), &workflowservice.GetClusterInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return c.GetClusterId()
}

// owner is what a hold records of a run while it is there.
func owner(t *testing.T, id, runID string) workspace.Owner {
	t.Helper()
	i := info(t, id, runID)
	return workspace.Owner{
		Cluster: cluster(t), Namespace: server().GetDefaultNamespace(),
		WorkflowID: id, FirstRunID: i.GetFirstRunId(), RunID: i.GetExecution().GetRunId(),
	}
}

// remove deletes a run, as its retention does.
func remove(t *testing.T, id, runID string) {
	t.Helper()
	c := server().GetDefaultClient()
	_, err := c.WorkflowService().DeleteWorkflowExecution(t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: server().GetDefaultNamespace(), WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		_, err := c.DescribeWorkflowExecution(t.Context(), id, runID)
		return err != nil
	}, "run %s of %s is still there", runID, id)
}

// asker asks the server, and counts its calls.
type asker struct {
	*liveness.Runs

	mu     sync.Mutex
	calls  map[string]int // by the method's full name
	now    int            // under way
	most   int            // at once
	broken map[string]func(context.Context) error
}

const (
	list     = workflowservice.WorkflowService_ListWorkflowExecutions_FullMethodName
	describe = workflowservice.WorkflowService_DescribeWorkflowExecution_FullMethodName
)

// newAsker asks a server in which the methods of broken do what is said there instead.
func newAsker(t *testing.T, broken map[string]func(context.Context) error) *asker {
	t.Helper()
	a := &asker{calls: map[string]int{}, broken: broken}
	c := server().NewClientWithOptions(client.Options{Logger: quiet{}, ConnectionOptions: client.ConnectionOptions{
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(a.intercept)},
	}})
	a.Runs = liveness.New(func(context.Context) (client.Client, error) { return c, nil }, nil)
	return a
}

func (a *asker) intercept(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, do grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	a.mu.Lock()
	a.calls[method]++
	a.now++
	a.most = max(a.most, a.now)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.now--
		a.mu.Unlock()
	}()
	if instead := a.broken[method]; instead != nil {
		return instead(ctx)
	}
	return do(ctx, method, req, reply, conn, opts...)
}

// fate is that of one run.
func (a *asker) fate(t *testing.T, o workspace.Owner) workspace.Fate {
	t.Helper()
	return a.Fates(t.Context(), []workspace.Owner{o})[0]
}

// must fails unless the run is in a state.
func (a *asker) must(t *testing.T, what string, o workspace.Owner, want workspace.RunState, status string) workspace.Fate {
	t.Helper()
	got := a.fate(t, o)
	if got.State != want || got.Status != status || (got.Why != nil) != (want == workspace.RunUnknown) {
		t.Errorf("%s: %+v; want state %d %q", what, got, want, status)
	}
	return got
}
