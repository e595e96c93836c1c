package activities_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
)

// stays is one call of stayWorkflow's function.
type stays struct {
	Host, Run, Path string
	Found           []string // what is in the workspace at first
}

// stayWorkflow calls "work" at each workspace that it is given, and says where that was.
func stayWorkflow(ctx workflow.Context, opts activities.WorkspaceOptions) (out []stays, err error) {
	if err := workflow.SetQueryHandler(ctx, "stays", func() ([]stays, error) { return out, nil }); err != nil {
		return nil, err
	}
	err = activities.WithWorkspace(ctx, opts, func(ctx workflow.Context, ws activities.Workspace) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, HeartbeatTimeout: 3 * time.Second, WaitForCancellation: true,
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: time.Second},
		})
		at := stays{Host: ws.Host, Run: ws.RunID, Path: ws.Path}
		if err := workflow.ExecuteActivity(ctx, "look", ws.Path).Get(ctx, &at.Found); err != nil {
			return err
		}
		out = append(out, at)
		return workflow.ExecuteActivity(ctx, "work", ws.Path, len(out)).Get(ctx, nil)
	})
	return out, err
}

func look(_ context.Context, path string) (names []string, err error) {
	list, err := os.ReadDir(path)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, errors.Join(err, os.WriteFile(filepath.Join(path, "begun"), nil, 0o600))
}

// hang works until it is told to stop.
func hang(ctx context.Context) error {
	for {
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-activity.GetWorkerStopChannel(ctx):
			return errors.New("the worker stops")
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// twoHouses are two hosts of one queue and store. work is what each has as that activity.
func twoHouses(t *testing.T, work any) (houses [2]*house, stop [2]func()) {
	t.Helper()
	for i := range houses {
		houses[i] = open(t, options{hostWait: 2 * time.Second, beside: houses[0], workflows: map[string]any{"StayWorkflow": stayWorkflow}})
		_, hosts := houses[i].pollHost(map[string]any{"look": look, "work": work})
		stop[i] = func() { // as if it had no power any more
			hosts()
			houses[i].stop()
		}
	}
	houses[0].put("project", map[string]string{"a.txt": "a"})
	return houses, stop
}

func (h *house) of(all [2]*house, host string) (i int) {
	h.t.Helper()
	i = slices.IndexFunc(all[:], func(h *house) bool { return h.cache.HostID() == host })
	if i < 0 {
		h.t.Fatalf("there is no host %q", host)
	}
	return i
}

// The run's author writes nothing for it: the next host has a fresh workspace.
func TestWithWorkspaceGoesOnElsewhereWhereTheHostIsGone(t *testing.T) {
	t.Parallel()
	for _, mode := range []cordon.Mode{cordon.Isolated, cordon.CopyOnWrite} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			houses, stop := twoHouses(t, func(ctx context.Context, _ string, n int) error {
				if n > 1 {
					return nil
				}
				return hang(ctx)
			})
			h := houses[0]
			run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "StayWorkflow", activities.WorkspaceOptions{Target: "project", Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			var at []stays
			h.until(func() bool {
				v, err := h.client.QueryWorkflow(context.Background(), run.GetID(), "", "stays")
				return err == nil && v.Get(&at) == nil && len(at) == 1 && len(h.ran(run.GetID(), "", "work")) == 1
			})
			first := h.of(houses, at[0].Host)
			stop[first]()
			var got []stays
			if err := h.wait(run, &got); err != nil {
				t.Fatalf("%v\n%s", err, houses[1-first].log)
			}
			if len(got) != 2 || got[1].Host != houses[1-first].cache.HostID() || !slices.Equal(got[1].Found, []string{"a.txt"}) {
				t.Errorf("it was at %+v", got)
			}
			if exists(got[1].Path) {
				t.Error("the second workspace is still there")
			}
			if queues := h.ran(run.GetID(), "", activities.CleanupCacheName); len(queues) != 2 || !slices.Contains(queues, activities.HostQueue(h.queue, got[0].Host)) {
				t.Errorf("cleanups on %q", queues)
			}
			h.replay(run.GetID(), "", "StayWorkflow", stayWorkflow)
		})
	}
}

