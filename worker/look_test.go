package worker_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/worker"
)

// one makes opts those of a worker for one vertical, which serves this on the queue of
// that name, and that looks around all the time.
func one(opts worker.Options, serve config.Serve, queue string) worker.Options {
	opts.Verticals, opts.LookEvery = nil, 200*time.Millisecond
	opts.Config.Vertical, opts.Config.Serve, opts.Config.TaskQueue = "secrets", serve, queue
	return opts
}

// stranger polls a queue under a name of its own, with an activity and a workflow that
// nobody else has.
func stranger(t *testing.T, queue, identity string, opts sdkworker.Options) (stop func()) {
	t.Helper()
	opts.Identity = identity
	w := sdkworker.New(server().GetDefaultClient(), queue, opts)
	if !opts.LocalActivityWorkerOnly {
		w.RegisterActivityWithOptions(func(context.Context) (string, error) { return "a stranger's", nil }, activity.RegisterOptions{Name: "strange_activity"})
	}
	if !opts.DisableWorkflowWorker {
		w.RegisterWorkflowWithOptions(strangeWorkflow, workflow.RegisterOptions{Name: "StrangeWorkflow"})
	}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(w.Stop)
	t.Cleanup(stop)
	return stop
}

// strangeWorkflow calls one activity on some queue, once.
func strangeWorkflow(ctx workflow.Context, queue, name string, args []any) (out any, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	err = workflow.ExecuteActivity(ctx, name, args...).Get(ctx, &out)
	return out, err
}

// callOn calls an activity on a queue, in a workflow that a stranger on calls runs.
func callOn[T any](t *testing.T, calls, queue, name string, args ...any) (out T, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run, err := server().GetDefaultClient().ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: calls}, "StrangeWorkflow", queue, name, args)
	if err != nil {
		t.Fatal(err)
	}
	return out, run.Get(ctx, &out)
}

// python polls a queue as Temporal's SDK for Python does: with a workflow of its own and
// no activity.
func python(t *testing.T, queue string) {
	t.Helper()
	interpreter := os.Getenv("CORDON_TEST_PYTHON")
	if interpreter == "" {
		t.Skip("CORDON_TEST_PYTHON names no Python with Temporal's client; ./test.sh makes one")
	}
	cmd := exec.Command(interpreter, "testdata/workflows_only.py", server().GetFrontendHostPort(), server().GetDefaultNamespace(), queue)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	until(t, "the Python worker polls", func() bool {
		list, err := pollers.List(t.Context(), server().GetDefaultClient(), server().GetDefaultNamespace(), queue)
		return err == nil && slices.ContainsFunc(list, func(p pollers.Poller) bool { return p.Identity == "a worker in Python" && p.Workflows })
	})
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("within a minute it did not come about that %s", what)
		}
	}
}

const (
	rivalLine = "another worker does not belong on this queue"
	goneLine  = "the worker that did not belong on this queue is gone"
)

// lines returns the lines of the log that hold all the words.
func (l *logBuffer) lines(words ...string) (out []string) {
	for line := range strings.Lines(l.String()) {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			out = append(out, line)
		}
	}
	return out
}

func TestAWorkerSaysWhoDoesNotBelongOnItsQueue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		serve config.Serve
		other func(t *testing.T, queue string) (stop func())
		says  []string // of the one line about it; nil: there is none
	}{
		{"a worker with activities of its own", config.ServeAll, func(t *testing.T, queue string) func() {
			return stranger(t, queue, "42@elsewhere", sdkworker.Options{DisableWorkflowWorker: true})
		}, []string{"level=WARN", "42@elsewhere", "takes activities of", "activities=[]", "WORKER_SERVE=storage"}},
		{"a worker with workflows of its own", config.ServeAll, func(t *testing.T, queue string) func() {
			return stranger(t, queue, "43@elsewhere", sdkworker.Options{LocalActivityWorkerOnly: true})
		}, []string{"level=WARN", "43@elsewhere", "takes workflows of", "WORKER_SERVE=activities"}},
		{"workflows of another's beside activities alone", config.ServeActivities, func(t *testing.T, queue string) func() {
			return stranger(t, queue, "44@elsewhere", sdkworker.Options{LocalActivityWorkerOnly: true})
		}, nil},
		{"activities of another's beside activities alone", config.ServeActivities, func(t *testing.T, queue string) func() {
			return stranger(t, queue, "45@elsewhere", sdkworker.Options{})
		}, []string{"level=WARN", "45@elsewhere", "takes activities of"}},
		{"activities of another's on a queue for storage", config.ServeStorage, func(t *testing.T, queue string) func() {
			return stranger(t, queue, "46@elsewhere", sdkworker.Options{})
		}, []string{"level=ERROR", "46@elsewhere", "a queue of its own"}},
		{"another one of Cordon's that serves the same", config.ServeAll, func(t *testing.T, queue string) func() {
			opts, _ := setup(t)
			start(t, one(opts, config.ServeAll, queue))
			return nil
		}, nil},
		{"one of Cordon's with the activities alone", config.ServeAll, func(t *testing.T, queue string) func() {
			opts, _ := setup(t)
			start(t, one(opts, config.ServeActivities, queue))
			return nil
		}, nil},
		{"one of Cordon's of an older version", config.ServeAll, func(t *testing.T, queue string) func() {
			old := pollers.Identity{Version: "0.9", Serve: config.ServeAll, Activities: pollers.Digest([]string{"get_target"}), Workflows: pollers.None, Process: "7@here"}
			return stranger(t, queue, old.String(), sdkworker.Options{DisableWorkflowWorker: true})
		}, []string{"level=WARN", "cordon/0.9", "Cordon 0.9", "same version"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			queue := "queue of " + t.Name()
			opts, log := setup(t)
			start(t, one(opts, tc.serve, queue))
			stop := tc.other(t, queue)
			if tc.says == nil {
				time.Sleep(5 * 200 * time.Millisecond) // it looks some times
				if got := log.lines(rivalLine); len(got) > 0 {
					t.Errorf("it complains: %q", got)
				}
				return
			}
			until(t, "it says so", func() bool { return len(log.lines(rivalLine)) > 0 })
			stop()
			until(t, "it says that the other is gone", func() bool { return len(log.lines(goneLine)) > 0 })
			got := log.lines(rivalLine)
			if len(got) != 1 || len(log.lines(append(tc.says, rivalLine, fmt.Sprintf("queue=%q", queue))...)) != 1 {
				t.Errorf("the log says %q; want one line that says %q", got, tc.says)
			}
		})
	}
}

