package activities

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// lostWait is how long the cleanup of what is on a lost host waits for it: one that is
// back takes it at once, and the sweep of any other does it once the run is closed.
const lostWait = 2 * time.Second

// cleanup ends the run's claim on ws, on its host if that is there, and on what it had on
// hosts that were lost. Where ws is lost too it is one of those.
func (s *stay) cleanup(ctx workflow.Context, ws Workspace, lost, failed bool) {
	if lost {
		s.lost = append(s.lost, ws)
		s.cleanupLost(ctx)
		return
	}
	swept := s.beginCleanupLost(ctx)
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	args := []any{ws.Path}
	if failed {
		args = append(args, nil, true)
	}
	for _, try := range []struct {
		queue string
		wait  time.Duration
	}{{ws.TaskQueue, s.hostWait(ws)}, {s.storage, cleanupWait}} {
		ctx := cleanupContext(ctx, try.queue, try.wait, cleanupAttempts)
		var kept *string
		if err := s.observed(ctx, &kept, CleanupCacheName, args...); err != nil {
			workflow.GetLogger(ctx).Warn("cleanup_cache did not run", "path", ws.Path, "queue", try.queue, "error", err)
			continue
		}
		if kept != nil {
			workflow.GetLogger(ctx).Info("the workspace stays, because the run failed", "path", *kept)
			if s.opts.Kept != nil {
				s.opts.Kept(*kept)
			}
		}
		break
	}
	swept()
	cancel()
}

// cleanupLost ends the run's claims on hosts that were lost, those that are back.
func (s *stay) cleanupLost(ctx workflow.Context) { s.beginCleanupLost(ctx)() }

// beginCleanupLost is cleanupLost, to wait for later. It is asked of the hosts themselves
// alone: another one may have a workspace of the run under the same path.
func (s *stay) beginCleanupLost(ctx workflow.Context) (wait func()) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	var all []workflow.Future
	for _, ws := range s.lost {
		all = append(all, workflow.ExecuteActivity(cleanupContext(ctx, ws.TaskQueue, lostWait, 1), CleanupCacheName, ws.Path))
	}
	return func() {
		for _, f := range all {
			_ = f.Get(ctx, nil) // the sweep of that host does it
		}
		cancel()
	}
}

func cleanupContext(ctx workflow.Context, queue string, wait time.Duration, attempts int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		ScheduleToStartTimeout: wait,
		StartToCloseTimeout:    cleanupTimeout,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: attempts},
	})
}
