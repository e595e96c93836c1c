// Package flow is what the built-in workflows have in common: fetch the target,
// run the tools, report, clean up.
//
// Its code runs inside workflows and is deterministic: changing the order of
// what it schedules breaks runs that are under way.
package flow

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/finding"
)

// Tool is one step of a workflow that works on its workspace.
type Tool struct {
	Name    string                // the activity's
	Request func(path string) any // its argument, once the workspace's path is known

	Timeout  time.Duration // of one attempt; 0: an hour
	Attempts int32         // 0: two
}

// Definition is what makes one workflow differ from another.
type Definition struct {
	Tools       []Tool           // run one after the other
	MinSeverity finding.Severity // "" reports everything
	Notes       []string         // for the summary
}

// Timeouts and attempts of the steps. Those of get_target and cleanup_cache are
// the ones that clients in other languages use (CONTRACT §1.6).
const (
	getTargetTimeout = 5 * time.Minute
	toolTimeout      = time.Hour // git history of a large project on a slow disk
	reportTimeout    = 5 * time.Minute
	cleanupTimeout   = time.Minute

	getTargetAttempts = 3
	toolAttempts      = 2 // a tool that failed twice on the same tree fails on it
	reportAttempts    = 3
	cleanupAttempts   = 3

	// heartbeatTimeout is how soon a dead worker is noticed. Activities heartbeat
	// every second or two; a host that swaps or a server that is restarted may
	// lose some of them.
	heartbeatTimeout = 30 * time.Second
)

// run is one execution of a Definition.
type run struct {
	ctx      workflow.Context
	target   cordon.TargetID
	path     string
	progress Progress
	steps    []activities.Step
	parts    []activities.Part
}

// Run executes def on a target, and answers ProgressQuery. A tool that fails is
// a failed step, and what the others find stands; if all of them fail, so does
// the run. However it ends, cancelled too, its workspace is cleaned up; only where
// it fails and the workflow's metadata says keep_on_failure does the workspace
// stay, and the error says where.
func Run(ctx workflow.Context, target cordon.TargetID, def Definition) (activities.Result, error) {
	r := &run{ctx: ctx, target: target, progress: Progress{Of: len(def.Tools) + 3}} // and get_target, report_findings, cleanup_cache
	started := workflow.Now(ctx)
	if err := workflow.SetQueryHandler(ctx, ProgressQuery, func() (Progress, error) { return r.progress, nil }); err != nil {
		return activities.Result{}, err
	}
	r.listen()
	result, err := r.analyse(def, started)
	kept := ""
	if r.path != "" {
		kept = r.cleanup(err != nil && !temporal.IsCanceledError(err))
	}
	r.progress = Progress{Index: r.progress.Of, Of: r.progress.Of, Started: workflow.Now(ctx)}
	if err != nil {
		return activities.Result{}, flatten(err, kept)
	}
	result.Steps = r.steps
	return result, nil
}

func (r *run) analyse(def Definition, started time.Time) (activities.Result, error) {
	var result activities.Result
	err := r.step(r.ctx, activities.GetTargetName, getTargetTimeout, getTargetAttempts, &r.path,
		r.target.String(), workflow.GetInfo(r.ctx).WorkflowExecution.RunID)
	if err != nil {
		return result, err
	}
	var failures []error
	for _, tool := range def.Tools {
		var part activities.Part
		err := r.step(r.ctx, tool.Name, cmp.Or(tool.Timeout, toolTimeout), cmp.Or(tool.Attempts, toolAttempts), &part, tool.Request(r.path))
		if r.ctx.Err() != nil {
			return result, r.ctx.Err()
		}
		if err != nil {
			failures = append(failures, err)
			continue
		}
		r.steps[len(r.steps)-1].Findings = part.Findings
		r.parts = append(r.parts, part)
	}
	if len(failures) == len(def.Tools) {
		return result, failures[0]
	}
	err = r.step(r.ctx, activities.ReportFindingsName, reportTimeout, reportAttempts, &result, activities.ReportRequest{
		TargetID: r.target.String(), Path: r.path, Started: started, Steps: r.steps, Parts: r.parts,
		MinSeverity: def.MinSeverity, Notes: def.Notes,
	})
	return result, err
}

