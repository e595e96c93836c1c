package worker

import (
	"context"
	"sync"
	"time"
)

// stopTimeout is how long a worker that stops waits for the activities under way, once
// they are told: they must be over in 5 s (CONTRACT §7, row 13).
const stopTimeout = 5 * time.Second

// Wait returns when ctx is done, or with the error after which the worker cannot
// go on.
func (w *Worker) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-w.failed:
		return unreachable(w.opts.Temporal, err)
	}
}

// Drain ends the polling at once, and lets the activities under way go on: until all have
// ended, until Config.Drain has passed, or until Options.Hurry is closed. The worker
// sweeps and says that it is well meanwhile. Stop ends what is left. It is called once.
func (w *Worker) Drain() {
	most := w.opts.Config.Drain
	if most <= 0 {
		return
	}
	began := time.Now()
	w.until = began.Add(most)
	w.draining.Store(true)
	w.admission.Drain()
	close(w.drains)
	if w.health != nil {
		w.health.Look()
	}
	now := w.admission.Stats()
	w.log.Info("worker drains: it takes nothing more, and lets go on what it works on", "tools", now.Tools, "storage_activities", now.Storage,
		"at_most", most, "until", w.until.UTC().Format(time.RFC3339))
	why := ""
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case <-w.stopping():
		w.log.Info("worker has drained: nothing is under way any more", "took", time.Since(began).Round(time.Millisecond))
		return
	case <-over.C:
		why = "the time to drain is over"
	case <-w.opts.Hurry:
		why = "it was told to stop at once"
	}
	now = w.admission.Stats()
	w.log.Info("worker drains no longer: what is left is told to end, and goes on elsewhere", "why", why, "tools", now.Tools, "storage_activities", now.Storage)
}

// stopPolling ends the polling, and returns what is closed when nothing is under way
// any more. The admission opens no polls any more.
func (w *Worker) stopPolling() <-chan struct{} {
	w.polls.settle()
	ended := make(chan struct{})
	var all sync.WaitGroup
	for _, sdk := range w.workers {
		all.Go(sdk.Stop)
	}
	late := time.AfterFunc(lastPolls, w.polls.tasks.cut)
	go func() {
		defer close(ended)
		defer late.Stop()
		all.Wait()
	}()
	return ended
}

// Stop ends the polling, gives the activities under way a few seconds to end,
// and closes the cache. It may be called after a Start that failed.
func (w *Worker) Stop() {
	w.web.Stopping()
	defer w.web.Close() // last, so that one can see it stop
	if len(w.workers) > 0 {
		w.log.Info("worker stops", "at_most", stopTimeout)
	}
	w.stop()
	w.admission.Stop()
	ended := w.stopping()
	w.polls.settle() // those for watches, if it has drained
	var watchers sync.WaitGroup
	for _, sdk := range w.watchers {
		watchers.Go(sdk.Stop)
	}
	defer time.AfterFunc(lastPolls, w.polls.watches.cut).Stop()
	// What is told to end goes back to the server, which hands it to whoever polls: that
	// must not be this worker, for the server loses what meets a poll that it is ending.
	select {
	case <-w.polls.ended():
	case <-time.After(lastPolls):
	}
	if w.activities != nil {
		w.activities.Stop()
	}
	w.socket.Close()
	<-ended
	watchers.Wait()
	if w.activities != nil {
		w.activities.Wait()
	}
	w.sweeping.Wait()
	if w.client != nil {
		w.client.Close()
	}
	w.traces.Stop()
	if err := w.cache.Close(); err != nil {
		w.log.Warn("closing the cache failed; nothing is lost by it", "error", err)
	}
}
