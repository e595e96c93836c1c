package activities

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
)

const (
	// Of choose_hosts. It is a handful of calls to Temporal, and a run that has no answer
	// goes to any host.
	chooseTimeout = 5 * time.Second
	chooseWait    = 10 * time.Second

	// warmWait is how long a host that is preferred has to take an acquire_workspace. One
	// that is idle takes it at once; a busy one is left alone.
	warmWait = 2 * time.Second
)

// acquire gets a workspace on a host that has the target, or on any. Each round has one of
// a name of its own, so that it is fresh even on a host that was lost and is back.
func (s *stay) acquire(ctx workflow.Context, round int) (ws Workspace, err error) {
	run := cmp.Or(s.opts.Run, workflow.GetInfo(ctx).WorkflowExecution.RunID)
	if round > 1 {
		run = fmt.Sprintf("%s-%d", run, round)
	}
	args := []any{s.opts.Target, run, string(s.opts.Mode)}
	base := workflow.ActivityOptions{
		StartToCloseTimeout: cmp.Or(s.opts.Timeout, acquireTimeout),
		HeartbeatTimeout:    acquireBeat,
		WaitForCancellation: true, // one that came too late has made a workspace to clean up
	}
	on := func(queue string, wait time.Duration, final ...string) workflow.Context {
		o := base
		o.TaskQueue, o.ScheduleToStartTimeout = queue, wait
		o.RetryPolicy = &temporal.RetryPolicy{MaximumAttempts: cmp.Or(s.opts.Attempts, acquireAttempts), NonRetryableErrorTypes: final}
		return workflow.WithActivityOptions(ctx, o)
	}
	ended := func(error) {}
	if s.opts.Observe != nil {
		ended = s.opts.Observe(ctx, AcquireWorkspaceName)
	}
	for _, queue := range s.choose(ctx, args) {
		err = workflow.ExecuteActivity(on(queue, warmWait, string(cordon.NoSpace)), AcquireWorkspaceName, args...).Get(ctx, &ws)
		if err == nil || ctx.Err() != nil || isFinal(err) {
			ended(err)
			return ws, err
		}
		workflow.GetLogger(ctx).Info("the host that has the target does not take the run; another one may", "queue", queue, "error", err)
	}
	err = workflow.ExecuteActivity(on(s.storage, 0), AcquireWorkspaceName, args...).Get(ctx, &ws)
	ended(err)
	return ws, err
}

// choose returns the queues of the hosts on which the run is best placed, but for those
// that it has lost.
func (s *stay) choose(ctx workflow.Context, args []any) (queues []string) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              s.storage,
		StartToCloseTimeout:    chooseTimeout,
		ScheduleToCloseTimeout: chooseWait,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	if err := workflow.ExecuteActivity(ctx, ChooseHostsName, args...).Get(ctx, &queues); err != nil {
		return nil // acquire_workspace says what is wrong
	}
	return slices.DeleteFunc(queues, func(q string) bool {
		return slices.ContainsFunc(s.lost, func(ws Workspace) bool { return ws.TaskQueue == q })
	})
}

// isFinal reports whether an acquire_workspace would fail on any host.
func isFinal(err error) bool {
	var app *temporal.ApplicationError
	return errors.As(err, &app) && app.NonRetryable()
}
