package activities

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
)

// WorkspaceOptions say which workspace WithWorkspace acquires, and how. Target alone
// is enough.
type WorkspaceOptions struct {
	Target string      // its id
	Run    string      // ""; the calling run's id
	Mode   cordon.Mode // ""; what CONTRACT §2 says without it

	// StorageQueue is where the storage activities are; "" is the context's own task
	// queue. Set it to {vertical}-storage where Cordon's worker serves storage alone:
	// the host's queue has no tools then, and those of the function stay where the
	// context has them.
	StorageQueue string

	Timeout  time.Duration // of one attempt to acquire; 0: five minutes
	Attempts int32         // to acquire; 0: three

	// HostWait is how long the cleanup waits for a worker of the workspace's host
	// before any other may try; 0: a minute.
	HostWait time.Duration
}

const (
	acquireTimeout  = 5 * time.Minute // what callers in other languages give (CONTRACT §1.6)
	acquireAttempts = 3
	acquireBeat     = 30 * time.Second // a dead worker is noticed by then

	cleanupTimeout  = time.Minute
	cleanupAttempts = 3
	hostWait        = time.Minute

	// cleanupWait bounds the wait for any worker at all. Whoever is not there by then
	// finds the workspace of a closed run at its next sweep.
	cleanupWait = 10 * time.Minute
)

// WithWorkspace acquires a workspace, calls fn, and cleans up, however fn ends: when
// it succeeds, when it fails, and when the workflow is cancelled. It is workflow code
// and deterministic.
//
// The context that fn gets has the queue of the workspace's host as its task queue, so
// that activities find the path; their options are fn's to set. Give them a
// ScheduleToStartTimeout, or they wait for a host that is lost, and WaitForCancellation,
// or the workspace may go under an activity that is still stopping.
//
// The error is acquire_workspace's, or else fn's. A cleanup that failed is none: what it
// left goes at a sweep after the run has closed. If fn fails, the calling workflow's
// metadata may keep the workspace (keep_on_failure).
func WithWorkspace(ctx workflow.Context, opts WorkspaceOptions, fn func(workflow.Context, Workspace) error) error {
	storage := cmp.Or(opts.StorageQueue, workflow.GetActivityOptions(ctx).TaskQueue)
	ws, err := acquire(ctx, storage, opts)
	if err != nil {
		return err
	}
	inside := ctx
	if opts.StorageQueue == "" {
		inside = workflow.WithTaskQueue(ctx, ws.TaskQueue)
	}
	err = fn(inside, ws)
	// Not deferred: a worker that puts a workflow aside runs what is deferred.
	failed := err != nil && !temporal.IsCanceledError(err) && !workflow.IsContinueAsNewError(err)
	ws.cleanup(ctx, storage, cmp.Or(opts.HostWait, hostWait), failed)
	return err
}

func acquire(ctx workflow.Context, queue string, opts WorkspaceOptions) (ws Workspace, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           queue,
		StartToCloseTimeout: cmp.Or(opts.Timeout, acquireTimeout),
		HeartbeatTimeout:    acquireBeat,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: cmp.Or(opts.Attempts, acquireAttempts)},
		WaitForCancellation: true, // one that came too late has made a workspace to clean up
	})
	run := cmp.Or(opts.Run, workflow.GetInfo(ctx).WorkflowExecution.RunID)
	err = workflow.ExecuteActivity(ctx, AcquireWorkspaceName, opts.Target, run, string(opts.Mode)).Get(ctx, &ws)
	return ws, err
}

// cleanup ends the run's claim on the workspace, on its host if that is there.
func (ws Workspace) cleanup(ctx workflow.Context, storage string, wait time.Duration, failed bool) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	log := workflow.GetLogger(ctx)
	args := []any{ws.Path}
	if failed {
		args = append(args, nil, true)
	}
	for _, try := range []struct {
		queue string
		wait  time.Duration
	}{{ws.TaskQueue, wait}, {storage, cleanupWait}} {
		ctx := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue:              try.queue,
			ScheduleToStartTimeout: try.wait,
			StartToCloseTimeout:    cleanupTimeout,
			RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: cleanupAttempts},
		})
		var kept *string
		err := workflow.ExecuteActivity(ctx, CleanupCacheName, args...).Get(ctx, &kept)
		if err == nil {
			if kept != nil {
				log.Info("the workspace stays, because the run failed", "path", *kept)
			}
			return
		}
		log.Warn("cleanup_cache did not run", "path", ws.Path, "queue", try.queue, "error", err)
	}
}
