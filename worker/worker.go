// Package worker is a Cordon worker: it polls the queues of one or more
// verticals, runs their built-in workflows and all activities on one cache, or a
// part of that, and sweeps that cache.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/health"
	"github.com/cordonlabs/cordon/internal/liveness"
	"github.com/cordonlabs/cordon/internal/sdnotify"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/worker/admission"
	"github.com/cordonlabs/cordon/worker/metrics"
	"github.com/cordonlabs/cordon/worker/socket"
	"github.com/cordonlabs/cordon/worker/traces"
	"github.com/cordonlabs/cordon/worker/web"
	"github.com/cordonlabs/cordon/workflows"
	"github.com/cordonlabs/cordon/workspace"
)

// Options say what a worker works on.
type Options struct {
	Config   config.Worker
	Temporal client.Options // as config.TemporalOptions makes them

	// Verticals are the verticals whose queues one process polls; all share one
	// cache. None means Config.Vertical, on Config.TaskQueue, served as Config.Serve
	// says; others are polled on {vertical}-queue and served in full (CONTRACT §3).
	Verticals []string

	// Hurry is closed when a worker that drains (Config.Drain) is to end at once; nil:
	// nobody does that.
	Hurry <-chan struct{}

	// LookEvery is how often the worker looks who else polls its queues; 0: every minute.
	LookEvery time.Duration

	// ProcessBound says that Temporal runs inside of this process and ends with it,
	// so that what its runs hold needs not outlive them.
	ProcessBound bool

	HealthFile string // where the worker says that it is well; "": nowhere

	Manager *sdnotify.Manager // is told the same; nil: there is none

	TemporalUI string // address of Temporal's web UI; "": Config.TemporalUI

	Version string       // Cordon's own, for results
	Logger  *slog.Logger // nil: slog.Default()
}

// Worker is one worker process's work. New makes one, Start lets it poll, Stop
// ends it for good; Run does all of that.
type Worker struct {
	opts       Options
	log        *slog.Logger
	store      Store
	cache      *workspace.Cache
	fuzzing    *activities.Fuzzing
	catalog    *metadata.Catalog
	bridge     metadata.Bridge
	sandbox    *sandbox.Sandbox
	health     *health.Keeper // nil: nobody asks
	pulse      health.Pulse   // of the client
	polls      *polls         // likewise
	queues     []Queue
	activities *activities.Activities
	admission  *admission.Admission

	client   client.Client
	asked    atomic.Pointer[client.Client] // client, for the cache, whose sweeps ask which runs are over
	workers  []sdkworker.Worker
	watchers []sdkworker.Worker             // of workspaces; they go on while the others drain
	stopping func() (ended <-chan struct{}) // ends the workers' polling; once for all
	socket   *socket.Server                 // nil: none is served
	metrics  *metrics.Metrics               // nil: likewise
	traces   *traces.Traces                 // nil: likewise
	web      *web.Server                    // nil: likewise
	draining atomic.Bool
	drains   chan struct{} // closed when it begins to
	until    time.Time     // by when it has ended; set before that
	failed   chan error
	sweeping sync.WaitGroup // and looking at the queues
	expires  time.Time      // when the store is next looked through; of the sweeping goroutine
	started  time.Time      // when it began to look at the queues; of that goroutine
	stop     context.CancelFunc
}

// Queue is a task queue and the vertical whose workflows run on it.
type Queue struct {
	Name     string
	Vertical string
}

// dialTimeout is how long a Temporal that does not answer is waited for.
const dialTimeout = 10 * time.Second

// Run runs a worker until ctx is done, which is no error, or until it cannot go
// on. Errors are *cordon.Error: InvalidArgument for a configuration that cannot
// be used, StorageUnavailable for a Temporal that cannot be reached, and those of
// workspace.Open.
func Run(ctx context.Context, opts Options) error {
	w, err := New(opts)
	if err != nil {
		return err
	}
	defer w.Stop()
	if err := w.Start(ctx); err != nil {
		return err
	}
	if err := w.Wait(ctx); err != nil {
		return err
	}
	w.Drain()
	return nil
}

