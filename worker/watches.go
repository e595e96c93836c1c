package worker

import (
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon/activities"
)

// pollWatches starts to poll the queue on which workflows watch the workspaces that this
// host has for the runs of queue. It has slots of its own, so that a host which works to
// capacity is not taken for one that is gone, and one poller: there is a task when a run
// begins, and none after.
func (w *Worker) pollWatches(queue string) error {
	sdk := sdkworker.New(w.client, activities.WatchQueue(queue, w.cache.HostID()), sdkworker.Options{
		Identity:                           w.identity(offer{activities: []string{activities.WatchWorkspaceName}}).String(),
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: activities.MaxWatches,
		MaxConcurrentActivityTaskPollers:   1,
		MaxHeartbeatThrottleInterval:       activities.MaxWatchThrottle,
		DefaultHeartbeatThrottleInterval:   activities.MaxWatchThrottle,
		WorkerStopTimeout:                  lastPolls + stopTimeout,
		DisableRegistrationAliasing:        true,
		OnFatalError:                       w.fail,
	})
	w.activities.RegisterWatch(sdk)
	if err := sdk.Start(); err != nil {
		return err
	}
	w.watchers = append(w.watchers, sdk)
	return nil
}
