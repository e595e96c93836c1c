package activities

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// use says what an activity is about to do with a workspace.
type use struct {
	op   string // the activity's name
	path string
	info activity.Info

	writes bool // it may write into the workspace
	// resumes says that another attempt goes on from what is in the store, and not from
	// what is in the workspace.
	resumes bool
}

// settle sees to it that the workspace is on this host, which need not be the one that
// made it: whoever calls get_target, and then tools on a queue that several hosts poll,
// meets any of them. It is made anew where nothing can be lost by that (CONTRACT §8.7),
// else the error is WorkspaceLost.
func (a *Activities) settle(ctx context.Context, u use) error {
	if a.runs.client == nil || u.info.WorkflowExecution.ID == "" {
		return nil
	}
	here, shared, err := a.has(ctx, u)
	// Who sends an activity to this host alone knows that its workspace is here.
	if sent := u.info.TaskQueue == HostQueue(u.info.TaskQueue, a.cache.HostID()); err != nil || here && (shared || sent) {
		return err
	}
	w, err := a.whereabouts(ctx, u.info, u.path)
	switch {
	case err != nil && here:
		a.callerOn(u.info, u.path).Warn("cannot read the run's history: if another host has a newer state of the workspace, nobody notices", "path", u.path, "error", err)
		return nil
	case err != nil:
		return &cordon.Error{Kind: cordon.StorageUnavailable, Op: u.op, Name: u.path,
			Err: fmt.Errorf("the workspace is not on this host, and Temporal does not say how it was made: %w", err), Fix: "see that Temporal is well; it is tried again"}
	case here:
		return a.current(u, w)
	}
	return a.rebuild(ctx, u, w, shared)
}

// has reports whether the calling run has a workspace at the path on this host, and
// whether its place is that of a shared tree.
func (a *Activities) has(ctx context.Context, u use) (here, shared bool, err error) {
	rel, err := filepath.Rel(a.cache.Dir(), u.path)
	if err != nil {
		return false, false, err
	}
	shared = strings.Count(rel, "/") == 1
	e, err := a.cache.Find(u.path)
	switch kind := cordon.KindOf(err); {
	case kind == cordon.TargetNotFound || kind == cordon.InvalidArgument:
		return false, shared, nil
	case err != nil:
		return false, shared, err
	}
	return a.holds(ctx, u.info, e), shared, nil
}

// current fails where the workspace was last written to on another host.
func (a *Activities) current(u use, w whereabouts) error {
	last := ""
	for _, host := range w.wrote {
		if host != "" {
			last = host
		}
	}
	if last != "" && last != a.cache.HostID() {
		return lostError(u.op, u.path, fmt.Sprintf("an activity of the run has written into it on the host %s, and this is the host %s", last, a.cache.HostID()))
	}
	return nil
}

// rebuild makes the run's workspace here, as the run has asked for it elsewhere.
func (a *Activities) rebuild(ctx context.Context, u use, w whereabouts, shared bool) error {
	switch {
	case !w.asked && (!shared || a.runs.of(ctx, u.info).parent.RunID == ""):
		return nil // it is another run's, or nobody's: whoever opens it says so
	case !w.asked: // a child works where its parent's path leads
		target, _, _ := strings.Cut(strings.TrimPrefix(u.path, a.cache.Dir()+"/"), "/")
		w.args = [3]converter.RawValue{rawText(target), rawText(""), rawText(string(cordon.Shared))}
	case !shared && len(w.wrote) > 0:
		return lostError(u.op, u.path, "it is not on this host ("+a.cache.HostID()+"), and an activity of the run may have written into it on another one")
	case !shared && u.writes && !u.resumes && u.info.Attempt > 1:
		return lostError(u.op, u.path, "it is not on this host ("+a.cache.HostID()+"), and an attempt before this one may have written into it on another one")
	}
	if err := a.unreplaced(ctx, u, w); err != nil {
		return err
	}
	ws, err := a.getTarget(ctx, func(Progress) {}, targetSignature(u.op), w.args[0], w.args[1], w.args[2])
	if err != nil {
		return err
	}
	if ws.Path != u.path {
		by := workspace.Caller{Run: u.info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, u.info).owner}
		_, err := a.cache.Cleanup(ctx, ws.Path, by)
		return errors.Join(lostError(u.op, u.path, fmt.Sprintf("it is not on this host (%s), where it would be %s now", a.cache.HostID(), ws.Path)), err)
	}
	a.cleanUpAfter(u.info, ws.Path)
	a.callerOn(u.info, u.path).Info("made the run's workspace on this host too: the activity was not sent to the one that has it", "path", ws.Path)
	return nil
}

// unreplaced fails where the object is not the one any more that the run was given.
func (a *Activities) unreplaced(ctx context.Context, u use, w whereabouts) error {
	if a.targets == nil || !w.asked {
		return nil
	}
	req, _, err := getTargetRequest(u.info, targetSignature(u.op), w.args[0], w.args[1], w.args[2])
	if err != nil {
		return err
	}
	info, err := a.targets.Stat(ctx, req.Target)
	if err != nil {
		return err
	}
	if info.Modified.After(w.at) {
		return lostError(u.op, u.path, "it is not on this host ("+a.cache.HostID()+"), and the object "+req.Target.String()+" has been replaced since the run was given it")
	}
	return nil
}
