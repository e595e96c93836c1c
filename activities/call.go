package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities/arguments"
)

// Caller is the activity on whose behalf a storage activity is called, where it is
// not Temporal that says so: its own info, as its worker's SDK has it. One without
// a workflow, as a standalone activity is, holds what it gets until cleanup or expiry.
type Caller struct {
	Namespace    string    `json:"namespace,omitempty"` // "": the worker's own
	WorkflowID   string    `json:"workflow_id,omitempty"`
	WorkflowType string    `json:"workflow_type,omitempty"`
	RunID        string    `json:"run_id,omitempty"`
	FirstRunID   string    `json:"first_run_id,omitempty"` // used where Temporal cannot be asked
	ActivityID   string    `json:"activity_id,omitempty"`
	Attempt      int32     `json:"attempt,omitempty"`
	TaskQueue    string    `json:"task_queue,omitempty"`
	Deadline     time.Time `json:"deadline,omitzero"` // of this attempt; zero: none
}

// Call is one call of a storage activity that does not come as a task of Temporal's.
type Call struct {
	Activity string
	Args     []json.RawMessage // JSON texts
	Caller   Caller

	// Heartbeat is told how far the activity is, every HeartbeatInterval once it takes
	// that long. It must not block.
	Heartbeat func(Progress)
}

// Call runs a storage activity as Temporal's SDK would, and returns its result as
// JSON. A ctx that is cancelled is the activity's cancellation; the caller's deadline
// is its attempt's (CONTRACT §1.6).
//
// The error is a *temporal.ApplicationError whose type is a cordon.Kind, or that of a
// ctx that was cancelled.
func (a *Activities) Call(ctx context.Context, c Call) (_ json.RawMessage, err error) {
	all := a.storage()
	i := slices.IndexFunc(all, func(s storageActivity) bool { return s.name == c.Activity })
	if i < 0 {
		return nil, ApplicationError("call", &cordon.Error{Kind: cordon.InvalidArgument, Op: "call", Name: fmt.Sprintf("%.100q", c.Activity),
			Err: errors.New("it is no storage activity"), Fix: fmt.Sprintf("call one of %v", a.StorageNames())})
	}
	defer func() { // as the SDK does: one call that goes wrong is not the end of the worker
		if p := recover(); p != nil {
			a.log.Error("an activity panicked", "activity", c.Activity, "panic", p, "stack", string(debug.Stack()))
			err = ApplicationError(c.Activity, fmt.Errorf("internal error: %v", p))
		}
	}()
	wanted := ctx
	if !c.Caller.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.Caller.Deadline)
		defer cancel()
	}
	var raws [3]converter.RawValue // more than a storage activity takes are ignored (CONTRACT §1.1)
	for i, arg := range c.Args[:min(len(c.Args), len(raws))] {
		raws[i] = rawJSON(arg)
	}
	value, err := all[i].call(context.WithValue(ctx, doorKey{}, a.doorFor(c)), raws[0], raws[1], raws[2])
	if err != nil {
		if app := (*temporal.ApplicationError)(nil); !errors.As(err, &app) && wanted.Err() == nil {
			err = ApplicationError(c.Activity, err)
		}
		return nil, err
	}
	if raw, ok := value.(converter.RawValue); ok {
		text, err := arguments.JSON(raw)
		if text == nil {
			text = json.RawMessage("null")
		}
		return text, err
	}
	return json.Marshal(value)
}

// doorFor makes the door of a call.
func (a *Activities) doorFor(c Call) door {
	by := c.Caller
	info := activity.Info{
		Namespace:         cmp.Or(by.Namespace, a.runs.namespace),
		WorkflowExecution: workflow.Execution{ID: by.WorkflowID, RunID: by.RunID},
		ActivityID:        by.ActivityID,
		ActivityType:      activity.Type{Name: c.Activity},
		TaskQueue:         by.TaskQueue,
		Attempt:           max(by.Attempt, 1),
		StartedTime:       time.Now(),
		Deadline:          by.Deadline,
	}
	info.WorkflowNamespace = info.Namespace
	if by.WorkflowType != "" {
		info.WorkflowType = &workflow.Type{Name: by.WorkflowType}
	}
	return door{info: info, called: true, firstRun: by.FirstRunID, heartbeat: c.Heartbeat, metrics: a.metrics.WithTags(map[string]string{
		"namespace": info.Namespace, "task_queue": by.TaskQueue, "activity_type": c.Activity, "workflow_type": by.WorkflowType,
	})}
}

// rawJSON is a JSON text as an argument that Temporal brings.
func rawJSON(text json.RawMessage) converter.RawValue {
	return converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: text,
	})
}

// rawText is a text as an argument.
func rawText(s string) converter.RawValue {
	b, _ := json.Marshal(s) // a string is never refused
	return rawJSON(b)
}
