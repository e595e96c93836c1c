// Package flow is what the built-in workflows have in common: acquire a workspace,
// run the tools, report, clean up.
//
// Its code runs inside workflows and is deterministic: changing the order of
// what it schedules breaks runs that are under way.
package flow

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
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

// Timeouts and attempts of the steps. Those of acquire_workspace and cleanup_cache are
// WithWorkspace's own.
const (
	toolTimeout   = time.Hour // git history of a large project on a slow disk
	reportTimeout = 5 * time.Minute

	toolAttempts   = 2 // a tool that failed twice on the same tree fails on it
	reportAttempts = 3

	// heartbeatTimeout is how soon a dead worker is noticed. Activities heartbeat
	// every second or two; a host that swaps or a server that is restarted may
	// lose some of them.
	heartbeatTimeout = 30 * time.Second
)

// run is one execution of a Definition.
type run struct {
	ctx      workflow.Context
	target   cordon.TargetID
	started  time.Time
	progress Progress
	kept     string   // where a failed run's workspace stays, and until when
	lost     []string // notes about hosts before the present one

	// Of the present host; the next one begins anew.
	steps []activities.Step
	parts []activities.Part
}

// Run executes def on a target, and answers ProgressQuery. A tool that fails is
// a failed step, and what the others find stands; if all of them fail, so does
// the run. However it ends, cancelled too, its workspace is cleaned up; only where
// it fails and the workflow's metadata says keep_on_failure does the workspace
// stay, and the error says where. A run whose host is lost begins again on another.
func Run(ctx workflow.Context, target cordon.TargetID, def Definition) (activities.Result, error) {
	// acquire_workspace, report_findings and cleanup_cache are steps too.
	r := &run{ctx: ctx, target: target, started: workflow.Now(ctx), progress: Progress{Of: len(def.Tools) + 3}}
	if err := workflow.SetQueryHandler(ctx, ProgressQuery, func() (Progress, error) { return r.progress, nil }); err != nil {
		return activities.Result{}, err
	}
	r.listen()
	var result activities.Result
	err := activities.WithWorkspace(ctx, activities.WorkspaceOptions{
		Target:  target.String(),
		Observe: r.observe,
		Kept:    func(where string) { r.kept = where },
		Lost: func(ws activities.Workspace, why error) {
			r.steps, r.parts, r.progress.Index, r.progress.Detail = nil, nil, 0, ""
			r.lost = append(r.lost, fmt.Sprintf("The run began anew: its workspace on the host %s was lost (%s).", ws.Host, reason(why)))
		},
	}, func(ctx workflow.Context, ws activities.Workspace) (err error) {
		result, err = r.analyse(ctx, ws.Path, def)
		return err
	})
	r.progress = Progress{Index: r.progress.Of, Of: r.progress.Of, Started: workflow.Now(ctx)}
	if err != nil {
		return activities.Result{}, flatten(err, r.kept)
	}
	result.Steps = r.steps
	return result, nil
}

func (r *run) analyse(ctx workflow.Context, path string, def Definition) (activities.Result, error) {
	var result activities.Result
	var failures []error
	for _, tool := range def.Tools {
		var part activities.Part
		err := r.step(ctx, tool.Name, cmp.Or(tool.Timeout, toolTimeout), cmp.Or(tool.Attempts, toolAttempts), &part, tool.Request(path))
		if ctx.Err() != nil {
			return result, ctx.Err()
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
	err := r.step(ctx, activities.ReportFindingsName, reportTimeout, reportAttempts, &result, activities.ReportRequest{
		TargetID: r.target.String(), Path: path, Started: r.started, Steps: r.steps, Parts: r.parts,
		MinSeverity: def.MinSeverity, Notes: slices.Concat(def.Notes, r.lost),
	})
	return result, err
}

// step runs one activity, and records how it went.
func (r *run) step(ctx workflow.Context, name string, timeout time.Duration, attempts int32, result any, args ...any) error {
	ended := r.observe(ctx, name)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: timeout,
		HeartbeatTimeout:    heartbeatTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: attempts},
		// The workspace must not be cleaned up under a tool that is still stopping.
		WaitForCancellation: true,
	}), name, args...).Get(ctx, result)
	ended(err)
	return err
}

// observe notes that a step begins; what it returns, how that went.
func (r *run) observe(ctx workflow.Context, name string) (ended func(error)) {
	started := workflow.Now(ctx)
	r.progress = Progress{Step: name, Index: r.progress.Index + 1, Of: r.progress.Of, Started: started}
	r.details(ctx)
	return func(err error) {
		step := activities.Step{Name: name, Status: activities.StepCompleted, DurationMS: workflow.Now(ctx).Sub(started).Milliseconds()}
		if err != nil {
			step.Status, step.Error = activities.StepFailed, reason(err)
		}
		r.steps = append(r.steps, step)
	}
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
	if at := pagesOf(workflow.GetInfo(ctx).WorkflowExecution); at != "" {
		text += "\n\n[In Cordon's dashboard](" + at + ")"
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
