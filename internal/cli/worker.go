package cli

import (
	"cmp"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/sdnotify"
	"github.com/cordonlabs/cordon/worker"
)

func (a *app) workerCommand() *cobra.Command {
	var p places
	var temporal config.TemporalFlags
	var http serveHTTP
	var vertical, queue, serve, socket, group, healthFile string
	beside := variables{}
	cmd := &cobra.Command{
		Use: "worker", Short: "Run the workflows and activities of one vertical, until Ctrl-C", Args: exactly(),
		Long: `Worker polls {vertical}-queue on a Temporal server that runs elsewhere, and keeps the
cache at CACHE_DIR. It is configured by the environment (docs/operate.md); these
flags come before it.

Beside workers of other languages it serves a part of what it could: the activities alone
where they bring the workflows, the storage activities alone, on {vertical}-storage, where
they have the tools too (docs/topologies.md).

SIGTERM and Ctrl-C stop it: what it works on is told at once, or when --drain has passed, and
goes on elsewhere. A second signal ends the draining, and the next one the process
(docs/upgrade.md).

The program cordon-worker is the same, small, without the embedded server (cordon-worker --help).`,
		Example: `  cordon worker --vertical python --address temporal:7233
  S3_ENDPOINT=http://minio:9000 WORKER_VERTICAL=secrets cordon worker
  cordon worker --vertical python --serve storage       # beside Python workers with tools of their own`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			a.getenv = beside.before(a.getenv)
			cfg, err := a.settings(p, workerHome)
			if err != nil {
				return err
			}
			if vertical != "" {
				cfg.Vertical = vertical
			}
			if serve != "" {
				if cfg.Serve, err = config.ParseServe(serve); err != nil {
					return &cordon.Error{Kind: cordon.InvalidArgument, Op: "read --serve", Err: err}
				}
			}
			if queue != "" {
				cfg.TaskQueue = queue
			} else if a.getenv("WORKER_TASK_QUEUE") == "" {
				cfg.TaskQueue = "" // the worker knows
			}
			if socket != "" {
				if cfg.Socket, err = filepath.Abs(socket); err != nil {
					return err
				}
			}
			cfg.SocketGroup = cmp.Or(group, cfg.SocketGroup)
			if healthFile != "" {
				cfg.HealthFile = healthFile
			}
			if err := http.over(cmd, &cfg); err != nil {
				return err
			}
			opts, _, err := config.TemporalOptions(temporal, a.environ)
			if err != nil {
				return err
			}
			var hurry <-chan struct{}
			if cfg.Drain > 0 {
				hurry = a.hurry.await()
			}
			return worker.Run(cmd.Context(), worker.Options{
				Config: cfg, Temporal: opts, Hurry: hurry, HealthFile: cfg.HealthFile, Version: a.version.Version, Logger: a.logger(cfg.LogLevel, true),
				Manager: sdnotify.FromEnv(a.getenv),
			})
		}),
	}
	cmd.Flags().StringVar(&vertical, "vertical", "", "`VERTICAL` whose queue is polled (default: WORKER_VERTICAL)")
	cmd.Flags().StringVar(&queue, "task-queue", "", "poll `QUEUE` instead of {vertical}-queue (default: WORKER_TASK_QUEUE)")
	cmd.Flags().StringVar(&serve, "serve", "", "`WHAT` to serve: all, activities, storage (default: WORKER_SERVE, or all)")
	cmd.Flags().StringVar(&socket, "socket", "", "serve the storage activities on the unix socket `PATH` too (default: WORKER_SOCKET)")
	cmd.Flags().StringVar(&group, "socket-group", "", "let `GROUP`, a name or a number, use the socket too (default: WORKER_SOCKET_GROUP)")
	cmd.Flags().StringVar(&healthFile, "health-file", "", "say in `FILE` whether all is well, for 'cordon worker health' (default: WORKER_HEALTH_FILE)")
	http.add(cmd.Flags(), "nowhere")
	beside.flag(cmd, "storage-slots", "WORKER_STORAGE_SLOTS", "`N` storage activities at once, beside the tools (default: WORKER_STORAGE_SLOTS, or MAX_CONCURRENT_ACTIVITIES, 4 at least)")
	beside.flag(cmd, "drain", "WORKER_DRAIN", "when stopped, let what is under way go on for a `DURATION` (default: WORKER_DRAIN, or 0)")
	beside.flag(cmd, "deployment", "WORKER_DEPLOYMENT", "be a version of the Temporal worker deployment `NAME` (default: WORKER_DEPLOYMENT)")
	beside.flag(cmd, "build-id", "WORKER_BUILD_ID", "the `ID` of that version (default: WORKER_BUILD_ID, or this program's version)")
	addTemporal(cmd.Flags(), &temporal)
	p.addCache(cmd.Flags())
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	cmd.AddCommand(a.workerHealthCommand())
	return cmd
}
