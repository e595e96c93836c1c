package activities

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/workspace"
)

var watchSignature = arguments.Signature{
	Op:    WatchWorkspaceName,
	Names: []string{"target_path", "once"},
	Usage: "call it with target_path (string), once (boolean, default false), on the watch_queue that acquire_workspace returned",
}

const (
	// watchEvery is how often a watch looks whether its workspace is there.
	watchEvery = 5 * time.Second
	// watchPatience is how long a workspace may be away before it counts as lost: a
	// worker that has just come mounts what its host had.
	watchPatience = 5 * time.Second

	// MaxWatches is how many watches a worker's watch queue is given slots for, as
	// worker.Options.MaxConcurrentActivityExecutionSize: far more than a host has room
	// for workspaces. A watch is two goroutines that sleep.
	MaxWatches = 10_000
	// MaxWatchThrottle is the same queue's worker.Options.MaxHeartbeatThrottleInterval.
	// Workflows notice a dead host watchBeat after its last heartbeat.
	MaxWatchThrottle = watchBeat / 3
)

// WatchQueue names the task queue on which one host's workspaces are watched, among all
// that poll queue. It has slots of its own, so that a host that works to capacity answers.
func WatchQueue(queue, host string) string {
	if queue == "" {
		return ""
	}
	return HostQueue(queue, host) + watchSuffix
}

// IsWatchQueue reports whether a task queue is one of those.
func IsWatchQueue(queue string) bool { return strings.HasSuffix(queue, watchSuffix) }

const watchSuffix = ".watch"

// RegisterWatch registers what a worker does on its watch queue.
func (a *Activities) RegisterWatch(r worker.ActivityRegistry) {
	register(r, WatchWorkspaceName, a.WatchWorkspace)
}

// WatchWorkspace is watch_workspace: it heartbeats for as long as the workspace at a path
// is on this host, until it is cancelled; with once it returns when it has looked. A
// workflow that waits for it learns when the host is gone, by a timeout, whatever else it
// waits for. The error for a workspace that is not here is WorkspaceLost.
func (a *Activities) WatchWorkspace(ctx context.Context, targetPath, once converter.RawValue) (converter.RawValue, error) {
	life, end := a.runs.begin(ctx)
	defer end()
	_, stop := heartbeat(life)
	defer stop()
	err := a.watchWorkspace(life, activity.GetInfo(ctx), targetPath, once)
	return null, failure(life, WatchWorkspaceName, err)
}

func (a *Activities) watchWorkspace(ctx context.Context, info activity.Info, targetPath, once converter.RawValue) error {
	args, err := arguments.Decode(watchSignature, targetPath, once)
	if err != nil {
		return err
	}
	path, err1 := args.Text("target_path")
	look, err2 := args.Bool("once", false)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	by := workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, info).owner}
	away := time.Time{} // since when; zero: it is there
	for {
		err := a.there(ctx, path, by)
		wait := watchEvery
		switch {
		case err == nil && look:
			return nil
		case err == nil:
			away = time.Time{}
		case !errors.Is(err, errNotHere):
			return err
		case away.IsZero():
			away, wait = time.Now(), watchPatience/10
		case time.Since(away) >= watchPatience:
			return lostError(WatchWorkspaceName, path, "it is not on the host "+a.cache.HostID()+" any more")
		default:
			wait = watchPatience / 10
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait):
		}
	}
}

// errNotHere is that a workspace is not on this host.
var errNotHere = errors.New("the workspace is not on this host")

// there returns errNotHere where nobody holds anything at path, and whatever else keeps
// it from being found out.
func (a *Activities) there(ctx context.Context, path string, by workspace.Caller) error {
	if _, err := os.Lstat(path); err != nil {
		return errNotHere
	}
	lease, err := a.cache.Use(ctx, path, by)
	switch {
	case err == nil:
		lease.Release()
		return nil
	case cordon.KindOf(err) == cordon.TargetNotFound:
		return errNotHere
	case cordon.KindOf(err) == cordon.Busy:
		return nil // somebody makes or removes it, and is asked again
	}
	return err
}

// lostError is a WorkspaceLost.
func lostError(op, path, why string) error {
	return &cordon.Error{Kind: cordon.WorkspaceLost, Op: op, Name: path, Err: errors.New("the workspace is lost: " + why),
		Fix: "begin the run's step again with a fresh workspace, as WithWorkspace and the helpers of the SDKs do by themselves; with get_target, call acquire_workspace in its place and schedule the run's steps on the task_queue that it names"}
}
