package admission

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon"
)

const (
	// asideFor is how long a host without room leaves the queues that others poll too to
	// them. Another host takes what is there in milliseconds; where none is left, for those
	// that Temporal tells of may have died a moment ago, what is there waits that long.
	asideFor = 5 * time.Second
	// elsewhere is after what time what is passed on may begin on another host.
	elsewhere = 250 * time.Millisecond
	// passes is how often an activity is passed on for each host of its queue without having
	// paid with an attempt: the polls that a host has open when it learns that it has no
	// room bring it the same once more. Then all of them are full.
	passes = 2
)

// passOn turns the error of an activity that found no room on this host into one after which
// another host takes it, if there is one that may.
func (a *Admission) passOn(info activity.Info, err error) error {
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.NonRetryable() || failed.Type() != string(cordon.NoSpace) || info.WorkflowExecution.ID == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*askTimeout)
	defer cancel()
	others := a.opts.Others(ctx, info)
	if others == 0 {
		return err
	}
	a.mu.Lock()
	a.aside = time.Now().Add(asideFor)
	a.mu.Unlock()
	if int(info.Attempt) > passes*(others+1) || a.isUnable() {
		return err
	}
	if e := a.uncount(ctx, info, info.TaskQueue); e != nil {
		a.unable(e)
		return err
	}
	a.opts.Logger.Info("this host has no room: what needs some is passed on, and other hosts have the queue for a while",
		"activity", info.ActivityType.Name, "workflow_id", info.WorkflowExecution.ID, "queue", info.TaskQueue, "hosts", others, "for", asideFor)
	return temporal.NewApplicationErrorWithOptions(failed.Message(), failed.Type(),
		temporal.ApplicationErrorOptions{NextRetryDelay: elsewhere, Category: temporal.ApplicationErrorCategoryBenign})
}

// isAside reports whether other hosts have the queues that they poll too.
func (a *Admission) isAside() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Before(a.aside)
}
