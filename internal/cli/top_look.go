package cli

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/workspace"
)

// runState is what an activity of a run that holds something is doing.
type runState struct {
	WorkflowID string     `json:"workflow_id"`
	RunID      string     `json:"run_id"`
	Type       string     `json:"workflow_type"`
	Status     string     `json:"status"`
	Activity   string     `json:"activity,omitempty"` // "" where it is between two
	Attempt    int32      `json:"attempt,omitempty"`
	Since      time.Time  `json:"since,omitzero"` // when the attempt began
	Worker     string     `json:"worker,omitempty"`
	Stage      string     `json:"stage,omitempty"`
	Done       int64      `json:"done,omitempty"`
	Total      int64      `json:"total,omitempty"`
	Unit       string     `json:"unit,omitempty"`
	Fuzzing    *fuzz.Live `json:"fuzzing,omitempty"`
}

// watcher looks at a cache, and at what Temporal knows of the runs that hold something.
type watcher struct {
	cache *workspace.Cache
	now   func() time.Time
	dial  func(context.Context) (client.Client, error)

	client client.Client
	tried  time.Time // to reach Temporal
	failed error
}

const (
	// askRuns is how many runs are asked about at each look, and askAtOnce at once.
	askRuns   = 100
	askAtOnce = 8
	// askPatience bounds the asking: the view is drawn anyhow.
	askPatience = 2 * time.Second
	// redialAfter is when a Temporal that could not be reached is tried again.
	redialAfter = 15 * time.Second
)

func (w *watcher) close() {
	if w.client != nil {
		w.client.Close()
	}
}

// look takes a picture of everything.
func (w *watcher) look(ctx context.Context) (*snapshot, error) {
	s := &snapshot{Time: w.now(), Dir: w.cache.Dir(), Runs: []runState{}}
	var err error
	if s.Usage, err = w.cache.Usage(); err != nil {
		return nil, err
	}
	if s.Making, err = w.cache.Making(); err != nil {
		return nil, err
	}
	if s.Entries, err = w.cache.Entries(); err != nil {
		return nil, err
	}
	// What was used last is what people look for.
	slices.SortStableFunc(s.Entries, func(a, b workspace.Entry) int { return b.LastUsed.Compare(a.LastUsed) })
	w.ask(ctx, s)
	return s, nil
}

// ask asks Temporal what the runs do.
func (w *watcher) ask(ctx context.Context, s *snapshot) {
	owners := ownersOf(s.Entries)
	if len(owners) == 0 {
		return
	}
	if w.client == nil && w.now().Sub(w.tried) >= redialAfter {
		w.client, w.failed = w.dial(ctx)
		w.tried = w.now()
	}
	if w.client == nil {
		s.Silent = w.failed.Error()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, askAtOnce)
	for _, o := range owners[:min(len(owners), askRuns)] {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			d, err := w.client.DescribeWorkflowExecution(ctx, o.WorkflowID, o.RunID)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				s.Silent = cmp.Or(s.Silent, err.Error())
				return
			}
			s.Runs = append(s.Runs, statesOf(o, d.GetWorkflowExecutionInfo(), d.GetPendingActivities())...)
		})
	}
	wg.Wait()
	slices.SortFunc(s.Runs, func(a, b runState) int {
		return cmp.Or(strings.Compare(a.WorkflowID, b.WorkflowID), strings.Compare(a.RunID, b.RunID), strings.Compare(a.Activity, b.Activity))
	})
}

// ownersOf returns the executions that hold something, those of entries used last first.
func ownersOf(entries []workspace.Entry) (owners []workspace.Owner) {
	seen := map[string]bool{}
	for _, e := range entries {
		for _, h := range e.Holders {
			if o := h.Owner; o.WorkflowID != "" && !seen[o.RunID] && h.Kept == "" {
				seen[o.RunID] = true
				owners = append(owners, o)
			}
		}
	}
	return owners
}

// statesOf describes what a run's activities are doing, or the run where it has none.
func statesOf(o workspace.Owner, info *workflowpb.WorkflowExecutionInfo, pending []*workflowpb.PendingActivityInfo) (states []runState) {
	run := runState{WorkflowID: o.WorkflowID, RunID: o.RunID, Type: info.GetType().GetName(), Status: strings.ToLower(info.GetStatus().String())}
	for _, p := range pending {
		s := run
		s.Activity, s.Attempt, s.Worker = p.GetActivityType().GetName(), p.GetAttempt(), p.GetLastWorkerIdentity()
		if t := p.GetLastStartedTime(); t != nil {
			s.Since = t.AsTime()
		}
		var last activities.Progress
		if d := p.GetHeartbeatDetails(); len(d.GetPayloads()) > 0 && converter.GetDefaultDataConverter().FromPayload(d.GetPayloads()[0], &last) == nil {
			s.Stage, s.Done, s.Total, s.Unit = last.Stage, last.Done, last.Total, last.Unit
			if last.Fuzzing != nil {
				live := last.Fuzzing.Live
				live.Found = nil // for the next attempt, and long
				s.Fuzzing = &live
			}
		}
		states = append(states, s)
	}
	if len(states) == 0 {
		states = []runState{run}
	}
	return states
}

// dialLater returns how to reach the Temporal that flags, environment and profile name.
func (a *app) dialLater() func(context.Context) (client.Client, error) {
	return func(ctx context.Context) (client.Client, error) {
		opts, _, err := config.TemporalOptions(a.temporal, a.environ)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, askPatience)
		defer cancel()
		c, err := connect(ctx, opts)
		if err != nil && err == context.Cause(ctx) {
			err = temporalFailure(opts, err)
		}
		return c, err
	}
}
