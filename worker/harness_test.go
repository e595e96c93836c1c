package worker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/server/common/dynamicconfig"
	temporalserver "go.temporal.io/server/temporal"
	"go.temporal.io/server/temporaltest"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
)

// server is one real Temporal for all tests of the package.
var server = sync.OnceValue(func() *temporaltest.TestServer {
	yes := []dynamicconfig.ConstrainedValue{{Value: true}}
	s := temporaltest.NewServer(
		temporaltest.WithBaseClientOptions(client.Options{Logger: nopLogger{}}),
		temporaltest.WithBaseServerOptions(temporalserver.WithDynamicConfigClient(dynamicconfig.StaticClient{
			// Who stops is forgotten at once, and not after minutes.
			dynamicconfig.EnableCancelWorkerPollsOnShutdown.Key():       yes,
			dynamicconfig.EnableMatchingFanOutForPollCancellation.Key(): yes,
			dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): yes,
		})),
	)
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

// setup returns the options of a worker for all verticals, on a store and a
// cache of its own.
func setup(t *testing.T) (worker.Options, *logBuffer) {
	t.Helper()
	env := map[string]string{"CACHE_DIR": mountstest.Dir(t), "CORDON_STORE": t.TempDir()}
	cfg, err := config.FromEnv(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	return worker.Options{
		Config:    cfg,
		Temporal:  client.Options{HostPort: server().GetFrontendHostPort(), Namespace: server().GetDefaultNamespace()},
		Verticals: workflows.Verticals(),
		Version:   "1.2.3",
		Logger:    slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}, log
}

func start(t *testing.T, opts worker.Options) *worker.Worker {
	t.Helper()
	w, err := worker.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	if err := w.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	return w
}

func put(t *testing.T, w *worker.Worker, id string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for name, content := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	target_, err := cordon.ParseTargetID(id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Store().Put(context.Background(), target_, &b, target.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
}

// run starts a workflow as clients do, by class name on the vertical's queue,
// and returns its result and the JSON that it came as.
func run(t *testing.T, vertical, class string, memo map[string]any, args ...any) (activities.Result, string, client.WorkflowRun) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r, err := server().GetDefaultClient().ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: vertical + "-queue", Memo: memo}, class, args...)
	if err != nil {
		t.Fatal(err)
	}
	var raw json.RawMessage
	if err := r.Get(ctx, &raw); err != nil {
		t.Fatal(err)
	}
	var result activities.Result
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatal(err)
	}
	return result, string(raw), r
}

// stored reads the results that a workflow left in the directory store.
func stored(t *testing.T, opts worker.Options, workflowID, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(opts.Config.StoreDir, "results", workflowID, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
