package activities

import (
	"context"
	"errors"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
)

// standing is what Temporal thinks of an attempt of an activity.
type standing int

const (
	current   standing = iota // its run waits for it
	cancelled                 // its run has cancelled it, and waits for it
	overtaken                 // its run goes on without it
	closed                    // its run is over
)

// standing asks Temporal about the attempt described by info. One that nobody can be asked
// about is current.
func (r *runs) standing(ctx context.Context, info activity.Info) (standing, error) {
	if r.client == nil || info.WorkflowExecution.ID == "" {
		return current, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	d, err := r.client.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: info.Namespace,
		Execution: &commonpb.WorkflowExecution{WorkflowId: info.WorkflowExecution.ID, RunId: info.WorkflowExecution.RunID},
	})
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return closed, nil
	}
	if err != nil {
		return current, err
	}
	if d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return closed, nil
	}
	for _, p := range d.GetPendingActivities() {
		if p.GetActivityId() != info.ActivityID {
			continue
		}
		if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED {
			return cancelled, nil
		}
		if p.GetAttempt() == info.Attempt && p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
			return current, nil
		}
	}
	return overtaken, nil
}

// unwanted reports why the attempt described by info is no longer wanted:
// context.Canceled if its run is closed or has cancelled it, errOvertaken if
// the run goes on without it. It returns nil where it is wanted, and where the
// server cannot be asked.
func (r *runs) unwanted(ctx context.Context, info activity.Info) error {
	s, err := r.standing(ctx, info)
	switch {
	case err != nil:
		return nil // asked again later, or the attempt's deadline ends it
	case s == overtaken:
		return errOvertaken
	case s != current:
		return context.Canceled
	}
	return nil
}

// confirm returns when Temporal has said that the attempt described by info still counts, or
// with the reason why it does not. Whoever stores something under a name that is the run's
// asks first: a host that was cut off works on while another one does the same for the run,
// and must not put its own in the place of what that has stored. As long as Temporal does not
// answer nobody knows, and the result could not be handed over either: it is waited for until
// ctx is done.
func (r *runs) confirm(ctx context.Context, info activity.Info) error {
	for told := false; ; told = true {
		s, err := r.standing(ctx, info)
		switch {
		case err == nil && s == overtaken:
			return errOvertaken
		case err == nil && s == closed:
			return context.Canceled
		case err == nil, !isAway(err): // one that refuses to say will not say later either
			return nil
		}
		if !told {
			r.log.Warn("what was made waits to be stored until Temporal says that it still counts", "activity", info.ActivityType.Name,
				"workflow_id", info.WorkflowExecution.ID, "run_id", info.WorkflowExecution.RunID, "attempt", info.Attempt, "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(recheckInterval):
		}
	}
}

// isAway reports whether err says that the server did not answer, or cannot now.
func isAway(err error) bool {
	var (
		away *serviceerror.Unavailable
		late *serviceerror.DeadlineExceeded
		busy *serviceerror.ResourceExhausted
	)
	return errors.As(err, &away) || errors.As(err, &late) || errors.As(err, &busy) || errors.Is(err, context.DeadlineExceeded)
}
