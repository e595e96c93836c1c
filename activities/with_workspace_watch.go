package activities

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
)

const (
	// watchBeat is how soon after its last heartbeat a watch counts as dead. A host that
	// swaps, or a server that is restarted, may lose some of them; then the next attempt
	// finds the host well.
	watchBeat = 20 * time.Second
	// watchTime is longer than a run lasts.
	watchTime = 365 * 24 * time.Hour

	// A look at a workspace takes a moment. A frozen host may be handed some, of which
	// nobody hears again.
	probeTimeout  = 10 * time.Second
	probeAttempts = 5
)

// watch begins to watch ws. lost is called, at most once, when it is lost; no more after
// unwatch.
func (s *stay) watch(ctx workflow.Context, ws Workspace, lost func(error)) (unwatch func()) {
	if ws.WatchQueue == "" {
		return func() {}
	}
	watching, cancel := workflow.WithCancel(ctx)
	over := false
	workflow.Go(watching, func(ctx workflow.Context) {
		err := workflow.ExecuteActivity(s.watchContext(ctx, ws, watchTime, 0), WatchWorkspaceName, ws.Path).Get(ctx, nil)
		switch {
		case over || ctx.Err() != nil:
		case isLost(err), isTimeout(err, enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START):
			lost(err)
		default:
			workflow.GetLogger(ctx).Warn("the workspace is not watched any more: if its host is lost the run does not notice", "path", ws.Path, "error", err)
		}
	})
	return func() {
		over = true
		cancel()
	}
}

// probe asks the host of ws whether it is there, and returns why ws is lost, if it is.
func (s *stay) probe(ctx workflow.Context, ws Workspace) error {
	err := workflow.ExecuteActivity(s.watchContext(ctx, ws, probeTimeout, probeAttempts), WatchWorkspaceName, ws.Path, true).Get(ctx, nil)
	var timeout *temporal.TimeoutError
	if isLost(err) || errors.As(err, &timeout) {
		return err
	}
	return nil
}

func (s *stay) watchContext(ctx workflow.Context, ws Workspace, timeout time.Duration, attempts int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ws.WatchQueue,
		ScheduleToStartTimeout: s.hostWait(ws),
		StartToCloseTimeout:    timeout,
		HeartbeatTimeout:       watchBeat,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 1, MaximumAttempts: attempts, NonRetryableErrorTypes: []string{string(cordon.WorkspaceLost)},
		},
	})
}

// isTimeout reports whether err is a timeout of this type.
func isTimeout(err error, of enumspb.TimeoutType) bool {
	var timeout *temporal.TimeoutError
	return errors.As(err, &timeout) && timeout.TimeoutType() == of
}
