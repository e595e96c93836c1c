package workspace

import (
	"context"
	"time"

	"github.com/cordonlabs/cordon"
)

// watchInterval is how often a watched workspace is measured at most.
const watchInterval = 2 * time.Second

// watchShare bounds what watching costs: of so much time, measuring takes one part.
const watchShare = 50

// watchPatience is how long the end of a watch waits for a measurement under way: it
// stops at once, unless the disk hangs.
const watchPatience = time.Second

// Watch looks after the workspace at path while a tool works in it: it measures it
// every two seconds or more, and less often the longer that takes, so that the
// accounts follow while it grows. The context that it returns is ctx, cancelled
// when the workspace is over its limit: its cause is a TargetTooLarge
// *cordon.Error then. Whoever calls must call done when the tool has ended.
//
// A path that is no run's own workspace, or one that cannot change, is not watched.
func (c *Cache) Watch(ctx context.Context, path string) (watched context.Context, done context.CancelFunc) {
	watched, cancel := context.WithCancelCause(ctx)
	k, shared, why := c.locate(path)
	if why != "" || shared {
		return watched, func() { cancel(context.Canceled) }
	}
	r, err := c.readRecord(k)
	if err != nil || r == nil || !r.grows() {
		return watched, func() { cancel(context.Canceled) }
	}
	w := &watch{c: c, record: r, cancel: cancel, last: r.total(), noted: time.Now()}
	ended := make(chan struct{})
	c.background.Go(func() {
		defer close(ended)
		w.run(watched)
	})
	return watched, func() {
		cancel(context.Canceled)
		select {
		case <-ended:
		case <-time.After(watchPatience):
		}
	}
}

// watch is one Watch under way.
type watch struct {
	c      *Cache
	record *record
	cancel context.CancelCauseFunc

	last  int64 // bytes that the record has been told of
	noted time.Time
}

func (w *watch) run(ctx context.Context) {
	for pause := watchInterval; ; {
		select {
		case <-ctx.Done():
			return
		case <-w.c.stopping.Done():
			return
		case <-time.After(pause):
		}
		begin := time.Now()
		if !w.look(ctx) {
			return
		}
		pause = max(watchInterval, watchShare*time.Since(begin))
	}
}

// look measures once, and reports whether it should again.
func (w *watch) look(ctx context.Context) bool {
	inTime, cancel := context.WithTimeout(ctx, measureLongest)
	defer cancel()
	e, err := w.c.measure(inTime, w.record)
	whole := inTime.Err() == nil
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && whole:
		return !gone(err) // cleaned up; anything else may pass
	}
	over := w.record.overLimit(e.total())
	if over || w.tells(e.total()) {
		if err := w.c.note(w.record, e, whole); err != nil {
			w.c.log.Warn("cannot write down what a workspace takes; it is tried again", "path", w.c.abs(w.record.path()), "error", err)
		} else {
			w.last, w.noted = e.total(), time.Now()
		}
	}
	if over {
		w.cancel(w.c.errOverLimit(w.record, e.total()))
	}
	return !over
}

// tells reports whether the record should be told that the entry takes so many
// bytes: writing it costs more than the difference of a few files is worth.
func (w *watch) tells(bytes int64) bool {
	difference := max(bytes-w.last, w.last-bytes)
	return difference > max(w.last/watchShare, cordon.MiB) || time.Since(w.noted) > growthAge
}
