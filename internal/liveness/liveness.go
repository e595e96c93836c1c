// Package liveness asks Temporal which runs are over (CONTRACT §8.3).
//
// What a run holds goes when the run is closed, so that a wrong answer would take
// a live workspace away: nothing counts as closed that Temporal itself has not
// said to be, and an answer that does not come is none. The engine keeps what
// nobody can tell about until its expiry.
//
// The server may be away, slow, or another one than that of a hold. It is dialled
// when a question needs it and no earlier, and asked about as many runs as there
// are in few calls.
package liveness

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/workspace"
)

const (
	// dialPatience is how long a server is waited for that does not answer at all:
	// a sweep has other things to do.
	dialPatience = 5 * time.Second

	// callPatience bounds one call. A visibility store with many runs in it takes a
	// second or two.
	callPatience = 5 * time.Second

	// patience bounds all calls of one Fates, to a server that does answer. Ten
	// thousand closed runs take seconds nearby, and a minute at 50 ms a call; who is
	// left is asked about by the next sweep.
	patience = time.Minute
)

// Dial returns a client of the Temporal in question. It is called when a run must
// be asked about, again after an error, and never by two at once; its context ends after
// some seconds.
type Dial func(ctx context.Context) (client.Client, error)

// Runs knows from Temporal which runs are over. It is safe for concurrent use.
type Runs struct {
	dial    Dial
	log     *slog.Logger
	dialing chan struct{} // full while somebody dials or looks at client; a lock that a context can leave
	client  client.Client // nil: none yet
}

var _ workspace.Runs = (*Runs)(nil)

// New returns what asks the server that dial reaches. What keeps it from an answer
// is in the fates; log is told the details, for debugging, and may be nil.
func New(dial Dial, log *slog.Logger) *Runs {
	return &Runs{dial: dial, log: cmp.Or(log, slog.Default()), dialing: make(chan struct{}, 1)}
}

// Fates implements workspace.Runs. It takes some seconds at most where the server is dead,
// and about a minute at most where it is slow.
func (r *Runs) Fates(ctx context.Context, owners []workspace.Owner) []workspace.Fate {
	fates := make([]workspace.Fate, len(owners))
	places := map[workspace.Owner][]int{} // of fates; one run may hold several entries
	for i, o := range owners {
		if fates[i].Why = incomplete(o); fates[i].Why == nil {
			places[o] = append(places[o], i)
		}
	}
	if len(places) == 0 {
		return fates
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("Temporal has not answered everything within %v", patience))
	defer cancel()
	for o, fate := range r.ask(ctx, slices.Collect(maps.Keys(places))) {
		for _, i := range places[o] {
			fates[i] = fate
		}
	}
	return fates
}

// ask returns the fate of each of owners.
func (r *Runs) ask(ctx context.Context, owners []workspace.Owner) map[workspace.Owner]workspace.Fate {
	began := time.Now()
	fates := make(map[workspace.Owner]workspace.Fate, len(owners))
	service, cluster, err := r.connect(ctx)
	if err != nil {
		for _, o := range owners {
			fates[o] = workspace.Fate{Why: err}
		}
		return fates
	}
	namespaces := map[string][]workspace.Owner{}
	for _, o := range owners {
		if o.Cluster != cluster {
			fates[o] = workspace.Fate{Why: fmt.Errorf("its run lives in another Temporal, cluster %s; the one here is %s", o.Cluster, cluster)}
			continue
		}
		namespaces[o.Namespace] = append(namespaces[o.Namespace], o)
	}
	for _, name := range slices.Sorted(maps.Keys(namespaces)) {
		n := namespace{service: service, name: name, log: r.log}
		n.ask(ctx, namespaces[name], fates)
	}
	r.log.Debug("asked Temporal which runs are over", "runs", len(owners), "namespaces", len(namespaces), "took", time.Since(began).Round(time.Millisecond))
	return fates
}

// connect returns the server and its cluster id, dialling if need be. The id is
// asked each time: behind an address there may be another server than before,
// which knows nothing of the runs of the old one.
func (r *Runs) connect(ctx context.Context) (workflowservice.WorkflowServiceClient, string, error) {
	c, err := r.dialled(ctx)
	if err != nil {
		return nil, "", err
	}
	service := c.WorkflowService()
	info, err := call(ctx, service.GetClusterInfo, &workflowservice.GetClusterInfoRequest{})
	if err != nil {
		return nil, "", fmt.Errorf("ask Temporal for its cluster id: %w", err)
	}
	return service, info.GetClusterId(), nil
}

func (r *Runs) dialled(ctx context.Context) (client.Client, error) {
	select {
	case r.dialing <- struct{}{}:
		defer func() { <-r.dialing }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.client != nil {
		return r.client, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialPatience, fmt.Errorf("Temporal has not answered within %v", dialPatience))
	defer cancel()
	c, err := r.dial(ctx)
	if err == nil {
		r.client = c
	}
	return c, err
}

// incomplete says what is missing to ask about o.
func incomplete(o workspace.Owner) error {
	for _, part := range []struct{ value, name string }{
		{o.Cluster, "cluster id"}, {o.Namespace, "namespace"}, {o.WorkflowID, "workflow id"}, {o.RunID, "run id"},
	} {
		if part.value == "" {
			return fmt.Errorf("no Temporal can be asked: the hold has no %s", part.name)
		}
	}
	return nil
}
