package pollers

import (
	"fmt"
	"time"

	"github.com/cordonlabs/cordon/internal/config"
)

// Conflict is a poller that does not belong on a queue beside another one.
type Conflict struct {
	Identity string // of the poller
	LastSeen time.Time
	Found    string // what is wrong, in a clause
	Fix      string // what to do, in the imperative

	// Broken says that tasks fail by it: activities that only one of the two knows.
	// Otherwise tasks are late.
	Broken bool

	// Forbidden says that the worker in question must not poll beside this one: it has
	// the storage activities alone, and the other one has others (CONTRACT §3).
	Forbidden bool
}

// Conflicts returns those of list who do not belong on queue beside a worker with the
// identity ours, in the order of list. Who answers the same as ours belongs there.
func Conflicts(queue string, ours Identity, list []Poller) []Conflict {
	var out []Conflict
	for _, p := range list {
		theirs, cordon := Parse(p.Identity)
		c := Conflict{Identity: p.Identity, LastSeen: p.LastSeen}
		switch {
		case p.Activities && ours.Activities != None && !cordon:
			c.Broken = true
			c.Found = fmt.Sprintf("a worker that is not Cordon's takes activities of %q too: one that only the other of the two knows fails", queue)
			c.Fix = strangerFix(ours)
		case p.Activities && ours.Activities != None && theirs.Activities != ours.Activities:
			c.Broken = true
			c.Found = fmt.Sprintf("a worker of Cordon %s that serves %s takes activities of %q too, and has others than Cordon %s that serves %s: one that only the other of the two knows fails",
				theirs.Version, theirs.Serve, queue, ours.Version, ours.Serve)
			c.Fix = "give both the same version and settings, and one that serves storage a queue of its own"
		case p.Workflows && ours.Workflows != None && !cordon:
			c.Found = fmt.Sprintf("a worker that is not Cordon's takes workflows of %q too: unless it has Cordon's as well, runs of either wait until the right one of the two asks", queue)
			c.Fix = "set WORKER_SERVE=activities for Cordon's worker and let the other one have all workflows of the queue, or give it a queue of its own"
		case p.Workflows && ours.Workflows != None && theirs.Workflows != ours.Workflows:
			c.Found = fmt.Sprintf("a worker of Cordon %s takes workflows of %q too, and has others than Cordon %s: runs wait until the right one of the two asks",
				theirs.Version, queue, ours.Version)
			c.Fix = "give both the same version and the same CORDON_WORKFLOWS"
		default:
			continue
		}
		c.Forbidden = c.Broken && ours.Serve == config.ServeStorage && !(cordon && theirs.Serve == config.ServeStorage)
		out = append(out, c)
	}
	return out
}

// strangerFix is what to do about activities of somebody else's.
func strangerFix(ours Identity) string {
	if ours.Serve == config.ServeStorage {
		return "let this worker poll a queue of its own: leave WORKER_TASK_QUEUE and --task-queue away, and call the storage activities on {vertical}-storage"
	}
	return "let that worker register no activities (activities=[]); or, where it has tools of its own, set WORKER_SERVE=storage for Cordon's and call the storage activities on {vertical}-storage"
}
