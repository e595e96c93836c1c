package worker

import (
	"go.temporal.io/sdk/interceptor"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker/admission"
	"github.com/cordonlabs/cordon/workflows"
)

// poll starts to poll a queue, the one that goes with it for this host alone, and where
// the tools of each wait that found no slot. All but the first take activities only, and
// come first: acquire_workspace names the host's, and tools are handed on to the others.
func (w *Worker) poll(q Queue) error {
	full := w.offer(q.Vertical)
	if len(full.workflows) == 0 && w.serve() == config.ServeAll {
		w.log.Warn("there is no workflow for this vertical, built-in or with run in its metadata: the worker runs activities alone",
			"vertical", q.Vertical, "queue", q.Name, "verticals", workflows.Verticals(w.catalog.List()...))
	}
	host := activities.HostQueue(q.Name, w.cache.HostID())
	hosts := full
	hosts.workflows = nil
	if err := w.pollWatches(q.Name); err != nil {
		return err
	}
	for _, one := range []struct {
		queue  string
		offer  offer
		shared bool
	}{{host, hosts, false}, {q.Name, full, true}} {
		if w.serve() != config.ServeStorage { // which has no tools
			tuner, err := w.admission.WaitingTuner(one.shared)
			if err != nil {
				return err
			}
			// Each that is open when the last slot goes may have to hand a tool back.
			if err := w.pollOne(admission.WaitingQueue(one.queue), hosts, tuner, 1); err != nil {
				return err
			}
		}
		tuner, err := w.admission.Tuner(one.shared)
		if err != nil {
			return err
		}
		if err := w.pollOne(one.queue, one.offer, tuner, 0); err != nil {
			return err
		}
	}
	w.log.Info("worker polls", "queue", q.Name, "host_queue", host, "vertical", q.Vertical, "serve", w.serve(), "workflows", full.workflows,
		"activities_at_once", w.opts.Config.MaxConcurrentActivities, "storage_slots", w.opts.Config.StorageSlots, "cache", w.cache.Dir())
	return nil
}

// pollOne starts to poll one queue for what is offered, by so many pollers of activities;
// 0: the SDK's default. All queues share the slots.
func (w *Worker) pollOne(queue string, offer offer, tuner sdkworker.WorkerTuner, pollers int) error {
	options := sdkworker.Options{
		Identity:                         w.identity(offer).String(),
		DisableWorkflowWorker:            len(offer.workflows) == 0,
		Tuner:                            tuner,
		MaxConcurrentActivityTaskPollers: pollers,
		Interceptors:                     []interceptor.WorkerInterceptor{w.admission.Interceptor()},
		MaxHeartbeatThrottleInterval:     activities.MaxHeartbeatThrottle,
		DefaultHeartbeatThrottleInterval: activities.MaxHeartbeatThrottle,
		WorkerStopTimeout:                w.opts.Config.Drain + lastPolls + stopTimeout,
		DisableRegistrationAliasing:      true,
		OnFatalError:                     w.fail,
	}
	if len(offer.workflows) > 0 {
		options.DeploymentOptions = w.deployment()
	}
	sdk := sdkworker.New(w.client, queue, options)
	if len(offer.workflows) > 0 {
		workflows.Register(sdk, offer.vertical, offer.tools)
	}
	registerActivities(sdk, w.activities, w.serve())
	if w.serve() != config.ServeStorage {
		w.activities.RegisterBridge(sdk)
	}
	if err := sdk.Start(); err != nil {
		return err
	}
	w.workers = append(w.workers, sdk)
	return nil
}
