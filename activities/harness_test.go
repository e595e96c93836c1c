package activities_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.temporal.io/server/temporaltest"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/internal/pollers"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// server is one real Temporal for all tests of the package.
var server = sync.OnceValue(func() *temporaltest.TestServer {
	s := temporaltest.NewServer(temporaltest.WithBaseClientOptions(client.Options{Logger: nopLogger{}}))
	s.GetDefaultClient()
	return s
})

type nopLogger struct{}

func (nopLogger) Debug(string, ...any) {}
func (nopLogger) Info(string, ...any)  {}
func (nopLogger) Warn(string, ...any)  {}
func (nopLogger) Error(string, ...any) {}

func TestMain(m *testing.M) {
	code := m.Run()
	server().Stop()
	os.Exit(code)
}

// house is a worker with a store and a cache of its own.
type house struct {
	t      *testing.T
	client client.Client
	queue  string
	store  *dir.Store
	root   string // of the store
	cache  *workspace.Cache
	acts   *activities.Activities
	worker sdkworker.Worker
	stop   func() // worker
	slots  int
	log    *logBuffer
}

type options struct {
	wrap    func(target.Source) target.Source       // around the store
	cache   func(activities.Cache) activities.Cache // around the cache
	results target.Results
	catalog []string // folders with metadata
	bridge  metadata.Bridge
	version string
	client  client.Client // nil: the server's default one

	beside   *house        // another host of the same queue and store
	hostWait time.Duration // more than 0: the house has a watch queue
	slots    int           // of a queue; 0: as many as may be

	workflows map[string]any // more than there are, or others, by name
}

func open(t *testing.T, o options) *house {
	t.Helper()
	h := &house{t: t, client: server().GetDefaultClient(), queue: "queue of " + t.Name(), root: mountstest.Dir(t), log: &logBuffer{}, slots: o.slots}
	if o.client != nil {
		h.client = o.client
	}
	if o.beside != nil {
		h.queue, h.root = o.beside.queue, o.beside.root
	}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if h.store, err = dir.Open(h.root); err != nil {
		t.Fatal(err)
	}
	var source target.Source = h.store
	if o.wrap != nil {
		source = o.wrap(source)
	}
	if h.cache, err = workspace.Open(workspace.Options{Dir: mountstest.Dir(t), Store: source, Logger: log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.cache.Close() })
	catalog, err := metadata.NewCatalog(nil, o.catalog, log)
	if err != nil {
		t.Fatal(err)
	}
	confined, err := sandbox.New(sandbox.Options{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	opts := activities.Options{Cache: h.cache, Results: h.store, Targets: source, Blobs: h.store, Sandbox: confined, Catalog: catalog, Bridge: o.bridge, Client: h.client, Logger: log, Version: o.version,
		HostWait: o.hostWait}
	if o.cache != nil {
		opts.Cache = o.cache(h.cache)
	}
	if o.results != nil {
		opts.Results = o.results
	}
	h.acts = activities.New(opts)
	h.worker = h.poll(h.queue)
	known := map[string]any{"CallWorkflow": callWorkflow, "EditedWorkflow": callWorkflow, "HoldAndReleaseWorkflow": holdAndRelease}
	maps.Copy(known, o.workflows)
	for name, code := range known {
		h.worker.RegisterWorkflowWithOptions(code, workflow.RegisterOptions{Name: name})
	}
	if err := h.worker.Start(); err != nil {
		t.Fatal(err)
	}
	h.stop = sync.OnceFunc(h.worker.Stop)
	t.Cleanup(h.stop)
	return h
}

// poll returns a worker for a queue, yet to be started, that has all activities.
func (h *house) poll(queue string) sdkworker.Worker {
	identity := pollers.Identity{Serve: config.ServeAll, Activities: pollers.None, Workflows: pollers.None, Host: h.cache.HostID(), Process: h.t.Name()}
	w := sdkworker.New(h.client, queue, sdkworker.Options{
		Identity:                           identity.String(),
		MaxConcurrentActivityExecutionSize: h.slots,
		MaxHeartbeatThrottleInterval:       activities.MaxHeartbeatThrottle,
		DefaultHeartbeatThrottleInterval:   activities.MaxHeartbeatThrottle,
		WorkerStopTimeout:                  5 * time.Second,
	})
	h.acts.RegisterStorage(w)
	h.acts.RegisterTools(w)
	return w
}

// pollHost makes the house's host queue be polled, as a real worker does, for more
// activities too, and returns its name.
func (h *house) pollHost(more map[string]any) (queue string, stop func()) {
	h.t.Helper()
	queue = activities.HostQueue(h.queue, h.cache.HostID())
	w := h.poll(queue)
	for name, code := range more {
		w.RegisterActivityWithOptions(code, activity.RegisterOptions{Name: name})
	}
	if err := w.Start(); err != nil {
		h.t.Fatal(err)
	}
	watches := sdkworker.New(h.client, activities.WatchQueue(h.queue, h.cache.HostID()), sdkworker.Options{
		MaxConcurrentActivityTaskPollers: 1,
		MaxHeartbeatThrottleInterval:     time.Second,
		DefaultHeartbeatThrottleInterval: time.Second,
	})
	h.acts.RegisterWatch(watches)
	if err := watches.Start(); err != nil {
		h.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		w.Stop()
		watches.Stop()
	})
	h.t.Cleanup(stop)
	return queue, stop
}

// call is what callWorkflow does: one activity, with arguments as they would come from
// any language.
type call struct {
	Activity string
	Args     []arg
	Timeout  time.Duration // start to close; 0: 30 s
	Attempts int32         // 0: without limit, as many callers have it
	Queue    string        // the activity's; "": the workflow's own
}

// arg is one payload: its encoding ("" is json/plain) and its bytes.
type arg struct {
	Encoding string
	Data     blob
}

// blob is a string of any bytes; as JSON it is base64.
type blob string

func (b blob) MarshalJSON() ([]byte, error) { return json.Marshal([]byte(b)) }

func (b *blob) UnmarshalJSON(text []byte) error {
	var raw []byte
	err := json.Unmarshal(text, &raw)
	*b = blob(raw)
	return err
}

func text(s string) arg {
	b, _ := json.Marshal(s)
	return arg{Data: blob(b)}
}

var null = arg{Encoding: "binary/null"}

type answer struct {
	Encoding string // of the result's payload; "" where there is none
	Result   string // its bytes
}

func callWorkflow(ctx workflow.Context, c call) (answer, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           c.Queue,
		StartToCloseTimeout: cmp.Or(c.Timeout, 30*time.Second),
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: c.Attempts, InitialInterval: 100 * time.Millisecond},
		WaitForCancellation: true,
	})
	var args []any
	for _, a := range c.Args {
		if a.Encoding == "" {
			a.Encoding = "json/plain"
		}
		args = append(args, converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{"encoding": []byte(a.Encoding)}, Data: []byte(a.Data),
		}))
	}
	var raw converter.RawValue
	if err := workflow.ExecuteActivity(ctx, c.Activity, args...).Get(ctx, &raw); err != nil {
		return answer{}, err
	}
	return answer{string(raw.Payload().GetMetadata()["encoding"]), string(raw.Payload().GetData())}, nil
}

