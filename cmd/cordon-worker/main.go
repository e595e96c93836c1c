// Command cordon-worker is a Cordon worker without the embedded Temporal server:
// what runs beside an existing Temporal and object store.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/sdnotify"
	"github.com/cordonlabs/cordon/worker"
)

// version is set by the linker in releases.
var version = ""

const usage = `cordon-worker runs Cordon's activities and built-in workflows for a Temporal server.

Usage:
  cordon-worker [flags]
  cordon-worker health [--health-file FILE]

Health asks whether the worker that writes FILE polls, whether its Temporal answers and
whether its cache can be written; the exit code is 1 where not.

Example:
  WORKER_VERTICAL=python S3_ENDPOINT=http://minio:9000 cordon-worker --address temporal:7233

Flags (they beat the environment):
  --address HOST:PORT    Temporal (TEMPORAL_ADDRESS; default localhost:7233)
  --namespace NAME       its namespace (TEMPORAL_NAMESPACE; default "default")
  --vertical NAME        poll NAME-queue (WORKER_VERTICAL)
  --task-queue NAME      poll this queue instead (WORKER_TASK_QUEUE)
  --serve WHAT           all, activities (no workflows), or storage (get_target and its like, on
                         {vertical}-storage) (WORKER_SERVE; default all)
  --socket PATH          serve the storage activities on a unix socket too (WORKER_SOCKET)
  --socket-group GROUP   let a group use the socket (WORKER_SOCKET_GROUP)
  --cache-dir DIR        the cache (CACHE_DIR; default /cache)
  --store DIR            a directory as object store (CORDON_STORE; S3_ENDPOINT wins unless this flag is given)
  --health-file FILE     say in FILE whether all is well (WORKER_HEALTH_FILE)
  --http HOST:PORT       serve pages, metrics and health there (WORKER_HTTP); one that is not of
                         this machine alone needs WORKER_HTTP_TOKEN, as all changes do
  --metrics HOST:PORT    serve metrics and health alone there (WORKER_METRICS)
  --pprof                serve Go's profiles below /debug/pprof/ too (WORKER_PPROF)
  --storage-slots N      storage activities at once, beside the MAX_CONCURRENT_ACTIVITIES tools
                         (WORKER_STORAGE_SLOTS; default as many, 4 at least)
  --drain DURATION       let what is under way go on for so long when the worker is stopped
                         (WORKER_DRAIN; default 0)
  --deployment NAME      be a version of this Temporal worker deployment (WORKER_DEPLOYMENT)
  --build-id ID          which version (WORKER_BUILD_ID; default this program's own)
  --version              print the version and exit
  --help                 print this and exit

The other variables are in docs/contract.md. The log goes to standard output, why it
ended to standard error. SIGTERM and SIGINT stop the worker within seconds, or once it has
drained; a second one ends the draining, and the next one the process.
`

// Exit codes (CONTRACT §8.11).
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitUnreachable = 4
	exitBusy        = 5
	exitNoSpace     = 7
)

func main() { os.Exit(run(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)) }

func run(args, environ []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "health" {
		return askHealth(args[1:], environ, stdout, stderr)
	}
	opts, done, err := options(args, environ, stdout)
	if done {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "cordon-worker: %v\n", err)
		return exitUsage
	}
	// Its log is all that a worker has to say, and people pipe it: docker logs WORKER | grep …
	opts.Logger = slog.New(slog.NewTextHandler(stdout, &slog.HandlerOptions{Level: opts.Config.LogLevel}))

	ctx, hurry := untilSignalled(opts.Config.Drain > 0)
	opts.Hurry = hurry
	if err := worker.Run(ctx, opts); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(stderr, "cordon-worker: %v\n", err)
		return exitCode(err)
	}
	return exitOK
}

// untilSignalled returns a context that ends at the first signal, and where the worker
// drains a channel that is closed at the second. The one after that has its usual effect:
// the process ends.
func untilSignalled(drains bool) (context.Context, <-chan struct{}) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	hurry := make(chan struct{})
	go func() {
		<-signals
		cancel()
		if drains {
			<-signals
			close(hurry)
		}
		signal.Stop(signals)
	}()
	return ctx, hurry
}

