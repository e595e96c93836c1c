package dashboard

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace"
)

// Runs is a page of Temporal's runs on this worker's queues, the latest first, and what holds
// entries without one.
type Runs struct {
	Runs     []Run     `json:"runs"`
	Others   []Holding `json:"other_holders"` // of the first page
	After    string    `json:"after"`         // of the page after this; "" is the last
	Problems []string  `json:"problems,omitempty"`
}

// Run is one execution of a workflow.
type Run struct {
	WorkflowID string    `json:"workflow_id"`
	RunID      string    `json:"run_id"`
	Type       string    `json:"workflow"`
	Queue      string    `json:"task_queue"`
	Status     string    `json:"status"` // Temporal's, in small letters
	Began      time.Time `json:"started"`
	Ended      time.Time `json:"closed,omitzero"`
	Target     string    `json:"target_id,omitempty"`
	Steps      []Step    `json:"steps"`
	UI         string    `json:"temporal_url,omitempty"`
	Holds      []string  `json:"holds"` // keys of entries of this host

	Removed *workspace.Event `json:"removed,omitempty"` // when and why its own workspace went from this host
	Freed   int64            `json:"freed_bytes,omitempty"`

	Until time.Time `json:"-"` // Ended, or now
}

// Open reports whether the run is not over.
func (r Run) Open() bool { return r.Ended.IsZero() }

// Now is the step that the run is at, or nil.
func (r Run) Now() *Step {
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Ended.IsZero() && r.Open() {
			return s
		}
	}
	return nil
}

// Took is how long the steps of a phase took, their waiting included.
func (r Run) Took(phase string) time.Duration {
	var sum time.Duration
	for _, s := range r.Steps {
		if s.Phase == Phase(phase) && !s.Ended.IsZero() {
			sum += s.Ended.Sub(s.Asked)
		}
	}
	return sum
}

// Holding is a hold of what is no run of Temporal's, so far as is known here.
type Holding struct {
	Run   string    `json:"run_id"`
	Since time.Time `json:"since"`
	Live  bool      `json:"live"`
	Key   string    `json:"key"`
	Entry string    `json:"path"`
}

// runsQuery says which runs are wanted.
type runsQuery struct {
	status string // "", "open", "completed", "failed"
	after  string // of Runs.After
}

func runsQueryOf(r *http.Request) runsQuery {
	return runsQuery{status: r.URL.Query().Get("status"), after: r.URL.Query().Get("after")}
}

// The conditions of runsQuery.status, in the language of Temporal's list filters.
var statuses = map[string]string{
	"open": "ExecutionStatus = 'Running'", "completed": "ExecutionStatus = 'Completed'",
	"failed": "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated', 'Canceled')",
}

const (
	runsOnPage = 20

	// abreast is how many questions to Temporal a page has under way at once.
	abreast = 6
)

func (d *Dashboard) runs(ctx context.Context, q runsQuery) (any, error) {
	p := Runs{Runs: []Run{}, Others: []Holding{}}
	condition, known := statuses[q.status]
	if q.status != "" && !known {
		return nil, unknownChoice("status", q.status, statuses)
	}
	token, err := base64.RawURLEncoding.DecodeString(q.after)
	if err != nil {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "list runs", Err: errors.New("after is none that a page of this list named"), Fix: "begin with the first page"}
	}
	entries, err := d.entries.get(ctx)
	if err != nil {
		return nil, err
	}
	if q == (runsQuery{}) {
		p.Others = others(entries)
	}
	c := d.temporal()
	if c == nil {
		p.Problems = append(p.Problems, "Temporal is not reached: its runs are not known.")
		return p, nil
	}
	infos, next, err := d.list(ctx, c, condition, runsOnPage, token)
	if err != nil {
		p.Problems = append(p.Problems, problem("Temporal does not list its runs", err))
		return p, nil
	}
	p.After = base64.RawURLEncoding.EncodeToString(next)
	events, _ := d.journal.get(ctx) // what is missing is when a workspace went
	p.Runs = make([]Run, len(infos))
	var working sync.WaitGroup
	var mu sync.Mutex
	slots := make(chan struct{}, abreast)
	for i, info := range infos {
		working.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			run, err := d.run(ctx, c, info, entries, events)
			p.Runs[i] = run
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				p.Problems = append(p.Problems, problem("the history of "+info.GetExecution().GetWorkflowId(), err))
			}
		})
	}
	working.Wait()
	return p, nil
}

// list asks Temporal for runs of the worker's queues, the latest first.
func (d *Dashboard) list(ctx context.Context, c client.Client, condition string, size int, token []byte) ([]*workflowpb.WorkflowExecutionInfo, []byte, error) {
	query := condition
	if len(d.opts.Queues) > 0 {
		var names []string
		for _, q := range d.opts.Queues {
			names = append(names, "'"+strings.ReplaceAll(q.Name, "'", "''")+"'")
		}
		query = "TaskQueue IN (" + strings.Join(names, ", ") + ")"
		if condition != "" {
			query += " AND " + condition
		}
	}
	answer, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: d.opts.Namespace, PageSize: int32(size), Query: query, NextPageToken: token, // #nosec G115 of pages
	})
	if err != nil {
		return nil, nil, err
	}
	return answer.GetExecutions(), answer.GetNextPageToken(), nil
}

