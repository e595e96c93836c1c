package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/worker/dashboard"
	"github.com/cordonlabs/cordon/workspace"
)

// fetch reads a page, or its twin into v.
func fetch(t *testing.T, address string, v any, header ...string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil || w.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s (%v): %s", address, w.Status, err, body)
	}
	if v != nil {
		if err := json.Unmarshal(body, v); err != nil {
			t.Fatalf("%s: %v: %s", address, err, body)
		}
	}
	return string(body)
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// A worker's pages show a run from fetch to cleanup, what it found, and who polls; from there one
// gets to Temporal's UI, and from Temporal's UI back.
func TestPagesShowARunFromFetchToCleanup(t *testing.T) {
	opts, _ := setup(t)
	opts.Verticals = []string{"secrets"}
	opts.Config.HTTP = "127.0.0.1:0"
	opts.TemporalUI = "http://127.0.0.1:8233"
	w := start(t, opts)
	at := "http://" + w.HTTP()
	put(t, w, "project", map[string]string{"key.pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgwMbRvI0MBZhpI\n-----END RSA PRIVATE KEY-----\n"})
	_, _, r := run(t, "secrets", "SecretDetectionWorkflow", map[string]any{"cordon.isolation": "isolated"}, "project")

	var page dashboard.Runs
	var shown dashboard.Run
	soon(t, "the run is listed with its steps", func() bool {
		page = dashboard.Runs{}
		fetch(t, at+"/api/v1/runs", &page)
		for _, run := range page.Runs {
			if run.WorkflowID == r.GetID() {
				shown = run
			}
		}
		return shown.Status == "completed" && shown.Removed != nil
	})
	var phases []string
	for _, s := range shown.Steps {
		phases = append(phases, string(s.Phase)+" "+s.State)
		if s.Ended.Before(s.Began) || s.Began.Before(s.Asked) || !strings.Contains(s.Worker, "cordon/1.2.3") {
			t.Errorf("a step is %+v", s)
		}
	}
	if got := strings.Join(phases, ", "); got != "fetch done, work done, store done, cleanup done" {
		t.Errorf("its steps are %s", got)
	}
	if shown.Target != "project" || !strings.HasSuffix(shown.UI, "/workflows/"+r.GetID()+"/"+r.GetRunID()+"/history") {
		t.Errorf("it is of %q, in Temporal's UI at %q", shown.Target, shown.UI)
	}
	if len(page.Problems) > 0 {
		t.Error(page.Problems)
	}
	query := "workflow=" + url.QueryEscape(r.GetID()) + "&run=" + r.GetRunID()
	html := fetch(t, at+"/run?"+query, nil)
	for _, want := range []string{"acquire_workspace", "scan_secrets", "report_findings", "cleanup_cache", "cleaned up by its run", "/result?workflow="} {
		if !strings.Contains(html, want) {
			t.Errorf("the run's page has no %q", want)
		}
	}
	var found dashboard.ResultPage
	fetch(t, at+"/api/v1/result?"+query, &found)
	if found.Tally.Target != "project" || len(found.Findings) == 0 || !found.SARIF {
		t.Errorf("what it found is %+v", found)
	}
	var hosts dashboard.Hosts
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("hosts: %+v", hosts)
		}
	})
	soon(t, "the worker is listed", func() bool {
		fetch(t, at+"/api/v1/hosts", &hosts)
		here := 0
		for _, q := range hosts.Queues {
			for _, p := range q.Pollers {
				// Temporal may still know workers of this process that earlier tests had.
				if id, ok := pollers.Parse(p.Identity); ok && id.Host == w.Cache().HostID() && p.Here && p.Problem == "" {
					here++
				}
			}
		}
		return here == 2 // on the vertical's queue, and its own
	})

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := server().GetDefaultClient().QueryWorkflow(ctx, r.GetID(), r.GetRunID(), "__temporal_workflow_metadata")
	if err != nil {
		t.Fatal(err)
	}
	var details sdkpb.WorkflowMetadata
	if err := answer.Get(&details); err != nil || !strings.Contains(details.GetCurrentDetails(), "]("+at+"/run?") {
		t.Errorf("Temporal's UI says %q (%v)", details.GetCurrentDetails(), err)
	}
}

