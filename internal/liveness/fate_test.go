package liveness_test

import (
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon/workspace"
)

const open, over, unknown = workspace.RunOpen, workspace.RunClosed, workspace.RunUnknown

func TestARunThatEndsIsOver(t *testing.T) {
	t.Parallel()
	c := server().GetDefaultClient()
	nothing := func(*testing.T, string) error { return nil }
	for _, tc := range []struct {
		name   string
		opts   client.StartWorkflowOptions
		line   string
		end    func(t *testing.T, id string) error
		status enumspb.WorkflowExecutionStatus
		word   string
		failed bool
	}{
		{"completed", client.StartWorkflowOptions{}, "completes", nothing, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, "completed", false},
		{"failed", client.StartWorkflowOptions{}, "fails", nothing, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, "failed", true},
		{"cancelled", client.StartWorkflowOptions{}, "waits", func(t *testing.T, id string) error {
			return c.CancelWorkflow(t.Context(), id, "")
		}, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, "cancelled", false},
		{"terminated", client.StartWorkflowOptions{}, "waits", func(t *testing.T, id string) error {
			return c.TerminateWorkflow(t.Context(), id, "", "a test")
		}, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "terminated", false},
		{"timed out", client.StartWorkflowOptions{WorkflowExecutionTimeout: 2 * time.Second}, "waits", nothing, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, "timed out", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			a := newAsker(t, nil)
			began := time.Now()
			run := start(t, tc.opts, tc.line)
			o := owner(t, run.GetID(), run.GetRunID())
			if tc.line == "waits" && tc.word != "timed out" { // which may have happened already
				a.must(t, "before its end", o, open, "")
			}
			if err := tc.end(t, run.GetID()); err != nil {
				t.Fatal(err)
			}
			until(t, run.GetID(), run.GetRunID(), tc.status)
			got := a.must(t, "after its end", o, over, tc.word)
			if got.Failed != tc.failed {
				t.Errorf("failed: %v", got.Failed)
			}
			if got.Closed.Before(began.Add(-time.Second)) || got.Closed.After(time.Now().Add(time.Second)) {
				t.Errorf("closed at %v, in a test that began at %v", got.Closed, began)
			}
		})
	}
}

func TestARetryClosesTheRunBeforeIt(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond, MaximumAttempts: 3}}, "fails once")
	first := owner(t, run.GetID(), run.GetRunID())
	next := owner(t, run.GetID(), another(t, run.GetID(), run.GetRunID()))
	if next.FirstRunID != first.RunID {
		t.Fatalf("the second attempt is of the chain %s, the first of %s", next.FirstRunID, first.RunID)
	}
	if got := a.must(t, "the first attempt", first, over, "failed"); !got.Failed || got.Closed.IsZero() {
		t.Errorf("the first attempt: %+v", got)
	}
	a.must(t, "the second", next, open, "")
}

func TestARunThatContinuesAsNewIsOpenUntilItsChainCloses(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{}, "continues", "continues when told", "waits")
	id := run.GetID()
	first := owner(t, id, run.GetRunID())
	second := owner(t, id, another(t, id, first.RunID))
	chainless := first
	chainless.FirstRunID = ""
	for what, o := range map[string]workspace.Owner{"the first": first, "the first, of an old server": chainless, "the second": second} {
		a.must(t, what, o, open, "")
	}
	if err := server().GetDefaultClient().SignalWorkflow(t.Context(), id, "", "go", nil); err != nil {
		t.Fatal(err)
	}
	third := owner(t, id, another(t, id, first.RunID, second.RunID))
	for what, o := range map[string]workspace.Owner{"the first": first, "the second": second, "the third": third} {
		a.must(t, what, o, open, "")
	}

	// Retention takes the runs of a long chain away one by one.
	remove(t, id, first.RunID)
	a.must(t, "the first, once it is deleted", first, open, "")

	if err := server().GetDefaultClient().TerminateWorkflow(t.Context(), id, "", "a test"); err != nil {
		t.Fatal(err)
	}
	closed := info(t, id, third.RunID).GetCloseTime().AsTime()
	for what, o := range map[string]workspace.Owner{"the first": first, "the second": second, "the third": third} {
		if got := a.must(t, what, o, over, "terminated"); !got.Closed.Equal(closed) {
			t.Errorf("%s closed at %v, the chain at %v", what, got.Closed, closed)
		}
	}

	again := start(t, client.StartWorkflowOptions{ID: id}, "waits")
	if got := a.must(t, "the second, once the id is in use again", second, over, "continued as new"); !got.Closed.IsZero() {
		t.Errorf("it closed at %v, which nobody knows", got.Closed)
	}
	a.must(t, "the deleted first", first, over, "not found")
	a.must(t, "the third", third, over, "terminated")
	a.must(t, "the new one", owner(t, id, again.GetRunID()), open, "")
}

func TestAChainThatFailsAfterItContinuedAsNewHasFailed(t *testing.T) {
	t.Parallel()
	run := start(t, client.StartWorkflowOptions{}, "continues", "fails")
	first := owner(t, run.GetID(), run.GetRunID())
	until(t, run.GetID(), another(t, run.GetID(), first.RunID), enumspb.WORKFLOW_EXECUTION_STATUS_FAILED)
	if got := newAsker(t, nil).must(t, "the first", first, over, "failed"); !got.Failed || got.Closed.IsZero() {
		t.Errorf("the first: %+v", got)
	}
}

