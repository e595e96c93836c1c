// Package traces tells an OpenTelemetry collector what a worker does: a trace leads from
// a workflow through its activities into the cache, to each fetch, download and
// extraction, and to each command that runs confined.
//
// It speaks OTLP by HTTP and W3C Trace Context by itself, for two reasons. OpenTelemetry's
// SDK takes a megabyte of a program that has no room for it (cordon-worker stays below 40
// MB). And what connects that SDK to Temporal gives a workflow that is replayed, on another
// worker or because it was evicted on this one, a new span each time: what began earlier
// loses its parent. Here a workflow's span has the same id wherever it is replayed, and is
// told of once, by the worker on which the workflow ends.
//
// Nothing is made and nobody is asked where no collector is named: New returns nil then,
// and every method of a nil *Traces does nothing. What there is: docs/monitoring.md.
package traces

import (
	"cmp"
	"log/slog"
	"maps"
	"os"
	"slices"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"

	"github.com/cordonlabs/cordon/internal/config"
)

// Options say who tells whom.
type Options struct {
	Config  config.Traces
	Service string // service.name where Config has none
	Host    string // as its cache names it; "": there is none
	Version string // of this program
	Logger  *slog.Logger
}

// Traces makes spans and sends them. It is safe for concurrent use.
type Traces struct {
	opts     Options
	exporter *exporter
}

// New returns nil where traces are off. It starts nothing: the first span does. Who has
// them calls Stop.
func New(opts Options) *Traces {
	if opts.Config.Endpoint == "" {
		return nil
	}
	t := &Traces{opts: opts}
	t.exporter = newExporter(opts, t.resource)
	return t
}

// Client returns opts for a client whose calls are traced, as all is that its workers run.
func (t *Traces) Client(opts client.Options) client.Options {
	if t == nil {
		return opts
	}
	have := opts.Interceptors
	opts.Interceptors = append(have[:len(have):len(have)], &intercepts{interceptor.NewTracingInterceptor(tracer{t: t})})
	return opts
}

// Stop sends what waits, for flushTimeout at most. What ends later is lost.
func (t *Traces) Stop() {
	if t != nil {
		t.exporter.stop()
	}
}

// resource says what is the same of all spans. What the environment says holds.
func (t *Traces) resource() (r []attribute) {
	is := map[string]string{"service.version": t.opts.Version, "host.id": t.opts.Host}
	if name, err := os.Hostname(); err == nil { // else nobody asked the kernel to have one
		is["host.name"] = name
	}
	maps.Copy(is, t.opts.Config.Resource)
	is["service.name"] = cmp.Or(t.opts.Config.Service, is["service.name"], t.opts.Service)
	for _, name := range slices.Sorted(maps.Keys(is)) {
		r = append(r, text(name, is[name])...)
	}
	return r
}

// text is an attribute, or none where there is nothing to say.
func text(name, value string) []attribute {
	if value == "" {
		return nil
	}
	return []attribute{{name, plain(value, maxText)}}
}

func number(name string, value int64) []attribute { return []attribute{{name, value}} }

func yes(name string, value bool) []attribute { return []attribute{{name, value}} }
