package worker

import (
	"context"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/internal/health"
)

// statusEvery is how often a service manager without a watchdog is told how the worker is.
const statusEvery = 10 * time.Second

// tellManager tells the service manager that the worker polls, again and again how it
// is, and at the end that it stops.
//
// The watchdog is fed after each look around, whatever that finds: a Temporal that is
// down, or a full disk, is not cured by another process, which would cost all tools
// that run. What starves it is a look that does not come back, because the process or
// its disk hangs, and polls that fail although Temporal answers.
func (w *Worker) tellManager(ctx context.Context) {
	m := w.opts.Manager
	if m == nil {
		return
	}
	tell := func(assignments ...string) {
		if err := m.Tell(assignments...); err != nil {
			w.log.Warn("the service manager could not be told how this worker is", "error", err)
		}
	}
	var names []string
	for _, q := range w.queues {
		names = append(names, q.Name)
	}
	well := "STATUS=polls " + strings.Join(names, ", ")
	tell("READY=1", well)
	every := statusEvery
	if d := m.Watchdog(); d > 0 {
		every = min(every, d/3)
	}
	for {
		select {
		case <-ctx.Done():
			tell("STOPPING=1", "STATUS=stops")
			return
		case <-time.After(every):
		}
		found := health.Look(ctx, w.checks())
		if ctx.Err() != nil {
			continue
		}
		said := []string{well}
		if problems := strings.Join(found, "; "); strings.Trim(problems, "; ") != "" {
			said = []string{"STATUS=" + strings.Trim(problems, "; ")}
		}
		if found[checkPolling] == "" || found[checkTemporal] != "" {
			said = append(said, "WATCHDOG=1")
		}
		tell(said...)
	}
}
