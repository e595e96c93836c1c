package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
)

// door is what an activity learns of who called it, and how it talks back. There are
// two: a task that Temporal's SDK runs, and Call. The context carries it, so that one
// signature, and one code behind it, serves both.
type door struct {
	info   activity.Info
	called bool // by Call: the queue that info names is another worker's

	// firstRun is the first run of the caller's chain as the caller says it, for when
	// Temporal does not; "" where nobody said.
	firstRun string

	heartbeat func(Progress)
	stopping  <-chan struct{} // closed when the worker stops; nil: Activities.Stop alone says so
	metrics   client.MetricsHandler
}

type doorKey struct{}

// doorOf returns the door by which the activity was called whose context ctx is, or
// is made of.
func doorOf(ctx context.Context) door {
	if d, ok := ctx.Value(doorKey{}).(door); ok {
		return d
	}
	return door{
		info:      activity.GetInfo(ctx),
		heartbeat: func(p Progress) { activity.RecordHeartbeat(ctx, p) },
		stopping:  activity.GetWorkerStopChannel(ctx),
		metrics:   activity.GetMetricsHandler(ctx),
	}
}

// infoOf says who called the activity; activity.GetInfo knows one door only.
func infoOf(ctx context.Context) activity.Info { return doorOf(ctx).info }
