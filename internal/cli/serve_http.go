package cli

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/worker"
)

// devHTTP is where `cordon dev` serves its pages.
const devHTTP = "127.0.0.1:8234"

// serveHTTP are the flags that say what a worker serves over HTTP.
type serveHTTP struct {
	addr, metrics string
	pprof         bool
}

func (h *serveHTTP) add(flags *pflag.FlagSet, otherwise string) {
	flags.StringVar(&h.addr, "http", "", "serve pages, metrics and health at `HOST:PORT`; off: nowhere (default: WORKER_HTTP, or "+otherwise+")")
	flags.StringVar(&h.metrics, "metrics", "", "serve metrics and health alone at `HOST:PORT` (default: WORKER_METRICS)")
	flags.BoolVar(&h.pprof, "pprof", false, "serve Go's profiles below /debug/pprof/ too (default: WORKER_PPROF)")
}

// over puts the flags above what the environment says.
func (h *serveHTTP) over(cmd *cobra.Command, cfg *config.Worker) error {
	for _, f := range []struct {
		flag, value string
		into        *string
	}{{"--http", h.addr, &cfg.HTTP}, {"--metrics", h.metrics, &cfg.Metrics}} {
		if f.value == "" {
			continue
		}
		var err error
		if *f.into, err = config.ParseListen(f.value); err != nil {
			return &cordon.Error{Kind: cordon.InvalidArgument, Op: "read " + f.flag, Err: err}
		}
	}
	if cmd.Flags().Changed("pprof") {
		cfg.Pprof = h.pprof
	}
	return nil
}

// newDevWorker makes the worker of `cordon dev`. Where nobody chose the port of its pages
// and another program has it, as a second `cordon dev` does, it takes a free one.
func newDevWorker(opts worker.Options, chosen string) (*worker.Worker, error) {
	if chosen != "" {
		return worker.New(opts)
	}
	opts.Config.HTTP = devHTTP
	w, err := worker.New(opts)
	if errors.Is(err, worker.ErrHTTPInUse) {
		opts.Config.HTTP = "127.0.0.1:0"
		return worker.New(opts)
	}
	return w, err
}
