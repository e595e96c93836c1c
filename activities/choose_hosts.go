package activities

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/placement"
	"github.com/cordonlabs/cordon/internal/pollers"
)

// maxChosen is how many hosts choose_hosts names. Each costs a run that meets nobody
// there some seconds; a target that two hosts cannot serve is wanted by so many runs that
// a third one has it soon.
const maxChosen = 2

// hostsFor is how long what was learnt of a queue's hosts is used: one that comes is
// passed over that long, one that goes is tried.
const hostsFor = 10 * time.Second

// ChooseHosts is choose_hosts: the task queues of the hosts that best make a run's
// workspace, the best first, for they have the target or are those that will. It takes
// the arguments of get_target, and returns an empty list where any host is as good: there
// is one alone, nothing of the workspace is shared with other runs, or Temporal cannot be
// asked who is there.
func (a *Activities) ChooseHosts(ctx context.Context, targetID, runID, isolation converter.RawValue) ([]string, error) {
	info := activity.GetInfo(ctx)
	req, arg, err := getTargetRequest(info, targetSignature(ChooseHostsName), targetID, runID, isolation)
	if err != nil {
		return nil, ApplicationError(ChooseHostsName, err)
	}
	log := a.caller(info)
	holds := resolve(a.catalog, log, class(info), a.runs.of(ctx, info).mode, arg)
	queues := []string{}
	if holds.mode == cordon.Isolated {
		return queues, nil
	}
	hosts, err := a.hosts.of(ctx, a.runs, info.Namespace, info.TaskQueue, hostsFor)
	if err != nil {
		log.Warn("cannot find out which hosts are there; any may make the workspace", "queue", info.TaskQueue, "error", err)
		return queues, nil
	}
	if len(hosts) < 2 {
		return queues, nil
	}
	for _, host := range placement.Rank(hosts, req.Target.String(), maxChosen) {
		queues = append(queues, HostQueue(info.TaskQueue, host))
	}
	return queues, nil
}

// Others returns how many hosts beside this one have workers that take activities of a queue;
// 0 for a queue that is one host's, and where Temporal does not say. That there are none is
// never remembered: whoever asks is about to fail for it, and one may have come.
func (a *Activities) Others(ctx context.Context, namespace, queue string) int {
	if n := a.others(ctx, namespace, queue, hostsFor); n > 0 {
		return n
	}
	return a.others(ctx, namespace, queue, 0)
}

// others is Others, as it was so long ago at most.
func (a *Activities) others(ctx context.Context, namespace, queue string, age time.Duration) (n int) {
	own := a.cache.HostID()
	if queue == HostQueue(queue, own) {
		return 0
	}
	all, err := a.hosts.of(ctx, a.runs, namespace, queue, age)
	if err != nil {
		a.log.Warn("cannot find out whether another host is there", "queue", queue, "error", err)
		return 0
	}
	for _, id := range all {
		if id != own {
			n++
		}
	}
	return n
}

// hosts remembers for a moment which hosts poll a queue. It is safe for concurrent use.
type hosts struct {
	mu    sync.Mutex
	known map[string]knownHosts // by queue
}

type knownHosts struct {
	ids []string
	at  time.Time
}

// of returns the ids of the hosts whose workers take activities of a queue, as they were so
// long ago at most.
func (h *hosts) of(ctx context.Context, r *runs, namespace, queue string, age time.Duration) ([]string, error) {
	if r.client == nil {
		return nil, nil
	}
	h.mu.Lock()
	known, ok := h.known[queue]
	h.mu.Unlock()
	if ok && time.Since(known.at) < age {
		return known.ids, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	list, err := pollers.List(ctx, r.client, namespace, queue)
	if err != nil {
		return nil, err
	}
	known = knownHosts{pollers.Hosts(list, time.Now().Add(-pollers.Fresh)), time.Now()}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known = make(map[string]knownHosts)
	}
	h.known[queue] = known // a worker polls a handful
	return known.ids, nil
}
