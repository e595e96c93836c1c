package liveness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/workspace"
)

const (
	// batch is how many run ids are in one query: 5 kB of it, and less than Temporal
	// counts as one page.
	batch = 100

	// atOnce is how many runs are asked about at a time, by the calls that cost the
	// server a look into a run's own state.
	atOnce = 8
)

// namespace is one namespace of a server, being asked.
type namespace struct {
	service workflowservice.WorkflowServiceClient
	name    string
	log     *slog.Logger
}

// ask fills in the fates of owners, who are all of this namespace and cluster.
//
// Most runs that hold something are open, and the visibility store says so of a
// hundred at once. It lags, so that its word counts for open runs alone: a run
// that has just closed stays until the next sweep. The others are asked about one
// by one, which is consistent.
func (n namespace) ask(ctx context.Context, owners []workspace.Owner, fates map[workspace.Owner]workspace.Fate) {
	if len(owners) > atOnce { // fewer are asked about at once anyway
		open, err := n.open(ctx, owners)
		if err != nil {
			n.log.Debug("Temporal's visibility store cannot be asked; every run is asked about by itself", "namespace", n.name, "error", err)
		}
		owners = slices.DeleteFunc(slices.Clone(owners), func(o workspace.Owner) bool {
			if open[o.RunID] {
				fates[o] = workspace.Fate{State: workspace.RunOpen}
			}
			return open[o.RunID]
		})
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var (
		mu       sync.Mutex // guards all below, and fates
		failures int        // in a row
	)
	note := func(o workspace.Owner, fate workspace.Fate) {
		mu.Lock()
		defer mu.Unlock()
		fates[o] = fate
		if fate.Why == nil {
			failures = 0
			return
		}
		// One run may be busy or damaged; a server that is gone fails for all. As many
		// failures in a row as there are calls at once say that it is.
		if failures++; failures >= atOnce || ofAll(fate.Why) {
			giveUp(fate.Why)
		}
	}
	var asking sync.WaitGroup
	next := make(chan workspace.Owner)
	for range min(atOnce, len(owners)) {
		asking.Go(func() {
			for o := range next {
				if ctx.Err() != nil {
					note(o, workspace.Fate{Why: context.Cause(ctx)})
					continue
				}
				note(o, n.fate(ctx, o))
			}
		})
	}
	for _, o := range owners {
		next <- o
	}
	close(next)
	asking.Wait()
}

// ofAll reports whether err is about the namespace and not about one run in it.
func ofAll(err error) bool {
	var missing *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	return errors.As(err, &missing) || errors.As(err, &denied)
}

// runIDForm is what Temporal gives out. Whatever else a hold says of its run is not
// put into a query.
var runIDForm = regexp.MustCompile(`^[0-9A-Fa-f-]{1,64}$`)

// open returns those run ids of owners that the visibility store reports as
// running; with an error, of those it was asked about before.
func (n namespace) open(ctx context.Context, owners []workspace.Owner) (map[string]bool, error) {
	var ids []string
	for _, o := range owners {
		if runIDForm.MatchString(o.RunID) {
			ids = append(ids, "'"+o.RunID+"'")
		}
	}
	open := map[string]bool{}
	for part := range slices.Chunk(ids, batch) {
		answer, err := call(ctx, n.service.ListWorkflowExecutions, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: n.name,
			PageSize:  batch, // one page has them all; who is not on it is asked about again
			Query:     `ExecutionStatus = "Running" AND RunId IN (` + strings.Join(part, ", ") + `)`,
		})
		if err != nil {
			return open, err
		}
		for _, e := range answer.GetExecutions() {
			open[e.GetExecution().GetRunId()] = true
		}
	}
	return open, nil
}

// call makes one call, within callPatience.
func call[Req, Resp any](ctx context.Context, do func(context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) (Resp, error) {
	calling, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	resp, err := do(calling, req)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case calling.Err() != nil:
		err = fmt.Errorf("no answer within %v", callPatience)
	}
	return resp, err
}