// Topology A: who brings workflows and no activity takes none.
func TestAPythonWorkerWithoutActivitiesIsNoRivalInThem(t *testing.T) {
	t.Parallel()
	queue := "queue of " + t.Name()
	opts, log := setup(t)
	w := start(t, one(opts, config.ServeActivities, queue))
	put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
	python(t, queue)
	run, err := server().GetDefaultClient().ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: queue}, "PythonWorkflow", "project")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var path string
	if err := run.Get(ctx, &path); err != nil || !strings.HasSuffix(path, "/project/"+run.GetRunID()+"/workspace") {
		t.Errorf("the workflow in Python got %q (%v)", path, err)
	}
	time.Sleep(5 * 200 * time.Millisecond)
	if got := log.lines(rivalLine); len(got) > 0 {
		t.Errorf("it complains: %q", got)
	}
}

// CONTRACT §3: a worker with the storage activities alone never polls a mixed queue.
func TestAStorageWorkerRefusesAQueueWhereOthersTakeActivities(t *testing.T) {
	t.Parallel()
	for name, other := range map[string]func(t *testing.T, queue string){
		"a stranger": func(t *testing.T, queue string) { stranger(t, queue, "47@elsewhere", sdkworker.Options{}) },
		"a worker that serves all": func(t *testing.T, queue string) {
			opts, _ := setup(t)
			start(t, one(opts, config.ServeAll, queue))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := "queue of " + t.Name()
			other(t, queue)
			until(t, "the other polls", func() bool {
				list, err := pollers.List(t.Context(), server().GetDefaultClient(), server().GetDefaultNamespace(), queue)
				return err == nil && len(list) == 1 && list[0].Activities
			})
			opts, log := setup(t)
			err := worker.Run(t.Context(), one(opts, config.ServeStorage, queue))
			if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), fmt.Sprintf("%q", queue)) || !strings.Contains(cordon.FixOf(err), "its own") {
				t.Errorf("the error is %v", err)
			}
			if strings.Contains(log.String(), "worker polls") {
				t.Error("it polled nevertheless")
			}
		})
	}
	t.Run("not one of its own kind", func(t *testing.T) {
		t.Parallel()
		queue := "queue of " + t.Name()
		old := pollers.Identity{Version: "0.9", Serve: config.ServeStorage, Activities: pollers.Digest([]string{"get_target"}), Workflows: pollers.None, Process: "8@here"}
		stranger(t, queue, old.String(), sdkworker.Options{DisableWorkflowWorker: true})
		until(t, "the other polls", func() bool {
			list, err := pollers.List(t.Context(), server().GetDefaultClient(), server().GetDefaultNamespace(), queue)
			return err == nil && len(list) == 1
		})
		opts, _ := setup(t)
		start(t, one(opts, config.ServeStorage, queue))
	})
}

// What a worker serves is what it answers, on its queue and on its host's.
func TestWhatAWorkerServes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		serve config.Serve
		tools bool
	}{{config.ServeAll, true}, {config.ServeActivities, true}, {config.ServeStorage, false}} {
		t.Run(string(tc.serve), func(t *testing.T) {
			t.Parallel()
			queue, calls := "queue of "+t.Name(), "calls of "+t.Name()
			opts, _ := setup(t)
			w := start(t, one(opts, tc.serve, queue))
			put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
			stranger(t, calls, "caller", sdkworker.Options{})
			host := queue + "@" + w.Cache().HostID()
			list, err := pollers.List(t.Context(), server().GetDefaultClient(), server().GetDefaultNamespace(), queue)
			if err != nil || len(list) != 1 || !list[0].Activities || list[0].Workflows != (tc.serve == config.ServeAll) {
				t.Errorf("on its queue: %+v (%v)", list, err)
			}
			list, err = pollers.List(t.Context(), server().GetDefaultClient(), server().GetDefaultNamespace(), host)
			if err != nil || len(list) != 1 || !list[0].Activities || list[0].Workflows {
				t.Errorf("on its host's: %+v (%v)", list, err)
			}
			for _, at := range []string{queue, host} {
				ws, err := callOn[activities.Workspace](t, calls, at, activities.AcquireWorkspaceName, "project", "r")
				if err != nil || ws.TaskQueue != host {
					t.Errorf("acquire_workspace on %q names %q (%v)", at, ws.TaskQueue, err)
				}
			}
			part, err := callOn[activities.Part](t, calls, host, activities.InventoryFilesName, activities.ToolRequest{Path: w.Cache().Dir() + "/project/r/workspace"})
			if tc.tools && (err != nil || part.Inventory == nil || part.Inventory.Files != 1) || !tc.tools && err == nil {
				t.Errorf("a tool on the host's queue: %+v, %v", part, err)
			}
		})
	}
}
