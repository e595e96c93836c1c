package doctor

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
)

// queues looks whether those who poll the queue of this configuration's worker belong
// together with it. Where it has no vertical, the queues of all that are known are
// looked at, and whether those who poll them belong together.
func queues(ctx context.Context, s *site) Result {
	opts := s.Env.Temporal
	opts.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)) // every call's error says the same
	c, err := client.DialContext(ctx, opts)
	if err != nil {
		return ok("not looked at: Temporal does not answer")
	}
	defer c.Close()
	catalog, err := metadata.NewCatalog(workflows.Builtin(), s.Config.WorkflowDirs, s.Logger)
	if err != nil {
		return because(Fail, err, "correct CORDON_WORKFLOWS")
	}

	names := []string{s.Config.TaskQueue}
	ours := worker.IdentityOf(s.Config, catalog, s.Version)
	if s.Config.Vertical == "" {
		names = nil
		for _, v := range workflows.Verticals(catalog.List()...) {
			names = append(names, config.ServeAll.Queue(v), config.ServeStorage.Queue(v))
		}
	}
	looks := make([]look, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { looks[i] = s.lookAt(ctx, c, name, ours) })
	}
	all.Wait()
	return s.judgeVersion(ctx, c, s.judgeQueues(looks))
}

// judgeVersion adds to what was found of the queues what this configuration's version gets
// on them, where it has one.
func (s *site) judgeVersion(ctx context.Context, c client.Client, r Result) Result {
	if s.Config.Deployment == "" || r.Status != OK {
		return r
	}
	v := worker.VersionOf(s.Config, s.Version)
	routing, err := worker.RoutingOf(ctx, c, v)
	if err != nil {
		return warn("see what the check Temporal says, and let this user describe worker deployments", "%s; the worker deployment %s cannot be looked at: %v", r.Found, v.DeploymentName, briefly(err))
	}
	r.Found += fmt.Sprintf("; version %s of the worker deployment %s is %s", v.BuildID, v.DeploymentName, routing)
	if routing == worker.RoutingNone {
		r.Status, r.Fix = Warn, "make it current, or it gets no workflows: "+worker.FixRouting(v)
	}
	return r
}

// look is what was seen of one queue.
type look struct {
	queue     string
	pollers   int
	conflicts []pollers.Conflict
	err       error
}

func (s *site) lookAt(ctx context.Context, c client.Client, queue string, ours pollers.Identity) look {
	l := look{queue: queue}
	list, err := pollers.List(ctx, c, cmp.Or(s.Env.Temporal.Namespace, config.DefaultNamespace), queue)
	if err != nil {
		l.err = err
		return l
	}
	here := list[:0]
	for _, p := range list {
		if s.Now().Sub(p.LastSeen) < pollers.Fresh {
			here = append(here, p)
		}
	}
	l.pollers = len(here)
	if s.Config.Vertical != "" {
		l.conflicts = pollers.Conflicts(queue, ours, here)
		return l
	}
	for _, p := range here { // one of Cordon's speaks for its worker; where there is none, the queue is somebody else's
		if theirs, cordon := pollers.Parse(p.Identity); cordon {
			l.conflicts = append(l.conflicts, pollers.Conflicts(queue, theirs, here)...)
			break
		}
	}
	return l
}

// judgeQueues makes one verdict of what was seen.
func (s *site) judgeQueues(looks []look) Result {
	var found []string
	var wrong []pollers.Conflict
	together := false // somewhere there are several
	for _, l := range looks {
		switch {
		case l.err != nil:
			return warn("see what the check Temporal says, and let this user describe task queues", "%s cannot be looked at: %v", l.queue, briefly(l.err))
		case l.pollers > 0:
			found = append(found, fmt.Sprintf("%s is polled by %d", l.queue, l.pollers))
		case len(looks) == 1:
			found = append(found, "nobody polls "+l.queue)
		}
		together = together || l.pollers > 1
		wrong = append(wrong, l.conflicts...)
	}
	if len(found) == 0 {
		found = []string{"nobody polls any"}
	}
	if len(wrong) == 0 {
		if together {
			found[len(found)-1] += "; they belong together"
		}
		return ok("%s", strings.Join(found, ", "))
	}
	first := wrong[0]
	text := fmt.Sprintf("%s (%q, %s ago)", first.Found, first.Identity, s.Now().Sub(first.LastSeen).Round(time.Second))
	if more := len(wrong) - 1; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	status := Warn
	if s.Config.Vertical != "" && first.Forbidden {
		status = Fail // the worker would not start
	}
	return Result{Status: status, Found: text, Fix: first.Fix}
}
