package dashboard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/cordonlabs/cordon"
)

// temporalError gives an error of Temporal's a kind.
func temporalError(op, id string, err error) error {
	e := &cordon.Error{Kind: cordon.StorageUnavailable, Op: op, Name: fmt.Sprintf("%.200q", id), Err: err, Fix: fixTemporal}
	var missing *serviceerror.NotFound
	var wrong *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &missing):
		e.Kind, e.Fix = cordon.TargetNotFound, "Temporal forgets runs after the namespace's retention; choose another one"
	case errors.As(err, &wrong):
		e.Kind, e.Fix = cordon.InvalidArgument, "choose a run from the list"
	}
	return e
}

// openRun is a run that is not over.
type openRun struct {
	execution
	kind    string // the workflow's type
	queue   string
	started time.Time
}

// mostOpen is how many open runs are looked at: the latest.
const mostOpen = 200

// loadOpen lists the open runs of the worker's queues.
func (d *Dashboard) loadOpen(ctx context.Context) ([]openRun, error) {
	c := d.temporal()
	if c == nil {
		return nil, errors.New("it is not reached")
	}
	infos, _, err := d.list(ctx, c, statuses["open"], mostOpen, nil)
	if err != nil {
		return nil, err
	}
	all := make([]openRun, 0, len(infos))
	for _, i := range infos {
		all = append(all, openRun{execution: execution{i.GetExecution().GetWorkflowId(), i.GetExecution().GetRunId()},
			kind: i.GetType().GetName(), queue: i.GetTaskQueue(), started: i.GetStartTime().AsTime()})
	}
	return all, nil
}
