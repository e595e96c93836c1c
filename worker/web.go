package worker

import (
	"time"

	"github.com/cordonlabs/cordon/worker/metrics"
	"github.com/cordonlabs/cordon/worker/web"
)

// ErrHTTPInUse is in the error of New where another program has the address of the pages.
var ErrHTTPInUse = web.ErrInUse

// openWeb claims the addresses that the worker serves HTTP on, if any, before it does
// anything that takes time.
func (w *Worker) openWeb() (err error) {
	cfg := w.opts.Config
	w.web, err = web.Listen(web.Options{Addr: cfg.HTTP, Metrics: cfg.Metrics, Token: string(cfg.HTTPToken), Pprof: cfg.Pprof, Logger: w.log})
	if w.web != nil {
		w.metrics = metrics.New(w.opts.Version, w.log)
		w.metrics.Ready(w.ready)
		w.opts.Temporal.MetricsHandler = w.metrics.SDK()
	}
	return err
}

// ready reports whether the worker can work.
func (w *Worker) ready() bool {
	h := w.webHealth()
	return h.Live && h.Started && len(h.Problems) == 0
}

// serveWeb begins to answer.
func (w *Worker) serveWeb() {
	if w.web == nil {
		return
	}
	w.web.Serve(web.Handlers{Pages: w.pages(), Metrics: w.metrics.Handler(), Health: w.webHealth})
}

// HTTP returns where the worker serves its pages, host:port, or "".
func (w *Worker) HTTP() string { return w.web.Addr() }

// Metrics returns where it serves metrics and health alone, host:port, or "".
func (w *Worker) Metrics() string { return w.web.MetricsAddr() }

// webHealth is how the worker is, for who asks by HTTP.
func (w *Worker) webHealth() web.Health {
	r, looked := w.health.Latest()
	if !looked {
		return web.Health{Live: true}
	}
	return web.Health{Live: r.Fresh(time.Now()), Started: true, Draining: w.draining.Load(), Problems: r.Problems, About: struct {
		Version string   `json:"version"`
		PID     int      `json:"pid"`
		Queues  []string `json:"queues"`
		Cache   string   `json:"cache"`
	}{r.Version, r.PID, r.Queues, r.Cache}}
}
