package worker_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workspace"
)

// overridden makes the worker's secret_detection one whose metadata was edited, and
// whose results cannot be stored, so that its runs fail when they have a workspace.
func overridden(t *testing.T, opts *worker.Options, line string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "secret_detection")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "name: secret_detection\nvertical: secrets\nworkspace_isolation: isolated\n" + line + "\n"
	if err := os.WriteFile(filepath.Join(dir, "metadata.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	opts.Config.WorkflowDirs = []string{dir}
	if err := os.WriteFile(filepath.Join(opts.Config.StoreDir, "results"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	opts.Config.Grace = -1
}

// CONTRACT §8.12, from the metadata to the error and the sweep.
func TestAFailedRunsWorkspaceIsKeptWhereTheMetadataSaysSo(t *testing.T) {
	for _, keep := range []bool{false, true} {
		line := ""
		if keep {
			line = "keep_on_failure: true"
		}
		t.Run(line, func(t *testing.T) {
			opts, _ := setup(t)
			overridden(t, &opts, line)
			w := start(t, opts)
			put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			run, err := server().GetDefaultClient().ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "secrets-queue"}, "SecretDetectionWorkflow", "project")
			if err != nil {
				t.Fatal(err)
			}
			err = run.Get(ctx, nil)
			path := filepath.Join(opts.Config.CacheDir, "project", run.GetRunID(), "workspace")
			if err == nil || strings.Contains(err.Error(), "workspace is kept at "+path) != keep {
				t.Errorf("the run failed with %v", err)
			}
			sweep(t, w)
			if _, err := os.Stat(filepath.Join(path, "a.py")); (err == nil) != keep {
				t.Errorf("after a sweep: %v", err)
			}
		})
	}
}

// sweep sweeps, once the sweep that a worker begins with is over.
func sweep(t *testing.T, w *worker.Worker) {
	t.Helper()
	for {
		report, err := w.Cache().Sweep(t.Context(), workspace.SweepOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !report.Busy {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// getFor gets the project for a run that does not ask itself.
func getFor(t *testing.T, w *worker.Worker, run client.WorkflowRun) string {
	t.Helper()
	cluster, err := server().GetDefaultClient().WorkflowService().GetClusterInfo(t.Context(), &workflowservice.GetClusterInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	project, err1 := cordon.ParseTargetID("project")
	id, err2 := cordon.ParseRunID(run.GetRunID())
	ws, err3 := w.Cache().Get(t.Context(), workspace.Request{Target: project, Run: id, Mode: cordon.Isolated, Owner: workspace.Owner{
		Cluster: cluster.GetClusterId(), Namespace: server().GetDefaultNamespace(),
		WorkflowID: run.GetID(), FirstRunID: run.GetRunID(), RunID: run.GetRunID(),
	}})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return ws.Path
}

func TestAWorkersSweepAsksItsTemporalWhichRunsAreOver(t *testing.T) {
	opts, _ := setup(t)
	opts.Config.Grace = -1
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Nobody polls the queue: the run is open until somebody ends it.
	c := server().GetDefaultClient()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "nobody's"}, "SecretDetectionWorkflow", "project")
	if err != nil {
		t.Fatal(err)
	}
	path := getFor(t, w, run)
	for _, open := range []bool{true, false} {
		if !open {
			if err := c.TerminateWorkflow(ctx, run.GetID(), "", "a test"); err != nil {
				t.Fatal(err)
			}
		}
		sweep(t, w)
		if _, err := os.Stat(path); (err == nil) != open {
			t.Errorf("while the run is open (%v), after a sweep: %v", open, err)
		}
	}
}
