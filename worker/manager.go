package worker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cordonlabs/cordon/internal/health"
)

// statusEvery is how often a service manager without a watchdog is told how the worker is.
const statusEvery = 10 * time.Second

// extension is by how much a worker that drains asks the service manager, with each word
// that it says, for more time: a few of them may be late. A worker that hangs is ended
// that long after its last one, however long it was to drain.
const extension = time.Minute

// tellManager tells the service manager that the worker polls, again and again how it
// is, and at the end that it stops. A worker that drains says so at once, and asks for
// time as long as it does: it may drain for longer than the manager waits.
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
	drains := w.drains
	for {
		select {
		case <-ctx.Done():
			tell("STOPPING=1", "STATUS=stops")
			return
		case <-drains:
			drains = nil
			tell(append(w.drainStatus(), "STOPPING=1", "WATCHDOG=1")...)
		case <-time.After(every):
		}
		found := health.Look(ctx, w.checks())
		if ctx.Err() != nil {
			continue
		}
		said := []string{well}
		if w.draining.Load() {
			said = w.drainStatus()
		}
		if problems := strings.Join(found, "; "); strings.Trim(problems, "; ") != "" {
			said[0] = "STATUS=" + strings.Trim(problems, "; ")
		}
		if found[checkPolling] == "" || found[checkTemporal] != "" {
			said = append(said, "WATCHDOG=1")
		}
		tell(said...)
	}
}

// drainStatus is what is said while the worker drains; its status comes first.
func (w *Worker) drainStatus() []string {
	now := w.admission.Stats()
	return []string{
		fmt.Sprintf("STATUS=drains until %s at the latest, tools: %d, storage activities: %d", w.until.UTC().Format(time.RFC3339), now.Tools, now.Storage),
		fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extension.Microseconds()),
	}
}
