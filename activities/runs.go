package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/workspace"
)

// askTimeout bounds a question to the Temporal server that an activity asks
// about its own run. The server has just handed out the task, so that it
// answers at once or is in trouble; the activity goes on without the answer.
const askTimeout = 5 * time.Second

// maxRuns is how many runs are remembered; each takes some hundred bytes. A
// forgotten run is asked about again.
const maxRuns = 4096

// run is what an activity's own info does not say about the run that called it.
type run struct {
	owner        workspace.Owner
	parent, root workspace.Owner // who started it, and who began that; without a cluster id
	mode         cordon.Mode     // from the memo; "" where it has none
	lineage      string          // likewise
}

// runs asks Temporal about runs, once each. Its methods are safe for concurrent use.
type runs struct {
	client    client.Client // nil: nobody can be asked
	namespace string        // that client is of; "" where nobody said
	log       *slog.Logger
	stopping  <-chan struct{} // closed by Activities.Stop
	drains    bool            // as Options.Drains

	mu      sync.Mutex
	known   map[workspace.Owner]run // by an owner of just namespace, workflow id and run id
	cluster string
}

// of returns the run that called the activity described by info. It never
// fails: what cannot be learnt is left out, with a warning.
func (r *runs) of(ctx context.Context, info activity.Info) run {
	if info.WorkflowExecution.ID == "" {
		return run{} // a standalone activity: no run
	}
	found := r.about(ctx, workspace.Owner{Namespace: info.Namespace, WorkflowID: info.WorkflowExecution.ID, RunID: info.WorkflowExecution.RunID})
	if found.owner.FirstRunID == "" {
		found.owner.FirstRunID = doorOf(ctx).firstRun
	}
	return found
}

// owner returns whose the workspace of the run id is that caller asks for: its own,
// or that of the workflow that started it, which a child may work for. Any other
// id is a name that the caller gave to what it has itself.
func (r *runs) owner(ctx context.Context, caller run, id cordon.RunID) workspace.Owner {
	for _, above := range []workspace.Owner{caller.parent, caller.root} {
		if above.RunID == id.String() {
			return r.about(ctx, above).owner
		}
	}
	return caller.owner
}

// about returns the run of the execution key.
func (r *runs) about(ctx context.Context, key workspace.Owner) run {
	r.mu.Lock()
	known, ok := r.known[key]
	r.mu.Unlock()
	if ok {
		return known
	}
	found, err := r.ask(ctx, key)
	if err != nil {
		r.log.Warn("cannot ask Temporal about a run: its memo is not seen, and its workspace ends by cleanup or expiry",
			"workflow_id", key.WorkflowID, "run_id", key.RunID, "error", err)
		return run{owner: key}
	}
	r.mu.Lock()
	if r.known == nil || len(r.known) >= maxRuns {
		r.known = make(map[workspace.Owner]run)
	}
	r.known[key] = found
	r.mu.Unlock()
	return found
}

func (r *runs) ask(ctx context.Context, key workspace.Owner) (run, error) {
	if r.client == nil {
		return run{}, errors.New("this worker has no Temporal client")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	cluster, err := r.clusterID(ctx)
	if err != nil {
		return run{}, err
	}
	d, err := r.describe(ctx, key)
	if err != nil {
		return run{}, err
	}
	info := d.GetWorkflowExecutionInfo()
	above := func(e *commonpb.WorkflowExecution) workspace.Owner {
		return workspace.Owner{Namespace: key.Namespace, WorkflowID: e.GetWorkflowId(), RunID: e.GetRunId()}
	}
	found := run{parent: above(info.GetParentExecution()), root: above(info.GetRootExecution())}
	key.Cluster, key.FirstRunID = cluster, info.GetFirstRunId()
	found.owner, found.mode, found.lineage = key, r.memoMode(info, key), memoText(info, MemoLineage)
	return found, nil
}

// describe asks about a run of the client's own namespace, which tries again by itself,
// or of another.
func (r *runs) describe(ctx context.Context, key workspace.Owner) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if r.namespace == "" || key.Namespace == r.namespace {
		return r.client.DescribeWorkflowExecution(ctx, key.WorkflowID, key.RunID)
	}
	return r.client.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: key.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: key.WorkflowID, RunId: key.RunID},
	})
}

// clusterID returns the id of the Temporal cluster, which never changes.
func (r *runs) clusterID(ctx context.Context) (string, error) {
	r.mu.Lock()
	id := r.cluster
	r.mu.Unlock()
	if id != "" {
		return id, nil
	}
	info, err := r.client.WorkflowService().GetClusterInfo(ctx, &workflowservice.GetClusterInfoRequest{})
	if err != nil {
		return "", fmt.Errorf("get cluster info: %w", err)
	}
	r.mu.Lock()
	r.cluster = info.GetClusterId()
	r.mu.Unlock()
	return info.GetClusterId(), nil
}

// memoText reads a string of the run's memo; what cannot be read is none.
func memoText(info *workflowpb.WorkflowExecutionInfo, key string) (s string) {
	if payload, ok := info.GetMemo().GetFields()[key]; ok && converter.GetDefaultDataConverter().FromPayload(payload, &s) != nil {
		return ""
	}
	return s
}

// memoMode reads the mode that the run's memo carries. One that cannot be read
// counts as none: a memo is a wish of who started the run, not of the workflow.
func (r *runs) memoMode(info *workflowpb.WorkflowExecutionInfo, key workspace.Owner) cordon.Mode {
	payload, ok := info.GetMemo().GetFields()[MemoIsolation]
	if !ok {
		return ""
	}
	var s string
	err := converter.GetDefaultDataConverter().FromPayload(payload, &s)
	if err == nil && s == "" {
		return ""
	}
	var mode cordon.Mode
	if err == nil {
		mode, err = cordon.ParseMode(s)
	}
	if err != nil {
		r.log.Warn("the run's memo does not hold a mode; it is ignored", "memo", MemoIsolation,
			"workflow_id", key.WorkflowID, "run_id", key.RunID, "error", err)
	}
	return mode
}
