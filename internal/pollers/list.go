package pollers

import (
	"cmp"
	"context"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Poller is a worker that polls a queue, or did so within the last minutes: Temporal
// forgets one that is gone after five, and some servers one that says goodbye at once.
type Poller struct {
	Identity   string
	Activities bool // it asks for those
	Workflows  bool
	LastSeen   time.Time // when it asked last, by the server's clock
}

// Fresh is how long ago a worker may have asked last that is there: who has nothing to
// do asks every minute. One that works to capacity does not ask at all.
const Fresh = 2 * time.Minute

// List returns who polls a queue, sorted by identity.
func List(ctx context.Context, c client.Client, namespace, queue string) ([]Poller, error) {
	service := c.WorkflowService()
	// A worker polls some of a queue's partitions at a time, and others a little later. A
	// server that does not tell them, or of them, still answers for the first.
	byActivities, byWorkflows := []string{queue}, []string{queue}
	parts, err := service.ListTaskQueuePartitions(ctx, &workflowservice.ListTaskQueuePartitionsRequest{
		Namespace: namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
	})
	if err == nil {
		byActivities = append(byActivities, keys(parts.GetActivityTaskQueuePartitions())...)
		byWorkflows = append(byWorkflows, keys(parts.GetWorkflowTaskQueuePartitions())...)
	}
	found := map[string]Poller{}
	for _, of := range []struct {
		kind       enumspb.TaskQueueType
		partitions []string
		mark       func(*Poller)
	}{
		{enumspb.TASK_QUEUE_TYPE_ACTIVITY, byActivities, func(p *Poller) { p.Activities = true }},
		{enumspb.TASK_QUEUE_TYPE_WORKFLOW, byWorkflows, func(p *Poller) { p.Workflows = true }},
	} {
		slices.Sort(of.partitions)
		for _, name := range slices.Compact(of.partitions) {
			d, err := service.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
				Namespace: namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}, TaskQueueType: of.kind,
			})
			if err != nil && name == queue {
				return nil, err
			}
			for _, p := range d.GetPollers() {
				poller := found[p.GetIdentity()]
				poller.Identity = p.GetIdentity()
				if at := p.GetLastAccessTime().AsTime(); at.After(poller.LastSeen) {
					poller.LastSeen = at
				}
				of.mark(&poller)
				found[poller.Identity] = poller
			}
		}
	}
	out := make([]Poller, 0, len(found))
	for _, p := range found {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Poller) int { return cmp.Compare(a.Identity, b.Identity) })
	return out, nil
}

func keys(partitions []*taskqueuepb.TaskQueuePartitionMetadata) (out []string) {
	for _, p := range partitions {
		out = append(out, p.GetKey())
	}
	return out
}
