package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/internal/config"
)

// VersionOf returns the version that a worker of this configuration and program is of;
// the zero value where it has none.
func VersionOf(cfg config.Worker, program string) sdkworker.WorkerDeploymentVersion {
	if cfg.Deployment == "" {
		return sdkworker.WorkerDeploymentVersion{}
	}
	return sdkworker.WorkerDeploymentVersion{DeploymentName: cfg.Deployment, BuildID: cmp.Or(cfg.BuildID, program)}
}

// deployment says to Temporal of which version this worker is, on a queue with workflows.
// Its workflows go on with the newest version wherever they are (auto-upgrade): they are a
// row of a few activities, which every version replays that is released, and the last of
// those activities may be in a month. Pinned ones would need the old version's workers for
// as long, beside the new ones, on the very host that has the workspace. Queues with
// activities alone have no version: those names and arguments do not change, and a host's
// queue has to answer whichever version its worker has.
func (w *Worker) deployment() sdkworker.DeploymentOptions {
	v := VersionOf(w.opts.Config, w.opts.Version)
	if v == (sdkworker.WorkerDeploymentVersion{}) {
		return sdkworker.DeploymentOptions{}
	}
	return sdkworker.DeploymentOptions{UseVersioning: true, Version: v, DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade}
}

// Routing is what a version of a deployment gets.
type Routing string

// What a version gets.
const (
	RoutingUnknown Routing = "unknown to Temporal" // nobody polls for it yet
	RoutingNone    Routing = "not current"
	RoutingRamping Routing = "ramping"
	RoutingCurrent Routing = "current"
)

// RoutingOf asks Temporal what a version gets.
func RoutingOf(ctx context.Context, c client.Client, v sdkworker.WorkerDeploymentVersion) (Routing, error) {
	d, err := c.WorkerDeploymentClient().GetHandle(v.DeploymentName).Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return RoutingUnknown, nil
	}
	if err != nil {
		return "", err
	}
	is := func(other *sdkworker.WorkerDeploymentVersion) bool { return other != nil && *other == v }
	switch r := d.Info.RoutingConfig; {
	case is(r.CurrentVersion):
		return RoutingCurrent, nil
	case is(r.RampingVersion):
		return RoutingRamping, nil
	}
	for _, s := range d.Info.VersionSummaries {
		if s.Version == v {
			return RoutingNone, nil
		}
	}
	return RoutingUnknown, nil
}

// FixRouting is what makes a version get work.
func FixRouting(v sdkworker.WorkerDeploymentVersion) string {
	return fmt.Sprintf("temporal worker deployment set-current-version --deployment-name %s --build-id %s", v.DeploymentName, v.BuildID)
}

// watchVersion says in the log what this worker's version gets, and when that changes,
// until ctx is done.
func (w *Worker) watchVersion(ctx context.Context) {
	v := VersionOf(w.opts.Config, w.opts.Version)
	before := RoutingUnknown
	for wait := time.Second; ; wait = min(2*wait, cmp.Or(w.opts.LookEvery, lookEvery)) { // Temporal learns of a version by its first polls
		asking, cancel := context.WithTimeout(ctx, lookTimeout)
		now, err := RoutingOf(asking, w.client, v)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			w.log.Debug("cannot look what this worker's version gets; the next time tries again", "error", err)
		case now != before:
			before = now
			if now == RoutingNone || now == RoutingUnknown {
				w.log.Warn("this worker's version gets no workflows", "deployment", v.DeploymentName, "build_id", v.BuildID, "routing", string(now), "fix", FixRouting(v))
			} else {
				w.log.Info("this worker's version gets workflows", "deployment", v.DeploymentName, "build_id", v.BuildID, "routing", string(now))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
