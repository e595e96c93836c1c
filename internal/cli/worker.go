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
	cmd := &cobra.Command{
		Use: "worker", Short: "Run the workflows and activities of one vertical, until Ctrl-C", Args: exactly(),
		Long: `Worker polls {vertical}-queue on a Temporal server that runs elsewhere, and keeps the
cache at CACHE_DIR. It is configured by the environment (docs/operate.md); these
flags come before it.

Beside workers of other languages it serves a part of what it could: the activities alone
where they bring the workflows, the storage activities alone, on {vertical}-storage, where
they have the tools too (docs/topologies.md).

The program cordon-worker is the same, small, without the embedded server (cordon-worker --help).`,
		Example: `  cordon worker --vertical python --address temporal:7233
  S3_ENDPOINT=http://minio:9000 WORKER_VERTICAL=secrets cordon worker
  cordon worker --vertical python --serve storage       # beside Python workers with tools of their own`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
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
			return worker.Run(cmd.Context(), worker.Options{
				Config: cfg, Temporal: opts, HealthFile: cfg.HealthFile, Version: a.version.Version, Logger: a.logger(cfg.LogLevel, true),
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
	addTemporal(cmd.Flags(), &temporal)
	p.addCache(cmd.Flags())
	p.addStore(cmd.Flags())
	p.addData(cmd.Flags())
	cmd.AddCommand(a.workerHealthCommand())
	return cmd
}
