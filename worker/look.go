package worker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/pollers"
)

// lookEvery is how often a worker looks who else polls its queues: a handful of calls,
// for something that goes wrong when somebody starts a worker.
const lookEvery = time.Minute

// lookTimeout bounds one look at one queue.
const lookTimeout = 10 * time.Second

// rival is a poller that does not belong on a queue of this worker's.
type rival struct{ queue, identity, found string }

// lookAround says in the log when a worker polls one of this worker's queues that does
// not belong there, and when it is gone again, until ctx is done.
func (w *Worker) lookAround(ctx context.Context) {
	known := map[rival]bool{}
	w.started = time.Now()
	for {
		for _, q := range w.queues {
			offer := w.offer(q.Vertical)
			w.lookAt(ctx, q.Name, w.identity(offer), known)
			offer.workflows = nil
			w.lookAt(ctx, activities.HostQueue(q.Name, w.cache.HostID()), w.identity(offer), known)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(cmp.Or(w.opts.LookEvery, lookEvery)):
		}
	}
}

func (w *Worker) lookAt(ctx context.Context, queue string, ours pollers.Identity, known map[rival]bool) {
	conflicts, err := w.conflicts(ctx, queue, ours)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Debug("cannot look who else polls the queue; the next time tries again", "queue", queue, "error", err)
		}
		return
	}
	seen := map[rival]bool{}
	for _, c := range conflicts {
		r := rival{queue, c.Identity, c.Found}
		seen[r] = true
		if known[r] || !w.here(c) {
			continue
		}
		known[r] = true
		level := slog.LevelWarn
		if c.Forbidden {
			level = slog.LevelError // this worker cannot do what the queue's others can, and takes it from them
		}
		w.log.Log(ctx, level, "another worker does not belong on this queue", "queue", queue, "worker", c.Identity, "found", c.Found, "fix", c.Fix)
	}
	for r := range known {
		if r.queue == queue && !seen[r] {
			delete(known, r)
			w.log.Info("the worker that did not belong on this queue is gone", "queue", queue, "worker", r.identity)
		}
	}
}

// here reports whether a poller is not only still listed. Another one of Cordon's has
// to have asked since this worker came: it may be the one that this one replaces.
func (w *Worker) here(c pollers.Conflict) bool {
	if _, ours := pollers.Parse(c.Identity); ours {
		return c.LastSeen.After(w.started)
	}
	return time.Since(c.LastSeen) < pollers.Fresh
}

func (w *Worker) conflicts(ctx context.Context, queue string, ours pollers.Identity) ([]pollers.Conflict, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	list, err := pollers.List(ctx, w.client, cmp.Or(w.opts.Temporal.Namespace, config.DefaultNamespace), queue)
	return pollers.Conflicts(queue, ours, list), err
}

// refuseMixedQueue keeps a worker that has the storage activities alone from polling a
// queue on which others take activities (CONTRACT §3): every other one of theirs would
// fail. One that has been stopped may look as if it were there for two minutes.
func (w *Worker) refuseMixedQueue(ctx context.Context) error {
	if w.serve() != config.ServeStorage {
		return nil
	}
	for _, q := range w.queues {
		conflicts, err := w.conflicts(ctx, q.Name, w.identity(w.offer(q.Vertical)))
		if err != nil {
			w.log.Warn("cannot look who else polls the queue: a worker that serves storage alone must have it for itself", "queue", q.Name, "error", err)
			continue
		}
		for _, c := range conflicts {
			if !c.Forbidden || time.Since(c.LastSeen) >= pollers.Fresh {
				continue // another version of this worker, which is being replaced; one that is gone
			}
			return &cordon.Error{Kind: cordon.InvalidArgument, Op: "serve storage on the queue", Name: fmt.Sprintf("%q", q.Name),
				Err: fmt.Errorf("%s (it calls itself %q and asked last %s ago)", c.Found, c.Identity, time.Since(c.LastSeen).Round(time.Second)), Fix: c.Fix}
		}
	}
	return nil
}
