package activities

import (
	"context"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/workspace"
)

const (
	// maxAwaited is how many runs' ends a worker waits for. Each is a call to Temporal that
	// is open for 20 seconds, and made again. What further runs have goes at a sweep.
	maxAwaited = 256
	// awaitAgain is how long a Temporal that does not answer is left alone.
	awaitAgain = 10 * time.Second
	// readTimeout bounds reading a run's history when it is over.
	readTimeout = 30 * time.Second
)

// awaited are the runs that have workspaces on this host and may have their cleanup on
// another one. It is safe for concurrent use.
type awaited struct {
	mu   sync.Mutex
	runs map[workflow.Execution]map[string]bool // the paths
}

// add reports whether it is the first path of its run, so that somebody has to wait for it.
func (w *awaited) add(run workflow.Execution, path string) (first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	paths, known := w.runs[run]
	switch {
	case known:
		paths[path] = true
	case len(w.runs) < maxAwaited:
		if w.runs == nil {
			w.runs = make(map[workflow.Execution]map[string]bool)
		}
		w.runs[run] = map[string]bool{path: true}
	}
	return !known && w.runs[run] != nil
}

// take forgets the run, and returns its paths.
func (w *awaited) take(run workflow.Execution) map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer delete(w.runs, run)
	return w.runs[run]
}

// cleanUpAfter sees to it that a cleanup_cache of the path reaches this host, whichever host
// takes it: whoever calls it on a queue that several hosts poll meets one of them. Temporal
// tells every host when the run is over, and its history whether it has cleaned up. Until
// then it may ask for the path again. It returns at once.
func (a *Activities) cleanUpAfter(info activity.Info, path string) {
	if a.runs.client == nil || info.WorkflowExecution.ID == "" || !a.awaited.add(info.WorkflowExecution, path) {
		return
	}
	a.background.Go(func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		a.background.Go(func() {
			select {
			case <-a.runs.stopping:
				cancel()
			case <-ctx.Done():
			}
		})
		over := a.others(ctx, info.Namespace, info.TaskQueue, hostsFor) > 0 && a.awaitEnd(ctx, info.WorkflowExecution)
		paths := a.awaited.take(info.WorkflowExecution)
		if !over {
			return
		}
		for path := range paths {
			a.cleanUpHereToo(ctx, info, path)
		}
	})
}

// awaitEnd returns when the run is over; false: nobody waits any more.
func (a *Activities) awaitEnd(ctx context.Context, run workflow.Execution) bool {
	for {
		it := a.runs.client.GetWorkflowHistory(ctx, run.ID, run.RunID, true, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
		_, err := it.Next()
		if err == nil {
			return true
		}
		if !isAway(err) {
			return false // it is not known any more, or nobody may ask: the sweep decides
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(awaitAgain):
		}
	}
}

// cleanUpHereToo does what a cleanup_cache of the run, which is over, did on another host.
func (a *Activities) cleanUpHereToo(ctx context.Context, info activity.Info, path string) {
	e, err := a.cache.Find(path)
	if err != nil || !a.holds(ctx, info, e) {
		return // it met this host
	}
	log := a.caller(info)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	cleaned, err := a.cleanedUp(ctx, info.WorkflowExecution, path)
	if err != nil {
		log.Warn("cannot read whether a run that is over has cleaned up; the sweep removes what it has here", "path", path, "error", err)
		return
	}
	if !cleaned {
		return
	}
	if err := a.cache.Salvage(ctx, path); err != nil {
		log.Error("what the run found is not in the store yet: its workspace stays, and sweeps try again", "path", path, "error", err)
	}
	out, err := a.cache.Cleanup(ctx, path, workspace.Caller{Run: info.WorkflowExecution.RunID, Owner: a.runs.of(ctx, info).owner})
	if err != nil {
		log.Error("a cleanup_cache that met another host failed here; the sweep will remove what is left", "path", path, "error", err)
		return
	}
	log.Info("cleanup_cache", "path", path, "outcome", out.Outcome, "reason", "the run is over, and its cleanup met another host", "bytes", out.Bytes)
}

// cleanedUp reports whether the last that the run did about the path was to clean it up.
// What was kept by that is not.
func (a *Activities) cleanedUp(ctx context.Context, run workflow.Execution, path string) (cleaned bool, err error) {
	given := map[int64]*historypb.ActivityTaskScheduledEventAttributes{}
	it := a.runs.client.GetWorkflowHistory(ctx, run.ID, run.RunID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for it.HasNext() {
		e, err := it.Next()
		if err != nil {
			return false, err
		}
		if s := e.GetActivityTaskScheduledEventAttributes(); s != nil {
			switch s.GetActivityType().GetName() {
			case GetTargetName, AcquireWorkspaceName, CleanupCacheName:
				given[e.GetEventId()] = s
			}
		}
		c := e.GetActivityTaskCompletedEventAttributes()
		s := given[c.GetScheduledEventId()]
		switch {
		case c == nil || s == nil:
		case s.GetActivityType().GetName() != CleanupCacheName:
			cleaned = cleaned && !handedOut(c.GetResult(), path)
		case mentions(s.GetInput(), path):
			cleaned = isNull(c.GetResult())
		}
	}
	return cleaned, nil
}

// isNull reports whether an activity's result is null, or none.
func isNull(result *commonpb.Payloads) bool {
	for _, p := range result.GetPayloads() {
		if string(p.GetMetadata()[converter.MetadataEncoding]) != converter.MetadataEncodingNil && string(p.GetData()) != "null" {
			return false
		}
	}
	return true
}
