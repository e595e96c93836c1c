package activities

import (
	"cmp"
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/archive"
	"github.com/cordonlabs/cordon/workspace"
)

// targetSignature is how get_target, and what takes the same arguments, is called.
func targetSignature(op string) arguments.Signature {
	return arguments.Signature{
		Op:    op,
		Names: []string{"target_id", "run_id", "workspace_isolation"},
		Usage: "call it with target_id (string), run_id (string, default: the calling run's), workspace_isolation (isolated, shared or copy-on-write, default isolated)",
	}
}

// GetTarget is get_target: it returns the absolute path of the run's workspace
// of the target, complete (CONTRACT §1.2). Its arguments are target_id, run_id
// (default: the calling run's own id) and workspace_isolation (default:
// isolated; what holds is decided by CONTRACT §2).
func (a *Activities) GetTarget(ctx context.Context, targetID, runID, isolation converter.RawValue) (string, error) {
	ws, err := a.get(ctx, targetSignature(GetTargetName), targetID, runID, isolation)
	if door := doorOf(ctx); err == nil && !door.called {
		a.cleanUpAfter(door.info, ws.Path)
	}
	return ws.Path, err
}

// get is get_target, and what differs from it in its name and its answer.
func (a *Activities) get(ctx context.Context, sig arguments.Signature, targetID, runID, isolation converter.RawValue) (workspace.Workspace, error) {
	life, end := a.runs.begin(ctx)
	defer end()
	report, stop := heartbeat(life)
	defer stop()

	ws, err := a.getTarget(life, report, sig, targetID, runID, isolation)
	return ws, failure(life, sig.Op, err)
}

func (a *Activities) getTarget(ctx context.Context, report func(Progress), sig arguments.Signature, targetID, runID, isolation converter.RawValue) (none workspace.Workspace, err error) {
	info := infoOf(ctx)
	req, arg, err := getTargetRequest(info, sig, targetID, runID, isolation)
	if err != nil {
		return none, err
	}
	log := a.callerAs(info, req.Run.String()).With("target_id", req.Target)

	caller := a.runs.of(ctx, info)
	holds := resolve(a.catalog, log, class(info), caller.mode, arg)
	req.Mode = holds.mode
	req.Extract = archive.Policy(holds.extract)
	req.MaxSize, req.KeepOnFailure = holds.maxSize, holds.keepOnFailure
	req.Owner = a.runs.owner(ctx, caller, req.Run)
	req.Progress = func(p workspace.Progress) {
		report(Progress{Stage: p.Stage, Done: p.Done, Total: p.Total, Unit: Bytes})
	}

	ws, err := a.cache.Get(ctx, req)
	if err != nil {
		log.Warn(sig.Op+" failed", "mode", req.Mode, "error", err)
		return none, err
	}
	a.handed.add(info.WorkflowExecution, ws)
	for _, note := range ws.Notes {
		log.Warn("about the workspace", "path", ws.Path, "note", note)
	}
	log.Info("User code downloaded", "path", ws.Path, "mode", ws.Mode, "driver", ws.Driver, "hit", ws.Hit, "bytes", ws.Bytes)
	return ws, nil
}

// getTargetRequest decodes the arguments. The mode is returned apart, for it is
// only one of several voices: "" where the caller said nothing.
func getTargetRequest(info activity.Info, sig arguments.Signature, targetID, runID, isolation converter.RawValue) (req workspace.Request, arg cordon.Mode, err error) {
	args, err := arguments.Decode(sig, targetID, runID, isolation)
	if err != nil {
		return req, "", err
	}
	id, err1 := args.Text("target_id")
	run, err2 := args.Text("run_id")
	mode, err3 := args.Text("workspace_isolation")
	if err := cmp.Or(err1, err2, err3); err != nil {
		return req, "", err
	}
	if id == "" {
		return req, "", args.Wrong("target_id", "is missing")
	}
	if run == "" {
		run = info.WorkflowExecution.RunID
	}
	if req.Target, err = cordon.ParseTargetID(id); err != nil {
		return req, "", err
	}
	if req.Run, err = cordon.ParseRunID(run); err != nil {
		return req, "", err
	}
	if arg, err = cordon.ParseMode(mode); err != nil {
		return req, "", err
	}
	if mode == "" {
		arg = ""
	}
	return req, arg, nil
}
