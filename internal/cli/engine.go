package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/dev"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/worker/traces"
	"github.com/cordonlabs/cordon/workflows"
)

// engine is what executes the workflow: a Temporal elsewhere, or one in this
// process with a worker beside it.
type engine struct {
	client   client.Client
	vertical string
	queue    string
	embedded bool
	stops    []func() // in the order in which they were started
}

func (e *engine) stop() {
	for _, stop := range slices.Backward(e.stops) {
		stop()
	}
}

// startEngine connects to the Temporal that a flag, a variable or a profile
// names, or else starts one (CONTRACT §8.9).
func (a *app) startEngine(ctx context.Context, j *job) (*engine, error) {
	opts, named, err := config.TemporalOptions(j.temporal, a.environ)
	if err != nil {
		return nil, err
	}
	e := &engine{vertical: j.workflow.VerticalOr(j.cfg.Vertical)}
	if e.vertical == "" {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "run", Name: j.workflow.Name,
			Err: errors.New("its metadata names no vertical"), Fix: "set vertical in its metadata.yaml, or WORKER_VERTICAL"}
	}
	e.queue = e.vertical + "-queue"
	if !named {
		if !workflows.Runnable(j.workflow) {
			return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "run", Name: j.workflow.Name,
				Err: errors.New("its code is not in this program, which has its metadata alone"),
				Fix: "name the Temporal whose workers have it, with --address or TEMPORAL_ADDRESS; a workflow with run in its metadata needs no code"}
		}
		opts, err = a.embed(ctx, j, e)
	}
	if err == nil {
		t := traces.New(traces.Options{Config: j.cfg.Traces, Service: "cordon", Version: a.version.Version, Logger: a.logger(a.level(j.cfg, slog.LevelError), false)})
		e.stops = append(e.stops, t.Stop)
		e.client, err = connect(ctx, t.Client(opts))
	}
	if err != nil {
		e.stop()
		return nil, err
	}
	e.stops = append(e.stops, e.client.Close)
	return e, nil
}

// embed starts a server that lives as long as this process, and a worker. Its
// history is in memory: what stays of a run are its results in the store.
func (a *app) embed(ctx context.Context, j *job, e *engine) (client.Options, error) {
	// What a worker warns of, an activity that failed above all, this command
	// says itself, once and at its place.
	log := a.logger(a.level(j.cfg, slog.LevelError), false)
	opts := client.Options{Namespace: config.DefaultNamespace}
	a.redraw("starting Temporal …")
	defer a.redraw("")
	server, err := dev.Start(ctx, dev.Options{UIPort: -1, Logger: log})
	if err != nil {
		return opts, fmt.Errorf("start Temporal: %w", err)
	}
	// Nobody stops the server: it is in memory and ends with the process, and
	// stopping it in good order would take a second of everybody's time.
	e.embedded, opts.HostPort = true, server.Address()
	w, err := worker.New(worker.Options{
		Config: j.cfg, Temporal: opts, Verticals: []string{e.vertical}, ProcessBound: true, Version: a.version.Version, Logger: log,
	})
	if err != nil {
		return opts, err
	}
	e.stops = append(e.stops, func() {
		server.Quiet()
		w.Stop()
	})
	return opts, w.Start(ctx)
}
