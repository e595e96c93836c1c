package worker_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/loopfs"
	"github.com/cordonlabs/cordon/worker"
)

const callers = "callers-of-endless-tools"

// endless makes opts those of a worker for a queue of its own that has few slots, and a
// tool that never ends.
func endless(t *testing.T, opts worker.Options, queue string, slots int) worker.Options {
	t.Helper()
	opts.Verticals = nil
	opts.Config.Vertical, opts.Config.TaskQueue, opts.Config.MaxConcurrentActivities = "python", queue, slots
	opts.Config.ToolBridge = filepath.Join(t.TempDir(), "bridge.yaml")
	bridge := "activities:\n  endless:\n    run: [sleep, \"3600\"]\n    workspace: none\n"
	if err := os.WriteFile(opts.Config.ToolBridge, []byte(bridge), 0o600); err != nil {
		t.Fatal(err)
	}
	return opts
}

// fuzzes calls the endless tool many times at once, each with one attempt.
func fuzzes(ctx workflow.Context, queue string, times int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: time.Hour, HeartbeatTimeout: 30 * time.Second, WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var all []workflow.Future
	for range times {
		all = append(all, workflow.ExecuteActivity(ctx, "endless"))
	}
	for _, f := range all {
		if err := f.Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// stores gets a workspace by a queue and cleans it up, at once or when it is told to.
func stores(ctx workflow.Context, queue string, waits bool) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
	var path string
	if err := workflow.ExecuteActivity(ctx, activities.GetTargetName, "project", "", "isolated").Get(ctx, &path); err != nil {
		return err
	}
	if waits {
		workflow.GetSignalChannel(ctx, "clean up").Receive(ctx, nil)
	}
	return workflow.ExecuteActivity(ctx, activities.CleanupCacheName, path).Get(ctx, nil)
}

// looks asks on a host's queue for watches whether a workspace is there that nobody has.
func looks(ctx workflow.Context, queue string) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: time.Minute, ScheduleToStartTimeout: 30 * time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	return workflow.ExecuteActivity(ctx, activities.WatchWorkspaceName, "/nowhere", true).Get(ctx, nil)
}

// calling runs the workflows above until the test ends.
func calling(t *testing.T) client.Client {
	t.Helper()
	c := server().GetDefaultClient()
	w := sdkworker.New(c, callers, sdkworker.Options{LocalActivityWorkerOnly: true})
	w.RegisterWorkflowWithOptions(fuzzes, workflow.RegisterOptions{Name: "Fuzzes"})
	w.RegisterWorkflowWithOptions(stores, workflow.RegisterOptions{Name: "Stores"})
	w.RegisterWorkflowWithOptions(looks, workflow.RegisterOptions{Name: "Looks"})
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	return c
}

func begin(t *testing.T, c client.Client, name string, args ...any) client.WorkflowRun {
	t.Helper()
	r, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: callers}, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the tools of a run that is over end
		_ = c.TerminateWorkflow(context.Background(), r.GetID(), r.GetRunID(), "the test is over") // or it has ended
	})
	return r
}

// queueOf is a queue that only this test polls.
func queueOf(t *testing.T) string {
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-", "'", "").Replace(t.Name()))
}