// holdAndRelease gets a target and cleans it up.
func holdAndRelease(ctx workflow.Context, c call) error {
	c.Activity = activities.GetTargetName
	a, err := callWorkflow(ctx, c)
	if err != nil {
		return err
	}
	_, err = callWorkflow(ctx, call{Activity: activities.CleanupCacheName, Args: []arg{{Data: blob(a.Result)}}})
	return err
}

func (h *house) startOptions() client.StartWorkflowOptions {
	return client.StartWorkflowOptions{TaskQueue: h.queue}
}

func (h *house) start(class string, memo map[string]any, c call) client.WorkflowRun {
	h.t.Helper()
	run, err := h.client.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{TaskQueue: h.queue, Memo: memo}, class, c)
	if err != nil {
		h.t.Fatal(err)
	}
	return run
}

// call runs an activity in a workflow of its own and returns its answer and that run's id.
func (h *house) call(activity string, args ...arg) (answer, string, error) {
	h.t.Helper()
	run := h.start("CallWorkflow", nil, call{Activity: activity, Args: args})
	var a answer
	err := h.wait(run, &a)
	return a, run.GetRunID(), err
}

func (h *house) wait(run client.WorkflowRun, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := run.Get(ctx, into)
	if ctx.Err() != nil {
		h.t.Fatalf("the workflow is still running: the error was retried, or something hangs\n%s", h.log)
	}
	return err
}

// result is the string that a started call returns.
func (h *house) result(run client.WorkflowRun) string {
	h.t.Helper()
	var a answer
	err := h.wait(run, &a)
	return h.path(a, err)
}

// path is the string that a successful call returned.
func (h *house) path(a answer, err error) string {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	var s string
	if err := json.Unmarshal([]byte(a.Result), &s); err != nil {
		h.t.Fatalf("the result %q is not a JSON string", a.Result)
	}
	return s
}

// put stores a target: a tar archive of files, or the object itself if there is
// one file with an empty name.
func (h *house) put(id string, files map[string]string) {
	h.t.Helper()
	body, ok := files[""]
	if !ok {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for name, content := range files {
			if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
				h.t.Fatal(err)
			}
			if _, err := w.Write([]byte(content)); err != nil {
				h.t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			h.t.Fatal(err)
		}
		body = b.String()
	}
	target, err := cordon.ParseTargetID(id)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.store.Put(context.Background(), target, bytes.NewReader([]byte(body)), putOptions); err != nil {
		h.t.Fatal(err)
	}
}

var putOptions = target.PutOptions{Size: -1}

// in returns a path below the cache.
func (h *house) in(elem ...string) string {
	return filepath.Join(append([]string{h.cache.Dir()}, elem...)...)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// failed returns the application error in err.
func failed(t *testing.T, err error) *temporal.ApplicationError {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		t.Fatalf("got %v, want an application error", err)
	}
	return app
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
