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
		who := "a worker that is not Cordon's"
		if cordon {
			who = fmt.Sprintf("a worker of Cordon %s that serves %s", theirs.Version, theirs.Serve)
		}
		switch {
		case p.Activities && ours.Activities != None && (!cordon || theirs.Activities != ours.Activities):
			c.Found = fmt.Sprintf("%s takes activities of %q too: each gets some that only the other knows, and those fail", who, queue)
			c.Forbidden = ours.Serve == config.ServeStorage && theirs.Serve != config.ServeStorage
			c.Fix = activitiesFix(ours, theirs, cordon, c.Forbidden)
		case p.Workflows && ours.Workflows != None && !cordon:
			c.Found = fmt.Sprintf("%s takes workflows of %q too: each gets some that only the other may know, and those wait", who, queue)
			c.Fix = "set WORKER_SERVE=activities for Cordon's worker and let the other one have all workflows of the queue, or give it a queue of its own"
		case p.Workflows && ours.Workflows != None && theirs.Workflows != ours.Workflows:
			c.Found = fmt.Sprintf("%s takes workflows of %q too, and has others than this one of Cordon %s: each gets some that only the other knows, and those wait", who, queue, ours.Version)
			c.Fix = "give both the same version and the same CORDON_WORKFLOWS"
		default:
			continue
		}
		out = append(out, c)
	}
	return out
}

// activitiesFix is what to do where two have different activities.
func activitiesFix(ours, theirs Identity, cordon, forbidden bool) string {
	switch {
	case forbidden:
		return "let the worker that serves storage poll a queue of its own: leave WORKER_TASK_QUEUE and --task-queue away, and call the storage activities on {vertical}-storage"
	case !cordon:
		return "let that worker register no activities (activities=[]); or, where it has tools of its own, set WORKER_SERVE=storage for Cordon's and call the storage activities on {vertical}-storage"
	case theirs.Serve == config.ServeStorage && ours.Serve != config.ServeStorage:
		return "let the worker that serves storage poll a queue of its own: leave its WORKER_TASK_QUEUE away"
	}
	return "give both the same version and the same settings"
}