// pending counts the activities of a run that are started.
func pending(t *testing.T, c client.Client, r client.WorkflowRun) (started int, all []*workflowpb.PendingActivityInfo) {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(t.Context(), r.GetID(), r.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.GetPendingActivities() {
		if p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED {
			started++
		}
	}
	return started, d.GetPendingActivities()
}

// mustStartSoon fails unless all activities of a run that is over began soon after they
// were scheduled, at their first attempt.
func mustStartSoon(t *testing.T, c client.Client, r client.WorkflowRun) {
	t.Helper()
	scheduled := map[int64]*historypb.HistoryEvent{}
	n := 0
	for events := c.GetWorkflowHistory(t.Context(), r.GetID(), r.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e.GetActivityTaskScheduledEventAttributes() != nil {
			scheduled[e.GetEventId()] = e
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			n++
			s := scheduled[a.GetScheduledEventId()]
			name, took := s.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName(), e.GetEventTime().AsTime().Sub(s.GetEventTime().AsTime())
			if t.Logf("%s began after %v", name, took); took > 2*time.Second || a.GetAttempt() != 1 {
				t.Errorf("%s began after %v, at attempt %d", name, took, a.GetAttempt())
			}
		}
	}
	if n != 2 {
		t.Errorf("%d activities began", n)
	}
}

func TestAFullHouseOfToolsStarvesNoStorage(t *testing.T) {
	const slots, wanted = 2, 12
	base, _ := setup(t)
	c := calling(t)
	for _, at := range []struct {
		name  string
		queue func(w *worker.Worker, queue string) string
	}{
		{"on the queue of the vertical", func(_ *worker.Worker, queue string) string { return queue }},
		{"on the host's own queue", func(w *worker.Worker, queue string) string { return activities.HostQueue(queue, w.Cache().HostID()) }},
	} {
		t.Run(at.name, func(t *testing.T) {
			opts, log := setup(t)
			opts.Config.StoreDir = base.Config.StoreDir
			own := queueOf(t)
			w := start(t, endless(t, opts, own, slots))
			put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
			queue := at.queue(w, own)
			tools := begin(t, c, "Fuzzes", queue, wanted)
			until(t, "the slots are taken", func() bool { n, _ := pending(t, c, tools); return n == slots && w.Admission().Tools == slots })

			for range 3 {
				r := begin(t, c, "Stores", queue, false)
				if err := r.Get(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				mustStartSoon(t, c, r)
			}
			// The others wait on the server, with all that they had.
			until(t, "what is beyond the slots is handed on", func() bool { return w.Admission().HandedOn >= wanted-slots })
			until(t, "the others wait on the server", func() bool {
				n, all := pending(t, c, tools)
				return n == slots && len(all) == wanted
			})
			if s := w.Admission(); s.Tools != slots || s.Parked != 0 || s.Storage != 0 || s.Waiting == "" {
				t.Errorf("%+v", s)
			}
			if n := len(log.lines("tools wait", "MAX_CONCURRENT_ACTIVITIES", "INFO")); n != 1 {
				t.Errorf("it was said %d times", n)
			}
			if queue != own {
				return // no other host polls it
			}
			// Another host has room, and takes what it can hold.
			more, _ := setup(t)
			more.Config.StoreDir = base.Config.StoreDir
			second := start(t, endless(t, more, own, 3))
			until(t, "another host takes some of them", func() bool {
				n, _ := pending(t, c, tools)
				return n == slots+3 && second.Admission().Tools == 3
			})
			// When a host goes, its tools go on elsewhere, at no cost of an attempt.
			second.Stop()
			until(t, "the tools of the host that went wait again", func() bool {
				n, all := pending(t, c, tools)
				return n == slots && len(all) == wanted
			})
			for _, m := range []string{"failed", "level=ERROR"} { // that a tool is handed on is nobody's failure
				if lines := log.lines("activity", m); len(lines) > 0 {
					t.Errorf("%v", lines)
				}
			}
		})
	}
}

// On a full disk no tool begins, and cleanup runs: it is what makes room.
func TestAFullDiskStopsToolsAndNotCleanup(t *testing.T) {
	const mb = 1 << 20
	disk := loopfs.New(t, "tmpfs", 176*mb)
	c := calling(t)
	opts, log := setup(t)
	opts.Config.CacheDir, opts.Config.MinFree = filepath.Join(disk, "cache"), cordon.BytesOf(64*mb)
	queue := queueOf(t)
	w := start(t, endless(t, opts, queue, 2))
	put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
	held := begin(t, c, "Stores", queue, true)
	until(t, "the run has its workspace", func() bool { return len(log.lines("User code downloaded")) > 0 })

	stranger := filepath.Join(disk, "stranger")
	if err := os.WriteFile(stranger, make([]byte, 96*mb), 0o600); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // the worker looks every two
	tools := begin(t, c, "Fuzzes", queue, 2)
	until(t, "the tools are handed on", func() bool { return w.Admission().HandedOn >= 2 })
	if s := w.Admission(); s.Tools != 0 || !strings.Contains(s.Waiting, "CACHE_MIN_FREE") {
		t.Errorf("on a full disk: %+v", s)
	}
	if err := c.SignalWorkflow(t.Context(), held.GetID(), held.GetRunID(), "clean up", nil); err != nil {
		t.Fatal(err)
	}
	if err := held.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	mustStartSoon(t, c, held)
	if err := os.Remove(stranger); err != nil {
		t.Fatal(err)
	}
	until(t, "the tools begin when there is room", func() bool { n, _ := pending(t, c, tools); return n == 2 && w.Admission().Tools == 2 })
	if n := len(log.lines("no room for another one", "CACHE_MIN_FREE")); n != 1 {
		t.Errorf("it was said %d times", n)
	}
}

// A server that takes no tool back: those beyond the slots wait inside, and storage
// activities get by them as long as there is a storage slot.
func TestToolsThatTheServerDoesNotTakeBackWaitInside(t *testing.T) {
	c := calling(t)
	opts, log := setup(t)
	opts.Temporal.ConnectionOptions.DialOptions = []grpc.DialOption{grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
			if strings.HasSuffix(method, "/UpdateActivityOptions") {
				return status.Error(codes.Unimplemented, "unknown method UpdateActivityOptions")
			}
			return invoke(ctx, method, req, reply, cc, o...)
		})}
	queue := queueOf(t)
	opts = endless(t, opts, queue, 2)
	opts.Config.StorageSlots = 4
	w := start(t, opts)
	put(t, w, "project", map[string]string{"a.py": "x = 1\n"})
	two := begin(t, c, "Fuzzes", queue, 2)
	until(t, "the slots are taken", func() bool { return w.Admission().Tools == 2 })
	three := begin(t, c, "Fuzzes", queue, 3)
	until(t, "the others wait inside", func() bool { return w.Admission().Parked == 3 })
	r := begin(t, c, "Stores", queue, false)
	if err := r.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	mustStartSoon(t, c, r)
	if n := len(log.lines("takes no tool back")); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	// They are alive: what ends lets one of them in, and a cancellation reaches those that wait.
	if err := c.TerminateWorkflow(t.Context(), two.GetID(), two.GetRunID(), "enough"); err != nil {
		t.Fatal(err)
	}
	until(t, "two of those that wait begin", func() bool { s := w.Admission(); return s.Tools == 2 && s.Parked == 1 })
	if err := c.CancelWorkflow(t.Context(), three.GetID(), three.GetRunID()); err != nil {
		t.Fatal(err)
	}
	until(t, "nothing is left", func() bool { s := w.Admission(); return s.Tools == 0 && s.Parked == 0 })
}
