package liveness

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cordonlabs/cordon/workspace"
)

// words are the closed statuses, for people.
var words = map[enumspb.WorkflowExecutionStatus]string{
	enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:        "completed",
	enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:           "failed",
	enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:         "cancelled",
	enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:       "terminated",
	enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:        "timed out",
	enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: "continued as new",
}

// fate asks about one run. The server's answer is strongly consistent.
//
//	the run itself      the newest run of its workflow id        fate
//	open                                                         open
//	reset                                                        as the run that it was reset to
//	closed                                                       closed: a retry or a cron schedule begins another run
//	continued as new    open, of its chain                       open: the run goes on in it
//	                    closed, of its chain                     closed, as that one
//	                    none, or of another chain                closed, nobody knows when
//	not found           open, of its chain                       open: which of the chain's runs continued as new is not kept as long
//	                    closed, of its chain                     closed, as that one
//	                    none, or of another chain                closed: not found
//
// A run that was reset goes on as another one, with what the first had done
// before: that has the paths of the first one's workspaces, and asks for none of its own.
//
// A status that is not known to be closed is open: paused, for one, and what
// later versions of Temporal may add.
func (n namespace) fate(ctx context.Context, o workspace.Owner) workspace.Fate {
	own, err := n.settled(ctx, o)
	switch {
	case err != nil:
		return workspace.Fate{Why: err}
	case own != nil && isOpen(own):
		return workspace.Fate{State: workspace.RunOpen}
	case own != nil && own.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return closed(own)
	}
	newest, err := n.describe(ctx, o.WorkflowID, "")
	switch {
	case err != nil:
		return workspace.Fate{Why: err}
	case newest != nil && ofChain(newest, o) && isOpen(newest):
		return workspace.Fate{State: workspace.RunOpen}
	case newest != nil && ofChain(newest, o):
		return closed(newest)
	case own != nil:
		return workspace.Fate{State: workspace.RunClosed, Status: words[own.GetStatus()]}
	}
	return workspace.Fate{State: workspace.RunClosed, Status: "not found"}
}

// maxResets is how many resets of resets are followed: more than anybody makes.
const maxResets = 32

// settled returns what the server knows of o's run, or of the one that it was reset
// to; nil where it knows none. Of a reset run that is itself forgotten the
// one before it tells.
func (n namespace) settled(ctx context.Context, o workspace.Owner) (*workflowpb.WorkflowExecutionInfo, error) {
	last, next, err := n.look(ctx, o.WorkflowID, o.RunID)
	for steps := 0; err == nil && last != nil && next != ""; steps++ {
		if steps == maxResets {
			return nil, fmt.Errorf("workflow %q was reset more than %d times since", o.WorkflowID, maxResets)
		}
		var info *workflowpb.WorkflowExecutionInfo
		if info, next, err = n.look(ctx, o.WorkflowID, next); info == nil {
			break
		}
		last = info
	}
	return last, err
}

// describe returns what the server knows of a run, or of the newest one of a
// workflow id; nil where it knows none.
func (n namespace) describe(ctx context.Context, workflowID, runID string) (*workflowpb.WorkflowExecutionInfo, error) {
	info, _, err := n.look(ctx, workflowID, runID)
	return info, err
}

// look is describe, and returns the run too that it was reset to, or "".
func (n namespace) look(ctx context.Context, workflowID, runID string) (info *workflowpb.WorkflowExecutionInfo, resetTo string, err error) {
	answer, err := call(ctx, n.service.DescribeWorkflowExecution, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: n.name, Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
	})
	var missing *serviceerror.NotFound // and not NamespaceNotFound, which is a type of its own
	switch {
	case errors.As(err, &missing):
		return nil, "", nil
	case err != nil:
		return nil, "", fmt.Errorf("ask Temporal about workflow %q: %w", workflowID, err)
	}
	return answer.GetWorkflowExecutionInfo(), answer.GetWorkflowExtendedInfo().GetResetRunId(), nil
}

func isOpen(info *workflowpb.WorkflowExecutionInfo) bool {
	_, over := words[info.GetStatus()]
	return !over
}

// ofChain reports whether a run is of the chain that o's run is of. Where a server
// does not tell chains apart it counts as one: it keeps things longer.
func ofChain(info *workflowpb.WorkflowExecutionInfo, o workspace.Owner) bool {
	chain := o.FirstRunID
	if chain == "" {
		chain = o.RunID
	}
	return info.GetFirstRunId() == chain || info.GetFirstRunId() == ""
}

func closed(info *workflowpb.WorkflowExecutionInfo) workspace.Fate {
	status := info.GetStatus()
	var at time.Time
	if t := info.GetCloseTime(); t != nil {
		at = t.AsTime()
	}
	return workspace.Fate{
		State: workspace.RunClosed, Status: words[status], Closed: at,
		Failed: status == enumspb.WORKFLOW_EXECUTION_STATUS_FAILED || status == enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
	}
}