// cleanup runs although the workflow may have been cancelled. It returns where a
// workspace is that was kept because the run failed, and until when; or "".
func (r *run) cleanup(failed bool) (kept string) {
	ctx, cancel := workflow.NewDisconnectedContext(r.ctx)
	defer cancel()
	// cleanup_cache never fails; if no worker was there to run it, the sweep
	// finds the workspace of a closed run.
	args := []any{r.path}
	if failed {
		args = append(args, nil, true)
	}
	var answer *string
	if err := r.step(ctx, activities.CleanupCacheName, cleanupTimeout, cleanupAttempts, &answer, args...); err == nil && answer != nil {
		kept = *answer
	}
	return kept
}

// step runs one activity, and records how it went.
func (r *run) step(ctx workflow.Context, name string, timeout time.Duration, attempts int32, result any, args ...any) error {
	started := workflow.Now(ctx)
	r.progress = Progress{Step: name, Index: r.progress.Index + 1, Of: r.progress.Of, Started: started}
	r.details(ctx)
	options := workflow.ActivityOptions{
		StartToCloseTimeout: timeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: attempts},
		// The workspace must not be cleaned up under a tool that is still stopping.
		WaitForCancellation: true,
	}
	if name == activities.CleanupCacheName {
		options.HeartbeatTimeout = 0 // it is over before its first heartbeat
	}
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), name, args...).Get(ctx, result)
	step := activities.Step{Name: name, Status: activities.StepCompleted, DurationMS: workflow.Now(ctx).Sub(started).Milliseconds()}
	if err != nil {
		step.Status, step.Error = activities.StepFailed, reason(err)
	}
	r.steps = append(r.steps, step)
	return err
}

// listen takes up what tools tell while they work: a workflow does not see the
// heartbeats of its activities, so that tools which run for long signal it now and
// then.
func (r *run) listen() {
	ch := workflow.GetSignalChannel(r.ctx, activities.LiveSignal)
	workflow.Go(r.ctx, func(ctx workflow.Context) {
		for {
			var live string
			if !ch.Receive(ctx, &live) {
				return
			}
			r.progress.Detail = live
			r.details(ctx)
		}
	})
}

// details shows where the run is in Temporal's own UI.
func (r *run) details(ctx workflow.Context) {
	text := fmt.Sprintf("Step %d of %d: %s", r.progress.Index, r.progress.Of, r.progress.Step)
	if r.progress.Detail != "" {
		text += "\n\n" + r.progress.Detail
	}
	workflow.SetCurrentDetails(ctx, text)
}

// reason is what went wrong in an activity, without Temporal's own frame.
func reason(err error) string {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &app):
		return app.Message()
	case errors.As(err, &timeout):
		return "took too long (" + timeout.TimeoutType().String() + ")"
	}
	return err.Error()
}

// flatten makes the activity's error the workflow's own. Temporal looks at the
// outermost failure alone to decide whether a workflow is retried; wrapped in
// the activity's, a target that does not exist would be looked for three times
// (CONTRACT §7, row 14). It also says where the workspace is, if that was kept.
func flatten(err error, kept string) error {
	note := ""
	if kept != "" {
		note = "; the run's workspace is kept at " + kept
	}
	var app *temporal.ApplicationError
	switch {
	case temporal.IsCanceledError(err):
		return err
	case errors.As(err, &app):
		return temporal.NewApplicationErrorWithOptions(app.Message()+note, app.Type(), temporal.ApplicationErrorOptions{NonRetryable: app.NonRetryable()})
	case note != "":
		return temporal.NewApplicationErrorWithCause(reason(err)+note, "", err)
	}
	return err
}