func TestWithWorkspaceBeginsAgainWhereTheWorkspaceIsLost(t *testing.T) {
	t.Parallel()
	t.Run("an activity says so", func(t *testing.T) {
		t.Parallel()
		houses, _ := twoHouses(t, func(_ context.Context, path string, n int) error {
			if n == 1 {
				return activities.ApplicationError("work", &cordon.Error{Kind: cordon.WorkspaceLost, Op: "work", Err: errors.New("gone")})
			}
			return nil
		})
		h := houses[0]
		run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "StayWorkflow", activities.WorkspaceOptions{Target: "project"})
		if err != nil {
			t.Fatal(err)
		}
		var got []stays
		if err := h.wait(run, &got); err != nil {
			t.Fatal(err)
		}
		// The same host may have it, which is well: but not the same directory.
		if len(got) != 2 || got[1].Run != run.GetRunID()+"-2" || !slices.Equal(got[1].Found, []string{"a.txt"}) {
			t.Errorf("it was at %+v", got)
		}
		for _, at := range got {
			if path := at.Path; exists(path) {
				t.Errorf("%s is still there", path)
			}
		}
	})
	t.Run("it is taken away while an activity works", func(t *testing.T) {
		t.Parallel()
		houses, _ := twoHouses(t, func(ctx context.Context, path string, n int) error {
			if n == 1 {
				return errors.Join(os.RemoveAll(filepath.Dir(path)), hang(ctx))
			}
			return nil
		})
		h := houses[0]
		run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "StayWorkflow", activities.WorkspaceOptions{Target: "project"})
		if err != nil {
			t.Fatal(err)
		}
		var got []stays
		if err := h.wait(run, &got); err != nil || len(got) != 2 {
			t.Errorf("it was at %+v, %v", got, err)
		}
	})
	t.Run("again and again", func(t *testing.T) {
		t.Parallel()
		houses, _ := twoHouses(t, func(context.Context, string, int) error {
			return activities.ApplicationError("work", &cordon.Error{Kind: cordon.WorkspaceLost, Op: "work", Err: errors.New("gone")})
		})
		h := houses[0]
		run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "StayWorkflow", activities.WorkspaceOptions{Target: "project", Hosts: 3})
		if err != nil {
			t.Fatal(err)
		}
		app := failed(t, h.wait(run, nil))
		if app.Type() != string(cordon.WorkspaceLost) || !app.NonRetryable() || !strings.Contains(app.Message(), "3 hosts") {
			t.Errorf("the error is %v", app)
		}
		if n := len(h.ran(run.GetID(), "", "work")); n != 3 {
			t.Errorf("it was tried %d times, want 3", n)
		}
		h.replay(run.GetID(), "", "StayWorkflow", stayWorkflow)
	})
}

// A host whose slots are taken is there all the same: its runs wait for it.
func TestWithWorkspaceWaitsForAHostThatIsBusy(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	h := open(t, options{hostWait: time.Second, slots: 1, workflows: map[string]any{"StayWorkflow": stayWorkflow}})
	h.put("project", map[string]string{"a.txt": "a"})
	h.pollHost(map[string]any{"look": look, "work": func(ctx context.Context, _ string, _ int) error {
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-release:
				return nil
			case <-time.After(100 * time.Millisecond):
			}
		}
	}})
	var runs [2]client.WorkflowRun
	for i := range runs {
		var err error
		if runs[i], err = h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "StayWorkflow", activities.WorkspaceOptions{Target: "project"}); err != nil {
			t.Fatal(err)
		}
	}
	h.until(func() bool { // one works, the other one's turn has not come
		return len(h.ran(runs[0].GetID(), "", "look")) == 1 && len(h.ran(runs[1].GetID(), "", "look")) == 1
	})
	time.Sleep(4 * time.Second) // several times as long as a host that is gone is waited for
	close(release)
	for _, run := range runs {
		var got []stays
		if err := h.wait(run, &got); err != nil || len(got) != 1 {
			t.Errorf("it was at %+v, %v", got, err)
		}
	}
}

// That an activity's time passes on a host that is there is the author's own affair.
func TestATimeoutOnAHostThatIsThereIsTheFunctionsOwn(t *testing.T) {
	t.Parallel()
	h := open(t, options{hostWait: 2 * time.Second, workflows: map[string]any{"SlowWorkflow": func(ctx workflow.Context) error {
		return activities.WithWorkspace(ctx, activities.WorkspaceOptions{Target: "project"}, func(ctx workflow.Context, ws activities.Workspace) error {
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
			return workflow.ExecuteActivity(ctx, "work", ws.Path).Get(ctx, nil)
		})
	}}})
	h.put("project", map[string]string{"a.txt": "a"})
	h.pollHost(map[string]any{"work": func(ctx context.Context, _ string) error {
		time.Sleep(2 * time.Second)
		return nil
	}})
	run, err := h.client.ExecuteWorkflow(context.Background(), h.startOptions(), "SlowWorkflow")
	if err != nil {
		t.Fatal(err)
	}
	var timeout *temporal.TimeoutError
	if err := h.wait(run, nil); !errors.As(err, &timeout) {
		t.Errorf("the error is %v, want the activity's timeout", err)
	}
	if n := len(h.ran(run.GetID(), "", "work")); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
}