// What fuzzers tell by their heartbeats is on a page while they do, whatever their workflow is
// called; and runs that fail say why.
func TestPagesShowFuzzersAndFailures(t *testing.T) {
	store, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cache, err := workspace.Open(workspace.Options{Dir: t.TempDir(), Store: store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	c := server().GetDefaultClient()
	const queue = "it's a queue of campaigns"
	identity := pollers.Identity{Version: "1.2.3", Serve: "all", Activities: "0a1b2c3d", Workflows: "0a1b2c3d", Process: "7@here"}
	pages := httptest.NewServer(dashboard.New(dashboard.Options{
		Cache: cache, Store: store, Temporal: func() client.Client { return c }, Namespace: server().GetDefaultNamespace(), Queues: []dashboard.Queue{{Name: queue, Identity: identity}},
	}))
	t.Cleanup(pages.Close)

	w := sdkworker.New(c, queue, sdkworker.Options{Identity: "somebody else", MaxHeartbeatThrottleInterval: 100 * time.Millisecond})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 2 * time.Minute, WaitForCancellation: true})
		return workflow.ExecuteActivity(ctx, "campaign").Get(ctx, nil)
	}, workflow.RegisterOptions{Name: "Hunt"})
	stop := make(chan struct{})
	w.RegisterActivityWithOptions(func(ctx context.Context) error {
		for executions := int64(0); ; executions += 1000 {
			live := fuzz.Live{Stats: fuzz.Stats{Executions: executions, PerSecond: 10_000, Coverage: 42, Corpus: 7}, Engine: "libfuzzer", Harness: "<b>parse</b>", Stage: fuzz.StageFuzz, Duration: fuzz.Seconds(time.Hour)}
			activity.RecordHeartbeat(ctx, activities.Progress{Stage: live.String(), Done: executions, Unit: activities.Executions, Fuzzing: &activities.FuzzState{Live: live}})
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-stop:
				return &cordon.Error{Kind: cordon.InvalidArgument, Op: "fuzz", Err: errors.New("the harness is gone"), Fix: "it was told to stop"}
			case <-time.After(50 * time.Millisecond):
			}
		}
	}, activity.RegisterOptions{Name: "campaign"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	hunt, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "Hunt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.TerminateWorkflow(context.Background(), hunt.GetID(), "", "the test is over") }) // where it is not over

	var p dashboard.Fuzzing
	soon(t, "the campaign is shown", func() bool {
		fetch(t, pages.URL+"/api/v1/fuzzing", &p)
		return len(p.Campaigns) == 1 && p.Campaigns[0].Live.Executions > 0
	})
	if got := p.Campaigns[0]; got.WorkflowID != hunt.GetID() || got.Live.Coverage != 42 || got.Worker != "somebody else" {
		t.Errorf("it is %+v", got)
	}
	soon(t, "its page has a curve, once there are two points of it", func() bool {
		html := fetch(t, pages.URL+"/fuzzing", nil)
		return strings.Contains(html, "&lt;b&gt;parse&lt;/b&gt;") && strings.Contains(html, "<polyline")
	})
	var o dashboard.Overview
	fetch(t, pages.URL+"/api/v1/overview", &o)
	if o.Runs == nil || *o.Runs != 1 || o.Fuzzers == nil || *o.Fuzzers != 1 {
		t.Errorf("the overview says %v, %v", o.Runs, o.Fuzzers)
	}
	var hosts dashboard.Hosts
	fetch(t, pages.URL+"/api/v1/hosts", &hosts)
	if q := hosts.Queues[0]; len(q.Pollers) == 0 || q.Pollers[0].Cordon || q.Pollers[0].Problem == "" {
		t.Errorf("a worker that is not Cordon's is %+v", q)
	}

	if err := c.CancelWorkflow(t.Context(), hunt.GetID(), ""); err != nil {
		t.Fatal(err)
	}
	_ = hunt.Get(t.Context(), nil) // it was cancelled
	close(stop)
	again, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "Hunt")
	if err != nil {
		t.Fatal(err)
	}
	var run dashboard.RunPage
	soon(t, "a run whose step fails again and again says why", func() bool {
		fetch(t, pages.URL+"/api/v1/run?workflow="+url.QueryEscape(again.GetID()), &run)
		return len(run.Steps) == 1 && strings.Contains(run.Steps[0].Failure, "it was told to stop")
	})
	if err := c.TerminateWorkflow(t.Context(), again.GetID(), "", "the test is over"); err != nil {
		t.Fatal(err)
	}
	soon(t, "both are over", func() bool {
		var failed dashboard.Runs
		fetch(t, pages.URL+"/api/v1/runs?status=failed", &failed)
		return len(failed.Runs) == 2 && failed.After == ""
	})
}
