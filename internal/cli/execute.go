package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// startTimeout bounds each question to a server that answered a moment ago.
const startTimeout = 30 * time.Second

// cleanupPatience is how long an interrupted run may take for its cleanup: its
// activities end within 5 s of their cancellation (CONTRACT §7, row 13), which
// arrives within 2 s, and the cleanup itself is quick.
const cleanupPatience = 20 * time.Second

// attempts is the retry policy that clients give workflows (CONTRACT §3).
const attempts = 3

// execute uploads the target, runs the workflow and returns its result: as an
// object of ours, or as it is where it is of another form.
func (a *app) execute(ctx context.Context, j *job, e *engine) (*activities.Result, json.RawMessage, error) {
	if j.path {
		up, err := a.upload(ctx, j.store, j.target, cordon.TargetID{})
		if err != nil {
			return nil, nil, err
		}
		j.id, j.size = up.ID, up.Stored
	} else {
		a.say("%s %s", a.paintErr(dim, "target  "), j.id)
	}
	args, err := j.workflow.Arguments(j.id.String(), j.given)
	if err != nil {
		return nil, nil, err
	}
	run, err := e.start(ctx, j, args)
	if err != nil {
		return nil, nil, err
	}
	where := "Temporal in this process"
	if !e.embedded {
		where = "queue " + e.queue
	}
	a.say("%s %s (%s)", a.paintErr(dim, "run     "), run.GetID(), where)
	if !e.embedded {
		a.warnUnlessPolled(ctx, e)
	}
	raw, err := a.follow(ctx, e, run)
	if err != nil {
		return nil, nil, runFailure(j.workflow.Name, err)
	}
	var result activities.Result
	if json.Unmarshal(raw, &result) != nil || result.WorkflowID == "" {
		return nil, raw, nil
	}
	return &result, raw, nil
}

func (e *engine) start(ctx context.Context, j *job, args []any) (client.WorkflowRun, error) {
	var suffix [4]byte
	_, _ = rand.Read(suffix[:]) // crypto/rand.Read never fails
	opts := client.StartWorkflowOptions{
		ID:          j.workflow.Name + "-" + hex.EncodeToString(suffix[:]),
		TaskQueue:   e.queue,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: attempts},
	}
	opts.Memo = map[string]any{}
	if j.mode != "" {
		opts.Memo[activities.MemoIsolation] = string(j.mode)
	}
	if j.lineage != "" {
		opts.Memo[activities.MemoLineage] = j.lineage
	}
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	run, err := e.client.ExecuteWorkflow(starting, opts, j.workflow.Class, args...)
	if err != nil {
		return nil, &cordon.Error{Kind: cordon.StorageUnavailable, Op: "start workflow", Name: j.workflow.Class, Err: err, Fix: "see that Temporal is well, and try again"}
	}
	return run, nil
}

// warnUnlessPolled says that nobody will run the workflow as things are. It
// starts as soon as a worker comes, so that this is no error.
func (a *app) warnUnlessPolled(ctx context.Context, e *engine) {
	asking, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	queue, err := e.client.DescribeTaskQueue(asking, e.queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err == nil && len(queue.GetPollers()) == 0 {
		a.say("%s no worker polls %s yet: the run waits for one ('cordon worker --vertical %s')", a.paintErr(yellow, "!"), e.queue, plain(e.vertical))
	}
}

// follow waits for the run's result and shows how far it is. When ctx is
// cancelled it cancels the run and waits a while for its cleanup.
func (a *app) follow(ctx context.Context, e *engine, run client.WorkflowRun) (json.RawMessage, error) {
	type outcome struct {
		raw json.RawMessage
		err error
	}
	waiting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = run.Get(waiting, &o.raw)
		ended <- o
	}()
	steps := a.watchSteps(waiting, e.client, run.GetID())
	defer steps()
	select {
	case o := <-ended:
		return o.raw, o.err
	case <-ctx.Done():
	}
	a.say("interrupted: cancelling the run and cleaning up; Ctrl-C again ends at once")
	asking, cancel := context.WithTimeout(waiting, cleanupPatience)
	defer cancel()
	if err := e.client.CancelWorkflow(asking, run.GetID(), ""); err != nil {
		return nil, fmt.Errorf("cancel %s: %w", run.GetID(), err)
	}
	select {
	case <-ended:
		return nil, errInterrupted
	case <-asking.Done():
		return nil, fmt.Errorf("interrupted; the run %s has not ended %s after it was cancelled, the cache's sweep removes what it leaves", run.GetID(), short(cleanupPatience))
	}
}

// runFailure turns the end of a failed run into its root cause.
func runFailure(name string, err error) error {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	var terminated *temporal.TerminatedError
	e := &cordon.Error{Op: "run", Name: name}
	switch {
	case errors.Is(err, errInterrupted):
		return err
	case errors.As(err, &app):
		e.Kind, e.Err = cordon.Kind(app.Type()), errors.New(app.Message())
	case temporal.IsCanceledError(err):
		e.Err, e.Fix = errors.New("somebody cancelled it"), "start it again"
	case errors.As(err, &terminated):
		e.Err, e.Fix = errors.New("somebody terminated it"), "start it again"
	case errors.As(err, &timeout):
		e.Err, e.Fix = errors.New("it took longer than it may"), "look into its history for the step that hangs"
	default:
		e.Kind, e.Err = cordon.StorageUnavailable, err
	}
	return rejected(e)
}
