package activities

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/metadata"
)

// whereabouts is what a run's history says about one of its workspaces: how it was asked
// for, and who may have written into it. A host learns from it what another host has.
type whereabouts struct {
	asked bool // the run has been given the path
	at    time.Time
	args  [3]converter.RawValue // get_target's, as they were given

	// wrote has one for each activity that has begun and may have written, and each child
	// workflow, that was given the path: the host that it was on; "" where that is not
	// known. The activity that asks is not among them.
	wrote []string
}

// reading are the activities that are given a workspace and do not write into it.
var reading = []string{
	GetTargetName, AcquireWorkspaceName, UploadResultsName, ChooseHostsName, WatchWorkspaceName,
	InventoryFilesName, ScanSecretsName, ScanCodeName, ScanGoName, ReportFindingsName,
	// Those of package fuzzforge.
	"scan_files", "analyze_security", "generate_sarif_report", "scan_with_gitleaks", "gitleaks_generate_sarif",
}

// writes reports whether an activity that is given a workspace may write into it.
func (a *Activities) writes(name string) bool {
	if slices.Contains(reading, name) {
		return false
	}
	e, bridged := a.bridge.Lookup(name)
	return !bridged || e.Workspace == metadata.Writable
}

// whereabouts reads the history of the run that called the activity described by info.
func (a *Activities) whereabouts(ctx context.Context, info activity.Info, path string) (w whereabouts, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	type begun struct {
		*historypb.ActivityTaskScheduledEventAttributes
		started bool
		host    string
	}
	given := map[int64]*begun{} // by the event; those that know the path, or may tell it
	var order []int64
	it := a.runs.client.GetWorkflowHistory(ctx, info.WorkflowExecution.ID, info.WorkflowExecution.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var children int
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return w, err
		}
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			s := e.GetActivityTaskScheduledEventAttributes()
			given[e.GetEventId()] = &begun{ActivityTaskScheduledEventAttributes: s}
			order = append(order, e.GetEventId())
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			s := e.GetActivityTaskStartedEventAttributes()
			if b := given[s.GetScheduledEventId()]; b != nil {
				b.started, b.host = true, hostOf(s.GetIdentity())
			}
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			c := e.GetActivityTaskCompletedEventAttributes()
			b := given[c.GetScheduledEventId()]
			if b == nil {
				continue
			}
			switch name := b.GetActivityType().GetName(); {
			case name == CleanupCacheName && mentions(b.GetInput(), path):
				w, order, children = whereabouts{}, nil, 0 // what comes after is another workspace
			case (name == GetTargetName || name == AcquireWorkspaceName) && handedOut(c.GetResult(), path):
				w.asked, w.at = true, e.GetEventTime().AsTime()
				w.args = rawArguments(b.GetInput())
			}
		case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
			if mentions(e.GetStartChildWorkflowExecutionInitiatedEventAttributes().GetInput(), path) {
				children++
			}
		}
	}
	pending, err := a.pending(ctx, info)
	if err != nil {
		return w, err
	}
	for _, id := range order {
		b := given[id]
		if b.GetActivityId() == info.ActivityID || !a.writes(b.GetActivityType().GetName()) ||
			b.GetActivityType().GetName() == CleanupCacheName || !mentions(b.GetInput(), path) {
			continue
		}
		if p, ok := pending[b.GetActivityId()]; ok && !b.started { // its start is in the history when it is over
			b.started = p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED || p.GetAttempt() > 1
			b.host = hostOf(p.GetLastWorkerIdentity())
		}
		if b.started {
			w.wrote = append(w.wrote, b.host)
		}
	}
	w.wrote = append(w.wrote, make([]string, children)...)
	return w, nil
}

// pending returns the activities of the calling run that are not over, by their ids.
func (a *Activities) pending(ctx context.Context, info activity.Info) (map[string]*workflowpb.PendingActivityInfo, error) {
	d, err := a.runs.client.DescribeWorkflowExecution(ctx, info.WorkflowExecution.ID, info.WorkflowExecution.RunID)
	if err != nil {
		return nil, err
	}
	out := map[string]*workflowpb.PendingActivityInfo{}
	for _, p := range d.GetPendingActivities() {
		out[p.GetActivityId()] = p
	}
	return out, nil
}

// hostOf is the host of a worker that calls itself identity; "" where it does not say.
func hostOf(identity string) string {
	id, _ := pollers.Parse(identity)
	return id.Host
}

// rawArguments are the first arguments of an activity as it was given them.
func rawArguments(input *commonpb.Payloads) (out [3]converter.RawValue) {
	for i, p := range input.GetPayloads()[:min(len(input.GetPayloads()), len(out))] {
		out[i] = converter.NewRawValue(p)
	}
	return out
}

// handedOut reports whether a result of get_target or acquire_workspace names path.
func handedOut(result *commonpb.Payloads, path string) bool {
	var text string
	if converter.GetDefaultDataConverter().FromPayloads(result, &text) == nil {
		return text == path
	}
	var ws Workspace
	return converter.GetDefaultDataConverter().FromPayloads(result, &ws) == nil && ws.Path == path
}

// mentions reports whether a text in payloads holds path, or may: what cannot be read
// might.
func mentions(payloads *commonpb.Payloads, path string) bool {
	return slices.ContainsFunc(payloads.GetPayloads(), func(p *commonpb.Payload) bool {
		switch string(p.GetMetadata()[converter.MetadataEncoding]) {
		case converter.MetadataEncodingNil:
			return false
		case converter.MetadataEncodingJSON, converter.MetadataEncodingProtoJSON:
			var v any
			return json.Unmarshal(p.GetData(), &v) != nil || holdsText(v, path)
		}
		return true
	})
}

func holdsText(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, text)
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return holdsText(v, text) })
	case map[string]any:
		for k, v := range v {
			if strings.Contains(k, text) || holdsText(v, text) {
				return true
			}
		}
	}
	return false
}
