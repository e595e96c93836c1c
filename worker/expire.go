package worker

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/retention"
)

// expireEvery is how often a worker looks for what is too old in the store, at
// most: a listing of all that is there, for something that is counted in days.
const expireEvery = time.Hour

// expire removes from the store what is too old, unless this process has done so
// within the hour. The first time comes some part of an hour after the start, so
// that workers which were started together do not all list the store at once.
func (w *Worker) expire(ctx context.Context) {
	now := time.Now()
	if w.expires.IsZero() {
		w.expires = now.Add(rand.N(expireEvery))
	}
	if now.Before(w.expires) {
		return
	}
	w.expires = now.Add(expireEvery + rand.N(expireEvery/jitter))
	cfg := w.opts.Config
	report, err := retention.Expire(ctx, w.store, retention.Options{
		Ages: retention.Ages{Crashes: cfg.CrashRetention, Corpora: cfg.CorpusRetention, Results: cfg.ResultRetention},
		Log:  w.log,
	})
	if err != nil && ctx.Err() == nil {
		w.log.Error("removing what is too old from the store failed in part; the next time tries again", "error", err)
	}
	if report != (retention.Report{}) {
		w.log.Info("removed what is too old from the store", "crashes", report.Crashes, "lineages", report.Lineages,
			"packs", report.Packs, "results", report.Results, "freed", cordon.FormatBytes(report.Bytes))
	}
}
