package cli

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/dev"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
)

// The ports of `cordon dev`: those that Temporal's clients and people expect.
const (
	defaultPort   = 7233
	defaultUIPort = 8233
)

// addresses is what `cordon dev` prints.
type addresses struct {
	Temporal  string   `json:"temporal"`
	Namespace string   `json:"namespace"`
	UI        string   `json:"ui"`
	HTTP      string   `json:"http,omitempty"`
	Store     string   `json:"store"`
	Cache     string   `json:"cache"`
	State     string   `json:"state"`
	Queues    []string `json:"queues"`
}

func (a *app) devCommand() *cobra.Command {
	var p places
	var http serveHTTP
	var port, uiPort int
	var asJSON bool
	cmd := &cobra.Command{
		Use: "dev", Short: "Run Temporal, its web UI and a worker for every vertical, until Ctrl-C", Args: exactly(),
		Long: `Dev is everything in one process: a Temporal server with its web UI, and a worker for
each vertical that has built-in workflows. It listens on this machine alone. Its
state is kept under --data and is there again the next time. The worker's pages, its
metrics and its health are at ` + devHTTP + `, or at a free port where another program
has that one.`,
		Example: `  cordon dev
  cordon dev --data ./.cordon-data --port 0 --ui-port 0 --json
  TEMPORAL_ADDRESS=localhost:7233 cordon run secret_detection ./project   # in another terminal`,
		RunE: does(func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.settings(p, dataHome)
			if err != nil {
				return err
			}
			state, err := p.dataDir(temporalFolder)
			if err != nil {
				return err
			}
			http.addr, http.metrics = cmp.Or(http.addr, a.getenv("WORKER_HTTP")), cmp.Or(http.metrics, a.getenv("WORKER_METRICS"))
			if err := http.over(cmd, &cfg); err != nil {
				return err
			}
			return a.dev(cmd.Context(), cfg, http, dev.Options{DataDir: state, Port: port, UIPort: uiPort}, asJSON)
		}),
	}
	cmd.Flags().IntVar(&port, "port", defaultPort, "`PORT` of Temporal; 0 takes a free one")
	cmd.Flags().IntVar(&uiPort, "ui-port", defaultUIPort, "`PORT` of the web UI; 0 takes a free one")
	http.add(cmd.Flags(), devHTTP)
	p.addData(cmd.Flags())
	p.addCache(cmd.Flags())
	p.addStore(cmd.Flags())
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) dev(ctx context.Context, cfg config.Worker, http serveHTTP, opts dev.Options, asJSON bool) error {
	log := a.logger(cfg.LogLevel, true)
	opts.Logger = log
	catalog, err := a.catalog(cfg)
	if err != nil {
		return err
	}
	server, err := dev.Start(ctx, opts)
	if err != nil {
		return err
	}
	// The process ends now: a server that is slow to stop is cut off.
	defer func() { _ = server.Stop() }()
	w, err := newDevWorker(worker.Options{
		Config:     cfg,
		Temporal:   client.Options{HostPort: server.Address(), Namespace: config.DefaultNamespace},
		Verticals:  workflows.Verticals(catalog.List()...),
		TemporalUI: server.UIURL(),
		Version:    a.version.Version,
		Logger:     log,
	}, http.addr)
	if err != nil {
		return err
	}
	defer w.Stop()
	if err := w.Start(ctx); err != nil {
		return err
	}
	at := addresses{
		Temporal: server.Address(), Namespace: config.DefaultNamespace, UI: server.UIURL(),
		Store: cmp.Or(cfg.S3.Endpoint, cfg.StoreDir), Cache: w.Cache().Dir(), State: opts.DataDir,
	}
	if w.HTTP() != "" {
		at.HTTP = "http://" + w.HTTP()
	}
	for _, q := range w.Queues() {
		at.Queues = append(at.Queues, q.Name)
	}
	if asJSON {
		if err := a.printJSON(at); err != nil {
			return err
		}
	} else {
		a.printAddresses(at)
	}
	return w.Wait(ctx)
}

func (a *app) printAddresses(at addresses) {
	row := func(what, value string) { a.print("  %s %s", a.paintOut(dim, what), plain(value)) }
	a.print("%s", a.paintOut(bold, "cordon dev is ready; Ctrl-C ends it"))
	row("Temporal ", at.Temporal+"   (namespace "+at.Namespace+")")
	row("web UI   ", at.UI)
	if at.HTTP != "" {
		row("worker   ", at.HTTP)
	}
	row("store    ", at.Store)
	row("cache    ", at.Cache)
	row("state    ", at.State)
	for i, q := range at.Queues {
		what := "         "
		if i == 0 {
			what = "queues   "
		}
		row(what, q)
	}
	a.print("  %s TEMPORAL_ADDRESS=%s cordon run secret_detection FOLDER", a.paintOut(dim, "try      "), at.Temporal)
}
