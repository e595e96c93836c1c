package worker

import (
	"cmp"
	"net"
	"net/http"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/sandbox"
	"github.com/cordonlabs/cordon/worker/dashboard"
	"github.com/cordonlabs/cordon/worker/web"
	"github.com/cordonlabs/cordon/workflows/flow"
)

// pages are what the worker shows to people.
func (w *Worker) pages() http.Handler {
	opts := dashboard.Options{
		Cache: w.cache, Store: w.store, TTL: w.opts.Config.TTL,
		Namespace: cmp.Or(w.opts.Temporal.Namespace, client.DefaultNamespace),
		UI:        cmp.Or(w.opts.TemporalUI, w.opts.Config.TemporalUI),
		Version:   w.opts.Version, Logger: w.log,
		Temporal: func() client.Client {
			if c := w.asked.Load(); c != nil {
				return *c
			}
			return nil
		},
		Access: func(r *http.Request) dashboard.Access {
			a := web.AccessOf(r)
			return dashboard.Access{Possible: a.Token, Granted: a.Bears}
		},
	}
	for _, q := range w.queues {
		opts.Queues = append(opts.Queues, dashboard.Queue{Name: q.Name, Identity: w.identity(w.offer(q.Vertical))})
	}
	if w.sandbox != nil {
		opts.Isolation = isolation(w.sandbox.Report())
	}
	at := w.opts.Config.HTTPURL
	if host, _, err := net.SplitHostPort(w.HTTP()); err == nil && at == "" && net.ParseIP(host).IsLoopback() {
		at = "http://" + w.HTTP() // people are on this machine
	}
	flow.SetPages(at)
	return dashboard.New(opts)
}

// isolation says how tools are confined, for people.
func isolation(r sandbox.Report) string {
	words := string(r.Tier)
	for i, m := range r.Missing {
		sep := ", "
		if i == 0 {
			sep = ", without "
		}
		words += sep + string(m.Promise)
	}
	return words
}
