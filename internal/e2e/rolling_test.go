package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon/internal/fuzzsample"
)

var rolling = flag.Duration("rolling", 6*time.Second, "how long workers are restarted one after the other under load; each at least once")

// slowly is a workflow of one tool that takes longer than most workers drain.
const slowly = `name: slowly
vertical: python
workspace_isolation: isolated
run: [sh, -c, "sleep 2; cat README.md > {output}/out.txt; printf '{}'"]
results: {json: out.json, stdout: out.json, keep: [out.txt]}
`

// crew is workers of one host that are started and stopped one by one.
type crew struct {
	u     user
	flags []string
	at    []*server
}

// start starts the i-th worker. They differ in how long they drain.
func (c *crew) start(t *testing.T, i int) {
	t.Helper()
	drain := []string{"0", "1s", "10s"}[i%3]
	c.at[i], _ = c.u.start(t, append([]string{"worker", "--drain", drain}, c.flags...)...)
	c.at[i].waitLog(t, "worker polls")
}

// restart stops the i-th worker, which has to end well, and starts another in its place.
func (c *crew) restart(t *testing.T, i int) {
	t.Helper()
	began := time.Now()
	if code := c.at[i].stop(t); code != 0 {
		t.Errorf("a worker that was told to stop ended with %d:\n%s", code, c.at[i].log())
	}
	t.Logf("worker %d was over after %v", i, time.Since(began).Round(time.Millisecond))
	c.start(t, i)
}

// A rolling restart of four workers under load loses nothing: every run ends with the
// right result, at the first attempt of its workflow.
func TestARollingRestartLosesNothing(t *testing.T) {
	u := newUser(t)
	project := u.plant(t)
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	them := connect(t, d)
	workflows := filepath.Join(u.home, "workflows")
	writeFile(t, filepath.Join(workflows, "slowly", "metadata.yaml"), slowly)
	const queue = "rolling-queue"
	cache := filepath.Join(u.home, "rolling")
	c := &crew{at: make([]*server, 4), u: u.with("MAX_CONCURRENT_ACTIVITIES=1", "CORDON_WORKFLOWS="+workflows), flags: []string{
		"--vertical", "python", "--task-queue", queue, "--address", d.Temporal, "--store", d.Store, "--cache-dir", cache}}
	for i := range c.at {
		c.start(t, i)
	}

	var load sync.WaitGroup
	stop := make(chan struct{})
	var mu sync.Mutex
	ended := map[string]int{}
	var runs []string
	for lane, class := range []string{"SecurityAssessmentWorkflow", "SecurityAssessmentWorkflow", "SlowlyWorkflow", "SlowlyWorkflow", "SlowlyWorkflow", "SlowlyWorkflow"} {
		load.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				name := fmt.Sprintf("rolling-%d-%d", lane, n)
				what := them.mustGoWell(t, queue, class, name, id)
				mu.Lock()
				ended[class]++
				runs = append(runs, name)
				mu.Unlock()
				if what != "" {
					t.Errorf("%s (%s): %s", name, class, what)
				}
			}
		})
	}
	for began, i := time.Now(), 0; i < len(c.at) || time.Since(began) < *rolling; i++ {
		c.restart(t, i%len(c.at))
	}
	close(stop)
	load.Wait()
	t.Logf("%v ended", ended)
	if len(ended) != 2 {
		t.Error("not both kinds of run ended")
	}
	handed := 0
	for _, name := range runs {
		handed += them.handedOver(t, name)
	}
	t.Logf("%d attempts of activities were handed on or over", handed)
	if handed == 0 {
		t.Error("nothing was under way when a worker stopped, and no slot was taken: this was no load")
	}
	var entries []struct{ Kind, Path string }
	decode(t, u.must(t, 0, "cache", "ls", "--json", "--cache-dir", cache).out, &entries)
	for _, e := range entries {
		if e.Kind == "run" {
			t.Errorf("%s is left", e.Path)
		}
	}
}

// mustGoWell runs a workflow to its end, and returns what is wrong with that.
func (th theirs) mustGoWell(t *testing.T, queue, class, name, target string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run, err := th.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: name, TaskQueue: queue}, class, target)
	if err != nil {
		return err.Error()
	}
	var r struct {
		result
		Tool struct {
			Kept []struct {
				Name  string `json:"name"`
				Bytes int64  `json:"bytes"`
			} `json:"kept"`
		} `json:"tool"`
	}
	if err := run.Get(ctx, &r); err != nil {
		return err.Error()
	}
	if r.Status != "completed" {
		return fmt.Sprintf("its status is %s: %+v", r.Status, r.Steps)
	}
	if class == "SecurityAssessmentWorkflow" {
		if _, ok := r.at("py-os-system", "app/handlers.py"); !ok {
			return fmt.Sprintf("it lacks a finding: %+v", r.Findings)
		}
	} else if len(r.Tool.Kept) != 1 || r.Tool.Kept[0].Bytes != int64(len(planted["README.md"])) {
		return fmt.Sprintf("it lacks what the tool wrote: %+v", r.Tool)
	}
	return ""
}