// New opens the store, the cache and the catalog. It talks to nobody yet.
func New(opts Options) (_ *Worker, err error) {
	w := &Worker{opts: opts, log: cmp.Or(opts.Logger, slog.Default()), failed: make(chan error, 1), drains: make(chan struct{}), stop: func() {}}
	w.stopping, w.polls = sync.OnceValue(w.stopPolling), newPolls()
	if w.queues, err = queues(opts); err != nil {
		return nil, err
	}
	host, err := workspace.HostID(opts.Config.CacheDir)
	if err != nil {
		return nil, err
	}
	w.log = onHost(w.log, host)
	if w.store, err = OpenStore(opts.Config, w.log); err != nil {
		return nil, err
	}
	if err := w.openWeb(); err != nil {
		return nil, err
	}
	w.openTraces(host)
	defer func() {
		if err != nil {
			w.web.Close()
		}
	}()
	if err := w.openHealth(); err != nil {
		return nil, err
	}
	if w.catalog, err = metadata.NewCatalog(workflows.Builtin(), opts.Config.WorkflowDirs, w.log); err != nil {
		return nil, err
	}
	if err := w.openBridge(); err != nil {
		return nil, err
	}
	w.admission = w.newAdmission()
	w.fuzzing = newFuzzing(opts.Config, w.store, w.metrics, w.log)
	w.cache, err = workspace.Open(workspace.Options{
		Dir:     opts.Config.CacheDir,
		Store:   w.store,
		MaxSize: opts.Config.MaxSize,
		TTL:     opts.Config.TTL,
		Logger:  w.log,

		CowDriver:    opts.Config.CowDriver,
		MinFree:      opts.Config.MinFree,
		FillDisk:     opts.Config.FillDisk,
		WorkspaceMax: opts.Config.WorkspaceMax,
		Runs:         liveness.New(w.temporal, w.log),
		Grace:        opts.Config.Grace,
		Salvage:      w.fuzzing.Store.Salvage,
		FetchLimit:   opts.Config.FetchLimit,
		Limits:       opts.Config.ExtractLimits,
		ProcessBound: opts.ProcessBound,
		Observer:     w.observer(),
	})
	if err != nil {
		return nil, err
	}
	if w.metrics != nil {
		w.metrics.Cache(w.cache.Stats)
	}
	if err := cmp.Or(w.chooseDriver(), w.openSandbox()); err != nil {
		return nil, errors.Join(err, w.cache.Close())
	}
	return w, nil
}

// openSandbox finds out how well tools can be confined here, so that the log says it
// before the first one runs, and that a worker which cannot keep CORDON_MIN_ISOLATION
// stops.
func (w *Worker) openSandbox() (err error) {
	if w.serve() == config.ServeStorage {
		return nil // it runs none
	}
	if w.sandbox, err = sandbox.New(w.sandboxOptions()); err != nil {
		return err
	}
	report := w.sandbox.Report()
	w.metrics.Sandbox(report.Tier)
	w.log.Info("isolation of tools", "tier", report.Tier, "enforced", report.Enforced, "missing", report.Missing)
	return nil
}

// temporal returns the worker's own client.
func (w *Worker) temporal(context.Context) (client.Client, error) {
	if c := w.asked.Load(); c != nil {
		return *c, nil
	}
	return nil, errors.New("this worker has not reached Temporal yet")
}

