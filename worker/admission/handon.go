package admission

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	activitypb "go.temporal.io/api/activity/v1"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/cordonlabs/cordon"
)

const (
	// atOnce is after what time a tool that is handed on may begin elsewhere: none, but 0
	// would be the retry policy's.
	atOnce = 10 * time.Millisecond
	// comeAgain is after what time it may that a worker has just refused on the queue of
	// those that wait: it asked for one with less need, or one more than it can have now.
	comeAgain = 2 * time.Second

	// askTimeout bounds a call; it is a fraction of what a stopping worker has.
	askTimeout = 2 * time.Second
)

// waitingSuffix makes of a queue that of its tools that wait.
const waitingSuffix = "-waiting"

// WaitingQueue is where the tools of a queue wait for a slot; that of such a one is
// itself.
func WaitingQueue(queue string) string {
	return QueueOf(queue) + waitingSuffix
}

// QueueOf is the queue whose tools wait on a queue; itself, where that is no such one.
func QueueOf(queue string) string { return strings.TrimSuffix(queue, waitingSuffix) }

// handOn gives an activity back to the server for whoever has room first, and returns
// the error that this attempt has to end with; nil where the server cannot have it back.
func (a *Admission) handOn(ctx context.Context, info activity.Info, why string) error {
	if a.isUnable() || info.WorkflowExecution.ID == "" {
		return nil
	}
	queue, delay := WaitingQueue(info.TaskQueue), atOnce
	if queue == info.TaskQueue {
		delay = comeAgain
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := a.uncount(ctx, info, queue); err != nil {
		a.unable(err)
		return nil
	}
	a.mu.Lock()
	a.handedOn++
	a.mu.Unlock()
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf("%s was handed on to %s: %s", info.ActivityType.Name, queue, why), string(cordon.Busy),
		temporal.ApplicationErrorOptions{NextRetryDelay: delay, Category: temporal.ApplicationErrorCategoryBenign})
}

// uncount gives an activity that is under way one attempt more, where their number is
// bounded, and makes queue that of its next one. The server says how many it may have: its
// task's policy does not show what other workers gave it.
func (a *Admission) uncount(ctx context.Context, info activity.Info, queue string) error {
	moved, err := a.update(ctx, info, &activitypb.ActivityOptions{TaskQueue: &taskqueuepb.TaskQueue{Name: queue}}, "task_queue.name")
	if err != nil {
		return err
	}
	most := moved.GetRetryPolicy().GetMaximumAttempts()
	if most == 0 {
		return nil
	}
	_, err = a.update(ctx, info, &activitypb.ActivityOptions{RetryPolicy: &commonpb.RetryPolicy{MaximumAttempts: most + 1}}, "retry_policy.maximum_attempts")
	return err
}

func (a *Admission) update(ctx context.Context, info activity.Info, to *activitypb.ActivityOptions, field string) (*activitypb.ActivityOptions, error) {
	r, err := a.opts.Service().UpdateActivityOptions(ctx, &workflowservice.UpdateActivityOptionsRequest{
		Namespace: info.Namespace, Identity: a.opts.Identity,
		Execution:       &commonpb.WorkflowExecution{WorkflowId: info.WorkflowExecution.ID, RunId: info.WorkflowExecution.RunID},
		Activity:        &workflowservice.UpdateActivityOptionsRequest_Id{Id: info.ActivityID},
		ActivityOptions: to, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{field}},
	})
	return r.GetActivityOptions(), err
}

// unable notes an error of the server's that it would answer the next time too.
func (a *Admission) unable(err error) {
	var unknown *serviceerror.Unimplemented
	var denied *serviceerror.PermissionDenied
	if !errors.As(err, &unknown) && !errors.As(err, &denied) {
		a.opts.Logger.Debug("an activity could not be handed on", "error", err)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.cannot {
		a.opts.Logger.Warn("this server takes no tool back: those beyond the slots wait in the worker, and an activity that its stop interrupts has an attempt less",
			"error", err, "fix", "use Temporal 1.28 or newer, and credentials that may write to the namespace")
	}
	a.cannot = true
}

func (a *Admission) isUnable() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cannot
}
