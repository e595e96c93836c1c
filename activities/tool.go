package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities/arguments"
	"github.com/cordonlabs/cordon/analyze"
	"github.com/cordonlabs/cordon/workspace"
)

// Analyser looks at the workspace in dir. It writes nothing there.
type Analyser func(ctx context.Context, dir string, progress analyze.Progress) (*analyze.Result, error)

// tool runs an analyser and returns what it found as a part.
func (a *Activities) tool(ctx context.Context, name, unit, path string, analyse Analyser) (part Part, err error) {
	err = a.Analyse(ctx, name, unit, path, analyse, func(ctx context.Context, r *analyze.Result) (err error) {
		part, err = a.newPart(ctx, name, partContent{Result: *r})
		return err
	})
	return part, err
}

// Analyse is the work of an activity that is called name: it runs an analyser on the
// workspace at path, under a lifetime and with heartbeats that count units, and hands
// what that found to then. Its error is fit to leave the activity.
func (a *Activities) Analyse(ctx context.Context, name, unit, path string, analyse Analyser, then func(context.Context, *analyze.Result) error) error {
	life, end := a.runs.begin(ctx)
	defer end()
	report, stop := heartbeat(life)
	defer stop()

	info := activity.GetInfo(ctx)
	by := workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(life, info).owner}
	result, err := a.analyse(life, use{op: name, path: path, info: info}, unit, by, report, analyse)
	if err == nil {
		err = then(life, result)
	}
	if err != nil {
		a.callerOn(info, path).Warn(name+" failed", "path", path, "error", err)
	}
	return failure(life, name, err)
}

func (a *Activities) analyse(ctx context.Context, u use, unit string, by workspace.Caller, report func(Progress), analyse Analyser) (*analyze.Result, error) {
	dir, done, err := a.openWorkspace(ctx, u)
	if err != nil {
		return nil, err
	}
	defer done()
	lease, err := a.cache.Use(ctx, u.path, by)
	if err != nil {
		return nil, err
	}
	defer lease.Release()
	watched, enough := a.cache.Watch(ctx, u.path)
	defer enough()
	result, err := analyse(watched, dir, func(done, total int) {
		report(Progress{Stage: "scanning", Done: int64(done), Total: int64(total), Unit: unit})
	})
	if err != nil && watched.Err() != nil && ctx.Err() == nil {
		err = context.Cause(watched) // the workspace is over its limit, whatever the tool made of that
	}
	return result, err
}

// PutResult stores a result of an attempt that still counts, and returns its URL: it is that
// of Options.Results, for these activities and those that are made of them.
func (a *Activities) PutResult(ctx context.Context, id, format string, body []byte) (url string, err error) {
	if err := a.runs.confirm(ctx, activity.GetInfo(ctx)); err != nil {
		return "", err
	}
	return a.results.PutResult(ctx, id, format, body)
}

// Version is Options.Version.
func (a *Activities) Version() string { return a.version }

// request decodes the one object that a tool takes as its argument. Unknown keys
// are ignored, as unknown arguments are (CONTRACT §1.1).
func request[T any](name string, raw converter.RawValue) (T, error) {
	var req T
	text, err := arguments.JSON(raw)
	if err == nil && text != nil {
		err = json.Unmarshal(text, &req)
	}
	if err != nil {
		return req, ApplicationError(name, &cordon.Error{Kind: cordon.InvalidArgument, Op: name,
			Err: fmt.Errorf("its argument cannot be read: %w", err), Fix: "call it with one object, as docs/contract.md describes"})
	}
	return req, nil
}
