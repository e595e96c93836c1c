package e2e

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
)

var fleet = flag.Duration("fleet", 12*time.Second, "how long a mixed fleet of Go and Python workers works")

// notRegistered is the type of the failure of an activity that reached a worker which
// does not know it; Python's workers and Go's both have words for it.
var notRegistered = []string{"ActivityNotRegistered", "NotFoundError", "is not registered", "unable to find activityType"}

// Python workers with workflows alone, a Python worker with tools of its own, and
// workers of ours that serve everything, activities and storage, all at one server: no
// activity ever reaches a worker that does not know it.
func TestAMixedFleetKnowsEveryActivity(t *testing.T) {
	interpreter(t)
	u := newUser(t)
	project := u.plant(t)
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t) // serves the queues of all verticals, with Cordon's workflows
	cache := filepath.Join(u.home, "fleet")
	const queue, storage, tools = "fleet-queue", "fleet-storage", "fleet-tools"
	ours := func(serve, queue string) *server {
		w, _ := u.with("WORKER_SERVE="+serve).start(t, "worker", "--vertical", "python", "--task-queue", queue,
			"--address", d.Temporal, "--data", u.data(), "--cache-dir", cache)
		w.waitLog(t, "worker polls")
		return w
	}
	logs := map[string]func() string{
		"cordon dev":                      d.log,
		"the first worker of activities":  ours("activities", queue).log,
		"the second worker of activities": ours("activities", queue).log,
		"the worker of storage":           ours("storage", storage).log,
		"the first Python worker":         startPython(t, "fuzzforge/worker.py", d.Temporal, queue).log,
		"the second Python worker":        startPython(t, "fuzzforge/worker.py", d.Temporal, queue).log,
		"the Python worker with tools":    startPython(t, "fuzzforge/tools.py", d.Temporal, tools, storage).log,
	}
	plan := map[string]any{"seconds": fleet.Seconds(), "at_once": 6, "runs": []started{
		{"security_assessment", "SecurityAssessmentWorkflow", queue, []any{id, nil, nil, nil}},
		{"gitleaks_detection", "GitleaksDetectionWorkflow", queue, []any{id, "detect", true, true}},
		{"count_lines", "CountLinesWorkflow", tools, []any{id}},
		{"secret_detection", "SecretDetectionWorkflow", "secrets-queue", []any{id, "detect", true, true}},
	}}
	var out struct {
		Started []string          `json:"started"`
		Failed  map[string]string `json:"failed"`
		Late    []string          `json:"late"`
		ByClass map[string]int    `json:"by_class"`
	}
	runPythonFor(t, *fleet+limit, plan, &out, "fuzzforge/fleet.py", d.Temporal)
	t.Logf("%d runs in %v: %v", len(out.Started), *fleet, out.ByClass)
	for id, why := range out.Failed {
		t.Errorf("%s failed: %s", id, why)
	}
	if len(out.ByClass) != 4 {
		t.Errorf("not all workflows were run: %v", out.ByClass)
	}
	c, err := client.Dial(client.Options{HostPort: d.Temporal, Logger: nopLogger{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, id := range out.Late {
		mustHaveLostATask(t, c, id)
	}
	mustKnowEveryActivity(t, c, out.Started)
	for who, log := range logs {
		for _, words := range notRegistered {
			if strings.Contains(log(), words) {
				t.Errorf("%s says %q:\n%.3000s", who, words, log())
			}
		}
	}
}

// mustKnowEveryActivity looks through the histories of runs for attempts that failed
// because nobody knew the activity, those that were tried again with success too.
func mustKnowEveryActivity(t *testing.T, c client.Client, ids []string) {
	t.Helper()
	attempts := 0
	for _, id := range ids {
		events := c.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			e, err := events.Next()
			if err != nil {
				t.Fatal(err)
			}
			if e.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED {
				attempts++
			}
			for _, f := range []*failurepb.Failure{
				e.GetActivityTaskStartedEventAttributes().GetLastFailure(), e.GetActivityTaskFailedEventAttributes().GetFailure(),
				e.GetWorkflowTaskFailedEventAttributes().GetFailure(),
			} {
				if f.GetTimeoutFailureInfo() != nil || strings.Contains(f.GetMessage(), pythonStalled) {
					t.Logf("%s: %v: %s", id, e.GetEventType(), f.GetMessage()) // a busy machine: see mustHaveLostATask
				} else if f.GetApplicationFailureInfo().GetType() == "Busy" && strings.Contains(f.GetMessage(), " was handed on to ") {
					t.Logf("%s: %s", id, f.GetMessage()) // every slot was taken
				} else if f != nil {
					t.Errorf("%s: %v: %s", id, e.GetEventType(), f.GetMessage())
				}
			}
		}
	}
	t.Logf("%d activities in the histories of %d runs", attempts, len(ids))
	if attempts < 3*len(ids) {
		t.Errorf("%d activities of %d runs are too few to have been looked at", attempts, len(ids))
	}
}

// pythonStalled is what Python's client calls a workflow that got no processor for two
// seconds; its task is tried again.
const pythonStalled = "[TMPRL1101]"

// mustHaveLostATask fails unless a run that is not over waits for an activity that no
// worker has, though the server counts it as started: ours send heartbeats while they work.
// A server has one second to note whom it gives a task; a busy one notes it and is too late
// to give it, and the attempt's time passes without anybody.
func mustHaveLostATask(t *testing.T, c client.Client, id string) {
	t.Helper()
	d, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	pending := d.GetPendingActivities()
	if len(pending) != 1 || pending[0].GetState() != enumspb.PENDING_ACTIVITY_STATE_STARTED || pending[0].GetLastHeartbeatTime() != nil {
		t.Errorf("%s is not over, and not because the server lost a task: %v", id, d)
		return
	}
	t.Logf("%s waits for a task that the server lost: %v", id, pending[0])
}

type nopLogger struct{}

func (nopLogger) Debug(string, ...any) {}
func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}
