package worker

import (
	"context"

	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/worker/traces"
	"github.com/cordonlabs/cordon/workspace"
)

// openTraces prepares to trace what the worker does, if a collector is named.
func (w *Worker) openTraces(host string) {
	w.traces = traces.New(traces.Options{Config: w.opts.Config.Traces, Service: "cordon-worker", Host: host, Version: w.opts.Version, Logger: w.log})
	w.opts.Temporal = w.traces.Client(w.opts.Temporal)
}

// observer returns what the cache tells what it does, or nil.
func (w *Worker) observer() workspace.Observer {
	switch {
	case w.metrics == nil && w.traces == nil:
		return nil
	case w.traces == nil:
		return w.metrics.Observer()
	case w.metrics == nil:
		return w.traces.Observer()
	}
	return observers{w.metrics.Observer(), w.traces.Observer()}
}

// observers is several that are one.
type observers []workspace.Observer

// Begin implements workspace.Observer.
func (all observers) Begin(ctx context.Context, work workspace.Work) (context.Context, func(workspace.Done)) {
	told := make([]func(workspace.Done), len(all))
	for i, o := range all {
		ctx, told[i] = o.Begin(ctx, work)
	}
	return ctx, func(d workspace.Done) {
		for _, tell := range told {
			tell(d)
		}
	}
}

// Arrived implements workspace.Observer.
func (all observers) Arrived(bytes int64) {
	for _, o := range all {
		o.Arrived(bytes)
	}
}

// Gone implements workspace.Observer.
func (all observers) Gone(g workspace.Gone) {
	for _, o := range all {
		o.Gone(g)
	}
}

func (w *Worker) sandboxOptions() sandbox.Options {
	o := sandbox.Options{MinTier: w.opts.Config.MinIsolation, Logger: w.log}
	var watch []func(context.Context, sandbox.Tier) func(sandbox.Result)
	if w.metrics != nil {
		watch = append(watch, w.metrics.Tool)
	}
	if w.traces != nil {
		watch = append(watch, w.traces.Command)
	}
	if watch == nil {
		return o
	}
	o.Observe = func(ctx context.Context, tier sandbox.Tier) func(sandbox.Result) {
		ended := make([]func(sandbox.Result), len(watch))
		for i, begin := range watch {
			ended[i] = begin(ctx, tier)
		}
		return func(r sandbox.Result) {
			for _, end := range ended {
				end(r)
			}
		}
	}
	return o
}
