package worker

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/workspace"
)

// jitter spreads the sweeps of the workers of one host by up to a tenth of the
// interval to either side, so that workers that were started together do not
// all reach for the janitor's lock at once.
const jitter = 10

// sweep sweeps the cache now and then periodically, until ctx is done (CONTRACT §4).
func (w *Worker) sweep(ctx context.Context) {
	every := cmp.Or(w.opts.Config.SweepEvery, config.DefaultSweepEvery)
	for {
		w.sweepOnce(ctx)
		w.expire(ctx)
		wait := every - every/jitter + rand.N(2*every/jitter+1)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (w *Worker) sweepOnce(ctx context.Context) {
	started := time.Now()
	report, err := w.cache.Sweep(ctx, workspace.SweepOptions{Restore: true})
	if err == nil {
		w.metrics.Swept(report)
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		w.log.Error("sweep failed; the next one tries again", "error", err)
	case report.Busy:
		w.log.Debug("sweep left to another process")
	default:
		w.log.Info("swept the cache", "removed", len(report.Removals), "freed", cordon.FormatBytes(report.Freed),
			"deferred", len(report.Deferred), "took", time.Since(started).Round(time.Millisecond))
	}
}