// chooseDriver tries at the start what copy-on-write workspaces can be made by,
// so that the log says it before the first run asks, and that a driver which is
// required and does not work stops the worker (CACHE_COW_DRIVER).
func (w *Worker) chooseDriver() error {
	choice, err := w.cache.CowDriver()
	switch {
	case cordon.KindOf(err) == cordon.InvalidArgument:
		return err
	case err != nil: // a full disk, for one, may have room again when a run asks
		w.log.Warn("copy-on-write drivers could not be tried; the first run that needs one tries again", "error", err)
		return nil
	}
	w.log.Info("copy-on-write driver", "driver", choice.Name, "setting", w.opts.Config.CowDriver.String(), "usable", choice.Usable)
	if choice.Why != nil {
		w.log.Warn("copy-on-write driver: a better one does not work here", "driver", choice.Name, "why", choice.Why)
	}
	return nil
}

func queues(opts Options) ([]Queue, error) {
	if len(opts.Verticals) > 0 {
		var out []Queue
		for _, v := range opts.Verticals {
			out = append(out, Queue{Name: v + "-queue", Vertical: v})
		}
		return out, nil
	}
	if opts.Config.Vertical == "" {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "start worker", Err: errors.New("it has no vertical"),
			Fix: fmt.Sprintf("set WORKER_VERTICAL or --vertical; verticals with built-in workflows: %v", workflows.Verticals())}
	}
	return []Queue{{Name: cmp.Or(opts.Config.TaskQueue, opts.Config.Serve.Queue(opts.Config.Vertical)), Vertical: opts.Config.Vertical}}, nil
}

// Cache returns the worker's cache.
func (w *Worker) Cache() *workspace.Cache { return w.cache }

// Store returns the worker's object store.
func (w *Worker) Store() Store { return w.store }

// Catalog returns the workflows that the worker knows.
func (w *Worker) Catalog() *metadata.Catalog { return w.catalog }

// Queues returns what the worker polls.
func (w *Worker) Queues() []Queue { return w.queues }

// Start connects to Temporal and begins to poll and to sweep. It returns when
// the worker polls. ctx bounds the start alone.
func (w *Worker) Start(ctx context.Context) error {
	w.serveWeb()
	c, err := dial(ctx, w.watched(w.opts.Temporal), w.log)
	if err != nil {
		return err
	}
	w.client = c
	w.asked.Store(&c)
	opt := activities.Options{
		Cache: w.cache, Results: w.store, Targets: w.store, Blobs: w.store, Fuzzing: w.fuzzing, Catalog: w.catalog, Bridge: w.bridge, Client: c, Version: w.opts.Version, Logger: w.log,
		Namespace: cmp.Or(w.opts.Temporal.Namespace, client.DefaultNamespace), Metrics: w.opts.Temporal.MetricsHandler,
		HostWait: cmp.Or(w.opts.Config.HostWait, config.DefaultHostWait), Drains: true,
	}
	if w.sandbox != nil {
		opt.Sandbox = w.sandbox
	}
	w.activities = activities.New(opt)
	if err := w.refuseMixedQueue(ctx); err != nil {
		return err
	}
	for _, name := range overridden(w.bridge, w.serve()) {
		w.log.Warn("the tool bridge's entry has no effect: this worker has an activity of that name", "activity", name, "file", w.bridge.File)
	}
	if err := w.serveSocket(); err != nil {
		return err
	}
	for _, q := range w.queues {
		if err := w.poll(q); err != nil {
			return unreachable(w.opts.Temporal, err)
		}
	}
	sweeping, stop := context.WithCancel(context.Background())
	w.stop = stop
	w.sweeping.Go(func() { w.sweep(sweeping) })
	w.sweeping.Go(func() { w.tellManager(sweeping) })
	w.sweeping.Go(func() { w.lookAround(sweeping) })
	if w.opts.Config.Deployment != "" {
		w.sweeping.Go(func() { w.watchVersion(sweeping) })
	}
	if w.health != nil {
		w.sweeping.Go(func() { w.keepHealth(sweeping) })
	}
	return nil
}

// fail keeps the first error after which a worker cannot go on.
func (w *Worker) fail(err error) {
	select {
	case w.failed <- err:
	default:
	}
}