// run puts together what is known of a run.
func (d *Dashboard) run(ctx context.Context, c client.Client, info *workflowpb.WorkflowExecutionInfo, entries []workspace.Entry, events []workspace.Event) (Run, error) {
	e := execution{info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId()}
	r := Run{
		WorkflowID: e.workflow, RunID: e.run, Type: info.GetType().GetName(), Queue: info.GetTaskQueue(), Status: statusWord(info.GetStatus()),
		Began: info.GetStartTime().AsTime(), Until: d.now(), Steps: []Step{}, Holds: []string{}, UI: d.uiURL("workflows", e.workflow, e.run, "history"),
	}
	if info.GetCloseTime() != nil {
		r.Ended = info.GetCloseTime().AsTime()
		r.Until = r.Ended
	}
	for _, entry := range entries {
		if slices.ContainsFunc(entry.Holders, func(h workspace.Holder) bool { return h.Owner.RunID == e.run || h.Run == e.run }) || entry.Run == e.run {
			r.Holds = append(r.Holds, entry.Key)
		}
	}
	for _, event := range events {
		if !ofRun(event, e.run) {
			continue
		}
		switch event.Action {
		case "remove":
			r.Removed = &event
		case "deleted":
			r.Freed = event.Bytes
		}
	}
	t, err := d.timeline(ctx, c, e, !r.Open())
	if err != nil {
		return r, err
	}
	r.Target, r.Steps = t.target, append(r.Steps, place(t.steps, r.Began, r.Until)...)
	return r, nil
}

// timeline returns what a run did; of one that is over it does not change any more.
func (d *Dashboard) timeline(ctx context.Context, c client.Client, e execution, over bool) (*timeline, error) {
	if t, ok := d.timelines.get(e); ok {
		return t, nil
	}
	t, err := readTimeline(ctx, c, e)
	if err != nil {
		return nil, err
	}
	if over {
		d.timelines.put(e, t)
		return t, nil
	}
	about, err := c.DescribeWorkflowExecution(ctx, e.workflow, e.run)
	if err != nil {
		return nil, err
	}
	t.pending(about.GetPendingActivities())
	return t, nil
}

func statusWord(s enumspb.WorkflowExecutionStatus) string {
	switch s {
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return "continued as new"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed out"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	}
	return strings.ToLower(s.String())
}

// others returns who holds entries and is no run of a Temporal.
func others(entries []workspace.Entry) []Holding {
	all := map[string]Holding{}
	for _, e := range entries {
		if e.Kind == workspace.KindBase {
			continue // its holders are those of views
		}
		for _, h := range e.Holders {
			if h.Owner.WorkflowID == "" {
				all[h.Run+"\x00"+e.Key] = Holding{h.Run, h.Since, h.Live, e.Key, e.Path}
			}
		}
	}
	list := slices.Collect(maps.Values(all))
	slices.SortFunc(list, func(a, b Holding) int { return b.Since.Compare(a.Since) })
	return append([]Holding{}, list[:min(len(list), pageSize)]...)
}

// RunPage is one run.
type RunPage struct {
	Run
	Cut    bool              `json:"history_cut"` // it is longer than is read
	Result bool              `json:"result"`      // the store has findings of its workflow
	Events []workspace.Event `json:"events"`      // of its own workspace here
	Held   []workspace.Entry `json:"entries"`     // that it has here
}

func (d *Dashboard) runPage(r *http.Request) (any, error) {
	ctx, id := r.Context(), r.URL.Query().Get("workflow")
	c := d.temporal()
	if c == nil {
		return nil, &cordon.Error{Kind: cordon.StorageUnavailable, Op: "show run", Name: fmt.Sprintf("%q", id), Err: errors.New("Temporal is not reached"), Fix: fixTemporal}
	}
	about, err := c.DescribeWorkflowExecution(ctx, id, r.URL.Query().Get("run"))
	if err != nil {
		return nil, temporalError("show run", id, err)
	}
	entries, err := d.entries.get(ctx)
	if err != nil {
		return nil, err
	}
	events, err := d.journal.get(ctx)
	if err != nil {
		return nil, err
	}
	info := about.GetWorkflowExecutionInfo()
	run, err := d.run(ctx, c, info, entries, events)
	if err != nil {
		return nil, temporalError("show run", id, err)
	}
	p := RunPage{Run: run, Events: []workspace.Event{}, Held: []workspace.Entry{}}
	if t, ok := d.timelines.get(execution{run.WorkflowID, run.RunID}); ok {
		p.Cut = t.cut
	}
	if all, err := d.results.get(ctx); err == nil { // else a link is missing
		key, err := target.ResultKey(run.WorkflowID, "json")
		p.Result = err == nil && slices.ContainsFunc(all, func(i target.ResultInfo) bool { return i.Key == key })
	}
	for _, e := range events {
		if ofRun(e, run.RunID) {
			p.Events = append(p.Events, e)
		}
	}
	for _, e := range entries {
		if slices.Contains(run.Holds, e.Key) {
			p.Held = append(p.Held, e)
		}
	}
	return p, nil
}
