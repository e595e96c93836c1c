package activities

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/workspace"
)

// Cache is what the activities need of the engine; *workspace.Cache is one. It
// is safe for concurrent use.
type Cache interface {
	// Dir is the cache directory: every workspace lies below it. HostID names the host
	// that it belongs to.
	Dir() string
	HostID() string
	// Get returns the run's workspace once it is complete. A context that is
	// cancelled stops the work when no other caller wants it; one whose deadline
	// passes does not.
	Get(ctx context.Context, req workspace.Request) (workspace.Workspace, error)
	// Cleanup ends the caller's claim on a path that Get returned, and removes
	// what nobody else claims. A path that Get never returned is not an error.
	Cleanup(ctx context.Context, path string, by workspace.Caller) (workspace.Cleaned, error)
	// Keep makes the workspace of a run that fails stay until a time that it returns;
	// the zero time means that there is nothing to keep at path.
	Keep(ctx context.Context, path string) (until time.Time, err error)
	// Use keeps what stands at path until the lease is released, whatever becomes of
	// the run that holds it. Where no run does, it is a TargetNotFound *cordon.Error.
	Use(ctx context.Context, path string, by workspace.Caller) (*workspace.Lease, error)
	// Watch measures the workspace at path until done is called. The context that it
	// returns ends with ctx, or by a TargetTooLarge *cordon.Error as its cause when the
	// workspace is over its limit.
	Watch(ctx context.Context, path string) (watched context.Context, done context.CancelFunc)
	// Find returns the entry that stands at path.
	Find(path string) (workspace.Entry, error)
	// Scratch makes an empty directory for what, which counts against the cache's
	// limits until it is released.
	Scratch(ctx context.Context, what string, bytes, inodes int64) (*workspace.Scratch, error)

	// RequireSalvage keeps the run's own workspace at path until what its tools find
	// there is saved, as note says; Salvaged says that it is, and Salvage saves it now.
	RequireSalvage(ctx context.Context, path string, note []byte) error
	Salvaged(ctx context.Context, path string) error
	Salvage(ctx context.Context, path string) error
}

// Options say what the activities work on.
type Options struct {
	Cache   Cache
	Results target.Results

	// Targets says which version of an object is in the store; nil: nobody does, and a
	// workspace that is made anew on another host may be of a newer one.
	Targets target.Source

	// Blobs takes the files that tools leave and workflows keep; nil: none are kept.
	Blobs target.Blobs

	// Sandbox runs the tools that metadata names; nil: none are run.
	Sandbox Sandbox

	// Catalog says what the calling workflow's metadata asks for; nil: nothing.
	Catalog *metadata.Catalog

	// Bridge says what is run for activities that have no name here; without entries
	// nothing is.
	Bridge metadata.Bridge

	// Client asks Temporal about the calling run. Without one, memos are not
	// seen, and the runs' workspaces end by cleanup or expiry.
	Client client.Client
	// Namespace is the one that Client is of; a Call may come from another.
	Namespace string
	// Metrics counts what Call does; nil: nobody does. What Temporal brings, its SDK counts.
	Metrics client.MetricsHandler

	// Fuzzing is what run_fuzzer works with; nil: it has no engines.
	Fuzzing *Fuzzing

	// HostWait is how long runs wait for the workers of a host that is gone to come back,
	// before they go elsewhere. 0 says that nobody polls WatchQueue: they do not notice.
	HostWait time.Duration

	// Drains says that Stop alone ends what is under way: the worker of the SDK's stops
	// before, and lets it go on.
	Drains bool

	Version string       // Cordon's own, for results
	Logger  *slog.Logger // nil: slog.Default()
}

// Activities are the activities of one worker process. They are safe for
// concurrent use.
type Activities struct {
	cache   Cache
	results target.Results
	targets target.Source
	blobs   target.Blobs
	sandbox Sandbox
	catalog *metadata.Catalog
	bridge  metadata.Bridge
	runs    *runs
	version string
	log     *slog.Logger
	metrics client.MetricsHandler
	fuzzing *Fuzzing
	busy    sync.Map // path of a workspace, or what a command is of → channel, closed when that has ended
	handed  handed
	hosts   hosts
	awaited awaited

	background sync.WaitGroup
	wait       time.Duration // Options.HostWait
	stop       func()
}

// New returns the activities that work on what opts says.
func New(opts Options) *Activities {
	log := cmp.Or(opts.Logger, slog.Default())
	stopping := make(chan struct{})
	return &Activities{
		cache:   opts.Cache,
		results: opts.Results,
		targets: opts.Targets,
		blobs:   opts.Blobs,
		sandbox: opts.Sandbox,
		catalog: opts.Catalog,
		bridge:  opts.Bridge,
		runs:    &runs{client: opts.Client, namespace: opts.Namespace, log: log, stopping: stopping, drains: opts.Drains},
		fuzzing: opts.Fuzzing,
		wait:    opts.HostWait,
		version: opts.Version,
		log:     log,
		metrics: cmp.Or(opts.Metrics, client.MetricsNopHandler),
		stop:    sync.OnceFunc(func() { close(stopping) }),
	}
}

// Stop ends the activities under way, and those yet to come, as the end of the
// worker does: their callers try again elsewhere. The SDK tells activities of a
// stop only when it has waited for its workflow tasks, which may take longer
// than an activity may (CONTRACT §7, row 13).
func (a *Activities) Stop() { a.stop() }

// Wait returns when nothing goes on any more that an activity has left to be done after it.
// It is called after Stop, when all activities are over.
func (a *Activities) Wait() { a.background.Wait() }

// RegisterTools registers the tools of the built-in workflows, and the one that runs
// what metadata names.
func (a *Activities) RegisterTools(r worker.ActivityRegistry) {
	register(r, InventoryFilesName, a.InventoryFiles)
	register(r, ScanSecretsName, a.ScanSecrets)
	register(r, ScanCodeName, a.ScanCode)
	register(r, ScanGoName, a.ScanGo)
	register(r, RunToolName, a.RunTool)
	register(r, RunFuzzerName, a.RunFuzzer)
	register(r, ReportFindingsName, a.ReportFindings)
}

func register(r worker.ActivityRegistry, name string, fn any) {
	r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
}

// caller returns a logger that says on whose behalf the activity runs.
func (a *Activities) caller(info activity.Info) *slog.Logger {
	return a.callerAs(info, info.WorkflowExecution.RunID)
}

// callerAs is caller, for a run that may go by another id than Temporal's.
func (a *Activities) callerAs(info activity.Info, run string) *slog.Logger {
	return a.log.With("activity", info.ActivityType.Name, "workflow_id", info.WorkflowExecution.ID, "run_id", run, "attempt", info.Attempt)
}

// callerOn is caller, and says of which target path is a workspace, where it is one by
// its looks.
func (a *Activities) callerOn(info activity.Info, path string) *slog.Logger {
	log := a.caller(info)
	rel, below := strings.CutPrefix(path, a.cache.Dir()+"/")
	id, _, _ := strings.Cut(rel, "/")
	if target, err := cordon.ParseTargetID(id); below && err == nil {
		log = log.With("target_id", target)
	}
	return log
}