func TestACronScheduleClosesTheRunBeforeTheNext(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{CronSchedule: "@every 1s"}, "completes")
	first := owner(t, run.GetID(), run.GetRunID())
	another(t, run.GetID(), first.RunID)
	a.must(t, "the first", first, over, "completed")
	// The newest waits for its hour, and then for nobody long.
	if got := a.fate(t, owner(t, run.GetID(), "")); got.State == unknown {
		t.Errorf("the newest: %+v", got)
	}
}

// A reset run works on in the paths that the one before it was given.
func TestARunThatWasResetIsAsTheOneItWasResetTo(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{}, "continues when told", "waits")
	id := run.GetID()
	first := owner(t, id, run.GetRunID())
	second := owner(t, id, reset(t, id, first.RunID))
	third := owner(t, id, reset(t, id, second.RunID)) // which is reset itself
	all := map[string]workspace.Owner{"the first": first, "the second": second, "the third": third}
	for what, o := range all {
		a.must(t, what, o, open, "")
	}
	if err := server().GetDefaultClient().SignalWorkflow(t.Context(), id, "", "go", nil); err != nil {
		t.Fatal(err)
	}
	all["what the third continues as"] = owner(t, id, another(t, id, first.RunID, second.RunID, third.RunID))
	for what, o := range all {
		a.must(t, what+", continued as new", o, open, "")
	}
	if err := server().GetDefaultClient().CancelWorkflow(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	until(t, id, "", enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	closed := info(t, id, "").GetCloseTime().AsTime()
	for what, o := range all {
		if got := a.must(t, what+", cancelled", o, over, "cancelled"); !got.Closed.Equal(closed) {
			t.Errorf("%s closed at %v, the last at %v", what, got.Closed, closed)
		}
	}
}

// What has completed can be reset, too, and what it was reset to be forgotten.
func TestAClosedRunThatIsResetIsOpenAgain(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{}, "waits")
	o := owner(t, run.GetID(), run.GetRunID())
	awaitTask(t, run.GetID())
	if err := server().GetDefaultClient().TerminateWorkflow(t.Context(), o.WorkflowID, "", "a test"); err != nil {
		t.Fatal(err)
	}
	a.must(t, "a terminated run", o, over, "terminated")
	to := reset(t, o.WorkflowID, o.RunID)
	a.must(t, "a terminated run, reset", o, open, "")
	if err := server().GetDefaultClient().CancelWorkflow(t.Context(), o.WorkflowID, ""); err != nil {
		t.Fatal(err)
	}
	until(t, o.WorkflowID, to, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
	a.must(t, "a terminated run, reset and cancelled", o, over, "cancelled")
	remove(t, o.WorkflowID, to)
	a.must(t, "a terminated run, whose reset is forgotten", o, over, "terminated")
}

// firstTaskCompleted is an event's number: after a run's start, scheduling and start.
const firstTaskCompleted = 4

func awaitTask(t *testing.T, id string) {
	t.Helper()
	await(t, func() bool { return info(t, id, "").GetHistoryLength() >= firstTaskCompleted }, "no worker takes the run")
}

// reset resets a run to its first task, and returns the run that it goes on as.
func reset(t *testing.T, id, runID string) string {
	t.Helper()
	awaitTask(t, id)
	answer, err := server().GetDefaultClient().ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: server().GetDefaultNamespace(), WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: runID},
		WorkflowTaskFinishEventId: firstTaskCompleted, RequestId: "reset " + runID, Reason: "a test",
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetRunId()
}

func TestARunIsNotAnotherOneOfItsID(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{}, "completes")
	old := owner(t, run.GetID(), run.GetRunID())
	until(t, run.GetID(), run.GetRunID(), enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	again := start(t, client.StartWorkflowOptions{ID: run.GetID()}, "waits")
	a.must(t, "the old run", old, over, "completed")
	a.must(t, "the new one", owner(t, run.GetID(), again.GetRunID()), open, "")
	remove(t, run.GetID(), old.RunID)
	a.must(t, "the old one, deleted", old, over, "not found")
}

func TestARunThatTemporalDoesNotKnowIsOver(t *testing.T) {
	t.Parallel()
	a := newAsker(t, nil)
	run := start(t, client.StartWorkflowOptions{TaskQueue: nobody}, "waits")
	o := owner(t, run.GetID(), run.GetRunID())
	a.must(t, "a run that no worker has taken", o, open, "")
	remove(t, run.GetID(), run.GetRunID())
	if got := a.must(t, "a deleted run", o, over, "not found"); got.Failed || !got.Closed.IsZero() {
		t.Errorf("a deleted run: %+v", got)
	}
}

// What a status means that this program does not know is nothing to guess at.
func TestAPausedRunIsOpen(t *testing.T) {
	t.Parallel()
	run := start(t, client.StartWorkflowOptions{}, "waits")
	o := owner(t, run.GetID(), run.GetRunID())
	_, err := server().GetDefaultClient().WorkflowService().PauseWorkflowExecution(t.Context(), &workflowservice.PauseWorkflowExecutionRequest{
		Namespace: o.Namespace, WorkflowId: o.WorkflowID, RunId: o.RunID, RequestId: o.RunID, Reason: "a test",
	})
	if err != nil {
		t.Fatal(err)
	}
	until(t, o.WorkflowID, o.RunID, enumspb.WORKFLOW_EXECUTION_STATUS_PAUSED)
	newAsker(t, nil).must(t, "a paused run", o, open, "")
}