// handedOver counts the activities of a run that had an attempt which a worker gave back.
func (th theirs) handedOver(t *testing.T, name string) (n int) {
	t.Helper()
	for events := th.client.GetWorkflowHistory(t.Context(), name, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		e, err := events.Next()
		if err != nil {
			t.Fatal(err)
		}
		f := e.GetActivityTaskStartedEventAttributes().GetLastFailure()
		switch {
		case f == nil:
		case f.GetApplicationFailureInfo().GetType() == "Busy":
			n++
		case f.GetTimeoutFailureInfo() != nil: // see mustHaveLostATask
			t.Logf("%s lost an attempt: %s", name, f.GetMessage())
		default:
			t.Errorf("%s: an attempt failed: %s", name, f.GetMessage())
		}
	}
	return n
}

// A fuzzer whose worker is stopped leaves its corpus in the store and goes on with
// another worker, with the time and the executions that it has spent.
func TestAFuzzerIsHandedOver(t *testing.T) {
	u := newUser(t)
	u, project := u.plantSample(t, fuzzsample.Of("libfuzzer"))
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	them := connect(t, d)
	const queue = "handed-over-queue"
	start := func() *server {
		w, _ := u.start(t, "worker", "--vertical", "native", "--task-queue", queue, "--address", d.Temporal, "--store", d.Store, "--cache-dir", filepath.Join(u.home, "fuzzed"))
		w.waitLog(t, "worker polls")
		return w
	}
	first := start()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	run, err := them.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, "LibfuzzerFuzzingWorkflow", id, "planted", 0, 8)
	if err != nil {
		t.Fatal(err)
	}
	first.waitLog(t, "fuzzer built")
	time.Sleep(3 * time.Second) // it fuzzes, and finds something
	began := time.Now()
	if code := first.stop(t); code != 0 || time.Since(began) > 8*time.Second {
		t.Errorf("it ended with %d after %v:\n%s", code, time.Since(began), first.log())
	}
	packs, err := filepath.Glob(filepath.Join(d.Store, "fuzzing", "corpora", "*", "libfuzzer", "planted", "*.tar.zst"))
	if err != nil || len(packs) == 0 {
		t.Errorf("no corpus is in the store: %v", err)
		_ = filepath.Walk(filepath.Join(d.Store, "fuzzing"), func(path string, _ os.FileInfo, _ error) error { t.Log(path); return nil })
	}
	w, err := them.client.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	var p *workflowpb.PendingActivityInfo // the other one watches the host
	for _, a := range w.GetPendingActivities() {
		if a.GetActivityType().GetName() == "run_fuzzer" {
			p = a
		}
	}
	if p.GetMaximumAttempts() != 11 || p.GetAttempt() != 2 || p.GetLastFailure().GetApplicationFailureInfo().GetType() != "Busy" {
		t.Errorf("its stop cost an attempt: %v", p)
	}
	second := start()
	var r fuzzed
	if err := run.Get(ctx, &r); err != nil {
		t.Fatalf("%v\n%s", err, second.log())
	}
	if r.Status != "completed" || len(r.Summary.Fuzzing) != 1 || len(r.Findings) == 0 {
		t.Fatalf("%+v", r)
	}
	if h := r.Summary.Fuzzing[0]; h.Pulled == 0 {
		t.Errorf("it did not go on from the corpus of the one before: %+v", h)
	}
}

// A second signal ends the draining of a worker, and it ends as well as by one. Its service
// manager is told, asked for time, and has no reason to take it for hung.
func TestASecondSignalEndsTheDraining(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	d := u.dev(t)
	them := connect(t, d)
	bridge := filepath.Join(u.home, "bridge.yaml")
	writeFile(t, bridge, "activities:\n  endless: {run: [sleep, \"3600\"], workspace: none}\n")
	manager := newManager(t)
	w, _ := u.with("CORDON_TOOL_BRIDGE="+bridge, "NOTIFY_SOCKET="+manager.socket, "WATCHDOG_USEC=3000000").start(t, "worker", "--serve", "activities", "--vertical", "python", "--task-queue", "drained", "--drain", "1h",
		"--address", d.Temporal, "--store", d.Store, "--cache-dir", filepath.Join(u.home, "drained"))
	w.waitLog(t, "worker polls")
	them.poll(t, "drained", worker.Options{LocalActivityWorkerOnly: true}, func(w worker.Worker) {
		w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour})
			return workflow.ExecuteActivity(ctx, "endless").Get(ctx, nil)
		}, workflow.RegisterOptions{Name: "TheirWorkflow"})
	})
	run, err := them.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "drained"}, "TheirWorkflow")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r, err := them.client.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		if err == nil && len(r.GetPendingActivities()) == 1 && r.GetPendingActivities()[0].GetLastHeartbeatTime() != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the tool does not begin: %v, %v", r, err)
		}
	}
	if err := w.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.waitLog(t, "worker drains: ")
	manager.hears(t, "STOPPING=1", "STATUS=drains until ", ", tools: 1,", "EXTEND_TIMEOUT_USEC=60000000")
	for range 4 { // for longer than its watchdog has patience
		manager.hears(t, "WATCHDOG=1", "STATUS=drains until ", "EXTEND_TIMEOUT_USEC=60000000")
	}
	if code := w.stop(t); code != 0 { // the second one
		t.Errorf("it ended with %d:\n%s", code, w.log())
	}
	if !strings.Contains(w.log(), "told to stop at once") {
		t.Errorf("the log:\n%s", w.log())
	}
	manager.hears(t, "STOPPING=1", "STATUS=stops")
}
