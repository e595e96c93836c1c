package activities

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
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

	// HostWait is how long a run waits for a worker of its workspace's host to come back
	// before the host counts as gone, and the cleanup before any other may try; 0: what
	// the host's workers are set to (WORKER_HOST_WAIT), or a minute.
	HostWait time.Duration
	// Hosts is how many hosts may be tried, one after the other is lost; 0: five.
	Hosts int

	// Observe is told of each activity that WithWorkspace itself calls and waits for, by
	// its name; what it returns is told how that ended. nil: nobody is.
	Observe func(ctx workflow.Context, activity string) (ended func(error)) `json:"-"`
	// Kept is told where the workspace of a run that failed stays, and until when, if it
	// does (CONTRACT §8.12); nil: the log alone is.
	Kept func(where string) `json:"-"`
	// Lost is told of a host that was lost, before the next one is asked; nil: the log
	// alone is.
	Lost func(Workspace, error) `json:"-"`
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

	// maxHosts is how many hosts a run may lose less one: more than a rolling restart
	// takes away from one run that meets each of its workers.
	maxHosts = 5
)

// WithWorkspace acquires a workspace, calls fn, and cleans up, however fn ends: when
// it succeeds, when it fails, and when the workflow is cancelled. It is workflow code
// and deterministic.
//
// The context that fn gets has the queue of the workspace's host as its task queue, so
// that activities find the path; their options are fn's to set. They need no
// ScheduleToStartTimeout: a host that is busy is waited for, and one that is gone is
// noticed. Give them a HeartbeatTimeout, or one that has begun on a host which dies is
// waited for as long as it may take, and WaitForCancellation, or the workspace may go
// under an activity that is still stopping.
//
// If the host is gone, and does not come back within HostWait, or the workspace is
// lost in another way (WorkspaceLost), then fn's context is cancelled and, once it has
// returned, a workspace of another name is acquired, wherever one is to be had, and fn is
// called again, from its beginning. So fn keeps nothing from one call to the next but
// what it means to. That it fails by a timeout of an activity's while the host is there
// is fn's own failure.
//
// The error is acquire_workspace's, or else fn's, or a WorkspaceLost after Hosts hosts. A
// cleanup that failed is none: what it left goes at a sweep after the run has closed. If
// fn fails, the calling workflow's metadata may keep the workspace (keep_on_failure).
func WithWorkspace(ctx workflow.Context, opts WorkspaceOptions, fn func(workflow.Context, Workspace) error) error {
	s := stay{opts: opts, storage: cmp.Or(opts.StorageQueue, workflow.GetActivityOptions(ctx).TaskQueue)}
	hosts := cmp.Or(opts.Hosts, maxHosts)
	for round := 1; ; round++ {
		ws, err := s.acquire(ctx, round)
		if err != nil {
			s.cleanupLost(ctx)
			return err
		}
		err, lost := s.round(ctx, ws, fn)
		// Nothing of this is deferred: a worker that puts a workflow aside runs what is deferred.
		if lost == nil || err == nil || ctx.Err() != nil || workflow.IsContinueAsNewError(err) {
			failed := err != nil && !temporal.IsCanceledError(err) && !workflow.IsContinueAsNewError(err)
			s.cleanup(ctx, ws, lost != nil, failed)
			return err
		}
		workflow.GetLogger(ctx).Warn("the workspace is lost; the run's step begins again elsewhere", "path", ws.Path, "lost_host", ws.Host, "error", lost)
		s.lost = append(s.lost, ws)
		if opts.Lost != nil {
			opts.Lost(ws, lost)
		}
		if round == hosts {
			s.cleanupLost(ctx)
			return temporal.NewApplicationErrorWithOptions(fmt.Sprintf("the run lost its workspace on %d hosts, one after the other, the last time for: %s", hosts, reasonOf(lost)),
				string(cordon.WorkspaceLost), temporal.ApplicationErrorOptions{NonRetryable: true, Cause: err})
		}
	}
}

// stay is one WithWorkspace.
type stay struct {
	opts    WorkspaceOptions
	storage string      // the queue of the storage activities
	lost    []Workspace // those whose hosts were lost
}

// round calls fn at ws. lost says why the workspace is, if it is; then fn is over all
// the same.
func (s *stay) round(ctx workflow.Context, ws Workspace, fn func(workflow.Context, Workspace) error) (err, lost error) {
	inside, leave := workflow.WithCancel(ctx)
	if s.opts.StorageQueue == "" && ws.TaskQueue != "" {
		inside = workflow.WithTaskQueue(inside, ws.TaskQueue)
	}
	unwatch := s.watch(ctx, ws, func(why error) {
		lost = why
		leave()
	})
	err = fn(inside, ws)
	if err != nil && lost == nil && ctx.Err() == nil {
		lost = s.whyLost(ctx, ws, err)
	}
	unwatch()
	leave()
	return err, lost
}

// whyLost returns err where fn failed because its workspace is lost. What looks like any
// timeout may be that of a host of which nobody has noticed yet that it is gone.
func (s *stay) whyLost(ctx workflow.Context, ws Workspace, err error) error {
	var timeout *temporal.TimeoutError
	switch {
	case isLost(err):
		return err
	case !errors.As(err, &timeout):
		return nil
	case ws.WatchQueue == "" && timeout.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START:
		return err // nobody can be asked
	case ws.WatchQueue == "":
		return nil
	}
	return s.probe(ctx, ws)
}

// isLost reports whether a WorkspaceLost is in err's chain.
func isLost(err error) bool {
	for app := (*temporal.ApplicationError)(nil); errors.As(err, &app); err = app.Unwrap() {
		if app.Type() == string(cordon.WorkspaceLost) {
			return true
		}
	}
	return false
}

// reasonOf is what went wrong, without Temporal's own frame.
func reasonOf(err error) string {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &app):
		return app.Message()
	case errors.As(err, &timeout):
		return "its host did not answer (" + timeout.TimeoutType().String() + ")"
	}
	return err.Error()
}

// hostWait is how long the workers of ws's host are waited for.
func (s *stay) hostWait(ws Workspace) time.Duration {
	return cmp.Or(s.opts.HostWait, time.Duration(ws.HostWait*float64(time.Second)), hostWait)
}

// observed calls an activity that Observe is told of.
func (s *stay) observed(ctx workflow.Context, into any, name string, args ...any) error {
	ended := func(error) {}
	if s.opts.Observe != nil {
		ended = s.opts.Observe(ctx, name)
	}
	err := workflow.ExecuteActivity(ctx, name, args...).Get(ctx, into)
	ended(err)
	return err
}
