package dashboard

import (
	"cmp"
	"context"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
)

// execution names one execution of a workflow.
type execution struct{ workflow, run string }

// timeline is what a run did, from its history.
type timeline struct {
	target string // the workflow's first argument, where that is text
	steps  []Step
	cut    bool // the history is longer than is read
}

// Step is one activity of a run.
type Step struct {
	Activity string    `json:"activity"`
	Phase    Phase     `json:"phase"`
	Asked    time.Time `json:"scheduled"`
	Began    time.Time `json:"started,omitzero"` // its last attempt
	Ended    time.Time `json:"ended,omitzero"`
	State    string    `json:"state"` // "waiting", "running", "done", "failed", "timed out", "cancelled"
	Attempt  int32     `json:"attempt,omitempty"`
	Worker   string    `json:"worker,omitempty"` // as it calls itself
	Queue    string    `json:"task_queue,omitempty"`
	Failure  string    `json:"failure,omitempty"` // of its last attempt

	// What the step is doing, from its last heartbeat.
	Detail string `json:"detail,omitempty"`
	Done   int64  `json:"done,omitempty"`
	Total  int64  `json:"total,omitempty"`
	Unit   string `json:"unit,omitempty"`

	X, Width float64 `json:"-"` // in thousandths of the run's time

	id      string                // of the activity
	fuzzing *activities.FuzzState // of its last heartbeat
}

// Phase is the part of a run that a step is.
type Phase string

// The phases, in the order that a run goes through.
const (
	PhaseFetch   Phase = "fetch"
	PhaseWork    Phase = "work"
	PhaseStore   Phase = "store"
	PhaseCleanup Phase = "cleanup"
)

func phaseOf(activity string) Phase {
	switch activity {
	case "get_target", "acquire_workspace":
		return PhaseFetch
	case "cleanup_cache":
		return PhaseCleanup
	case "upload_results", "report_findings":
		return PhaseStore
	}
	return PhaseWork
}

// isStep reports whether an activity does something for the run. The others find a host, and
// look whether it is still there.
func isStep(activity string) bool {
	return activity != activities.ChooseHostsName && activity != activities.WatchWorkspaceName
}

// mostHistory is how many events of a run are read: those of a thousand activities.
const mostHistory = 4000

// readTimeline reads the history of a run.
func readTimeline(ctx context.Context, c client.Client, e execution) (*timeline, error) {
	t := &timeline{}
	steps := map[int64]*Step{} // by the event that asked for them
	var order []int64
	iter := c.GetWorkflowHistory(ctx, e.workflow, e.run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for n := 0; iter.HasNext(); n++ {
		if n == mostHistory {
			t.cut = true
			break
		}
		event, err := iter.Next()
		if err != nil {
			return nil, err
		}
		if a := event.GetWorkflowExecutionStartedEventAttributes(); a != nil {
			if in := a.GetInput().GetPayloads(); len(in) > 0 {
				_ = converter.GetDefaultDataConverter().FromPayload(in[0], &t.target) // else it has none of that kind
			}
		}
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			name := a.GetActivityType().GetName()
			if !isStep(name) {
				continue
			}
			steps[event.GetEventId()] = &Step{
				Activity: name, Phase: phaseOf(name), Asked: event.GetEventTime().AsTime(), State: "waiting", Queue: a.GetTaskQueue().GetName(), id: a.GetActivityId(),
			}
			order = append(order, event.GetEventId())
			continue
		}
		follow(steps, event)
	}
	for _, id := range order {
		t.steps = append(t.steps, *steps[id])
	}
	return t, nil
}

// follow takes in what became of an activity.
func follow(steps map[int64]*Step, event *historypb.HistoryEvent) {
	at := event.GetEventTime().AsTime()
	end := func(asked int64, state string, f *failurepb.Failure) {
		if s := steps[asked]; s != nil {
			s.Ended, s.State = at, state
			s.Failure = cmp.Or(failureOf(f), s.Failure)
		}
	}
	switch {
	case event.GetActivityTaskStartedEventAttributes() != nil:
		a := event.GetActivityTaskStartedEventAttributes()
		if s := steps[a.GetScheduledEventId()]; s != nil {
			s.Began, s.State, s.Attempt, s.Worker, s.Failure = at, "running", a.GetAttempt(), a.GetIdentity(), failureOf(a.GetLastFailure())
		}
	case event.GetActivityTaskCompletedEventAttributes() != nil:
		id := event.GetActivityTaskCompletedEventAttributes().GetScheduledEventId()
		if s := steps[id]; s != nil {
			s.Failure = "" // that of an attempt before
		}
		end(id, "done", nil)
	case event.GetActivityTaskFailedEventAttributes() != nil:
		a := event.GetActivityTaskFailedEventAttributes()
		end(a.GetScheduledEventId(), "failed", a.GetFailure())
	case event.GetActivityTaskTimedOutEventAttributes() != nil:
		a := event.GetActivityTaskTimedOutEventAttributes()
		end(a.GetScheduledEventId(), "timed out", a.GetFailure())
	case event.GetActivityTaskCanceledEventAttributes() != nil:
		end(event.GetActivityTaskCanceledEventAttributes().GetScheduledEventId(), "cancelled", nil)
	}
}

// failureOf is what a failure says: the words of the activity's own error, which have its
// causes in them, or of what ended it.
func failureOf(f *failurepb.Failure) string {
	text := ""
	for ; f != nil; f = f.GetCause() {
		text = cmp.Or(f.GetMessage(), text)
		if f.GetApplicationFailureInfo() != nil {
			break
		}
	}
	return text
}

// pending takes in what Temporal knows of the activities that are under way: their starts are
// not in the history yet, nor is what they tell by heartbeats.
func (t *timeline) pending(all []*workflowpb.PendingActivityInfo) {
	for _, p := range all {
		if !isStep(p.GetActivityType().GetName()) {
			continue
		}
		i := slices.IndexFunc(t.steps, func(s Step) bool { return s.id == p.GetActivityId() && s.Ended.IsZero() })
		if i < 0 {
			name := p.GetActivityType().GetName()
			t.steps = append(t.steps, Step{Activity: name, Phase: phaseOf(name), Asked: p.GetScheduledTime().AsTime(), State: "waiting", id: p.GetActivityId()})
			i = len(t.steps) - 1
		}
		s := &t.steps[i]
		s.Attempt, s.Worker = p.GetAttempt(), p.GetLastWorkerIdentity()
		s.Failure = failureOf(p.GetLastFailure())
		if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED || p.GetState() == enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED {
			s.Began, s.State = p.GetLastStartedTime().AsTime(), "running"
		}
		var beat activities.Progress
		if converter.GetDefaultDataConverter().FromPayloads(p.GetHeartbeatDetails(), &beat) == nil {
			s.Detail, s.Done, s.Total, s.Unit, s.fuzzing = beat.Stage, beat.Done, beat.Total, beat.Unit, beat.Fuzzing
		}
	}
}

// place says where each step is in the time from began to ended.
func place(steps []Step, began, ended time.Time) []Step {
	all := max(ended.Sub(began), time.Millisecond)
	out := slices.Clone(steps)
	for i := range out {
		s := &out[i]
		from := cmp.Or(s.Began, s.Asked)
		to := cmp.Or(s.Ended, ended)
		s.X = min(max(scale*float64(from.Sub(began))/float64(all), 0), scale-visible)
		s.Width = max(min(scale*float64(to.Sub(from))/float64(all), scale-s.X), visible)
	}
	return out
}