// options reads the flags and the environment. done says that the program has
// printed what was asked for.
func options(args, environ []string, stdout io.Writer) (opts worker.Options, done bool, err error) {
	var (
		temporal        config.TemporalFlags
		vertical, queue string
		serve           string
		cacheDir, store string
		socket, group   string
		healthFile      string
		http, metrics   string
		pprof           string
		storageSlots    string
		drain           string
		deployment      string
		buildID         string
		showVersion     bool
		flags           = flag.NewFlagSet("cordon-worker", flag.ContinueOnError)
	)
	flags.SetOutput(io.Discard) // errors are printed by the caller, once
	flags.StringVar(&temporal.Address, "address", "", "")
	flags.StringVar(&temporal.Namespace, "namespace", "", "")
	flags.StringVar(&vertical, "vertical", "", "")
	flags.StringVar(&queue, "task-queue", "", "")
	flags.StringVar(&serve, "serve", "", "")
	flags.StringVar(&socket, "socket", "", "")
	flags.StringVar(&group, "socket-group", "", "")
	flags.StringVar(&cacheDir, "cache-dir", "", "")
	flags.StringVar(&store, "store", "", "")
	flags.StringVar(&healthFile, "health-file", "", "")
	flags.StringVar(&http, "http", "", "")
	flags.StringVar(&metrics, "metrics", "", "")
	flags.BoolFunc("pprof", "", func(s string) error { pprof = s; return nil })
	flags.StringVar(&storageSlots, "storage-slots", "", "")
	flags.StringVar(&drain, "drain", "", "")
	flags.StringVar(&deployment, "deployment", "", "")
	flags.StringVar(&buildID, "build-id", "", "")
	flags.BoolVar(&showVersion, "version", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, err := io.WriteString(stdout, usage)
		return opts, true, err
	case err != nil:
		return opts, false, fmt.Errorf("%w; see cordon-worker --help", err)
	case flags.NArg() > 0:
		return opts, false, fmt.Errorf("unexpected argument %q; see cordon-worker --help", flags.Arg(0))
	case showVersion:
		_, err := fmt.Fprintln(stdout, "cordon-worker", versionText())
		return opts, true, err
	}

	opts.Version = versionText()
	if opts.Config, err = config.FromEnv(getenv(environ, map[string]string{
		"WORKER_VERTICAL": vertical, "WORKER_TASK_QUEUE": queue, "WORKER_SERVE": serve, "CACHE_DIR": cacheDir, "CORDON_STORE": store,
		"WORKER_SOCKET": socket, "WORKER_SOCKET_GROUP": group,
		"WORKER_HEALTH_FILE": healthFile, "WORKER_HTTP": http, "WORKER_METRICS": metrics, "WORKER_PPROF": pprof,
		"WORKER_STORAGE_SLOTS": storageSlots, "WORKER_DRAIN": drain,
		"WORKER_DEPLOYMENT": deployment, "WORKER_BUILD_ID": buildID,
	})); err != nil {
		return opts, false, err
	}
	opts.HealthFile = opts.Config.HealthFile
	opts.Manager = sdnotify.FromEnv(getenv(environ, nil))
	if store != "" {
		opts.Config.S3.Endpoint = "" // the flag beats the variable
	}
	opts.Temporal, _, err = config.TemporalOptions(temporal, environ)
	return opts, false, err
}

// getenv looks a variable up among the flags that were given, then in environ.
func getenv(environ []string, flags map[string]string) func(string) string {
	return func(name string) string {
		if v := flags[name]; v != "" {
			return v
		}
		for _, kv := range environ {
			if len(kv) > len(name) && kv[len(name)] == '=' && kv[:len(name)] == name {
				return kv[len(name)+1:]
			}
		}
		return ""
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// exitCode says in a number what err says in words.
func exitCode(err error) int {
	switch cordon.KindOf(err) {
	case cordon.TargetNotFound:
		return exitNotFound
	case cordon.StorageUnavailable:
		return exitUnreachable
	case cordon.Busy:
		return exitBusy
	case cordon.NoSpace:
		return exitNoSpace
	case cordon.InvalidArgument:
		return exitUsage
	}
	return exitFailure
}
