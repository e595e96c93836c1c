package pollers_test

import (
	"context"
	"net"
	"slices"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cordonlabs/cordon/internal/pollers"
)

// frontend has a queue "q" of two partitions, each with a poller for activities; it
// describes a partition unless it is refused.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	refused string
}

const second = "/_sys/q/1"

func (f *frontend) ListTaskQueuePartitions(context.Context, *workflowservice.ListTaskQueuePartitionsRequest) (*workflowservice.ListTaskQueuePartitionsResponse, error) {
	return &workflowservice.ListTaskQueuePartitionsResponse{ActivityTaskQueuePartitions: []*taskqueuepb.TaskQueuePartitionMetadata{{Key: "q"}, {Key: second}}}, nil
}

func (f *frontend) DescribeTaskQueue(_ context.Context, r *workflowservice.DescribeTaskQueueRequest) (*workflowservice.DescribeTaskQueueResponse, error) {
	name := r.GetTaskQueue().GetName()
	switch {
	case name == f.refused:
		return nil, status.Error(codes.InvalidArgument, "no such queue")
	case r.GetTaskQueueType() == enumspb.TASK_QUEUE_TYPE_WORKFLOW:
		return &workflowservice.DescribeTaskQueueResponse{}, nil
	}
	return &workflowservice.DescribeTaskQueueResponse{Pollers: []*taskqueuepb.PollerInfo{{Identity: "of " + name}}}, nil
}

func TestListLooksAtEveryPartitionThatTheServerTellsOf(t *testing.T) {
	for refused, want := range map[string][]string{"": {"of " + second, "of q"}, second: {"of q"}, "q": nil} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer()
		workflowservice.RegisterWorkflowServiceServer(server, &frontend{refused: refused})
		go func() { _ = server.Serve(l) }() // it ends with the test
		t.Cleanup(server.Stop)
		c, err := client.NewLazyClient(client.Options{HostPort: l.Addr().String()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		list, err := pollers.List(t.Context(), c, "default", "q")
		var got []string
		for _, p := range list {
			if p.Activities && !p.Workflows {
				got = append(got, p.Identity)
			}
		}
		if !slices.Equal(got, want) || (err != nil) != (want == nil) {
			t.Errorf("%q is refused: got %q (%v), want %q", refused, got, err, want)
		}
	}
}
