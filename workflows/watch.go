package workflows

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/workflows/flow"
)

// Progress is how far a run of a built-in workflow is.
type Progress = flow.Progress

// ProgressQuery is the query that a built-in workflow answers with a Progress.
const ProgressQuery = flow.ProgressQuery

// queryTimeout bounds the question to the run itself, which only a worker can
// answer: if all are busy or gone, what the server knows must do.
const queryTimeout = 2 * time.Second

// Watch asks how far a run is: the step from the run itself, and what the step
// is doing from its last heartbeat. Either may be missing from the answer; the
// error is one of asking the server. Two calls a second are plenty.
func Watch(ctx context.Context, c client.Client, workflowID, runID string) (Progress, error) {
	var p Progress
	d, err := c.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return p, err
	}
	asking, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if answer, err := c.QueryWorkflow(asking, workflowID, runID, ProgressQuery); err == nil {
		// An answer that cannot be read is one of another version: none.
		_ = answer.Get(&p)
	}
	for _, pending := range d.GetPendingActivities() {
		name := pending.GetActivityType().GetName()
		if p.Step != "" && p.Step != name {
			continue
		}
		if p.Step == "" && p.Index == 0 {
			p.Step, p.Started = name, pending.GetLastStartedTime().AsTime()
		}
		var beat activities.Progress
		if converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat) == nil {
			p.Done, p.Total, p.Unit, p.Detail = beat.Done, beat.Total, beat.Unit, beat.Stage
		}
	}
	return p, nil
}
