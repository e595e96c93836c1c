package worker

import (
	"context"
	"fmt"
	"os"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"github.com/cordonlabs/cordon/internal/health"
)

// openHealth prepares to see how the worker is, if anybody can ask: by the file, or by HTTP.
func (w *Worker) openHealth() (err error) {
	if w.opts.HealthFile != "" || w.web != nil {
		w.health, err = health.NewKeeper(w.opts.HealthFile, w.log)
	}
	return err
}

// watched returns opts for a client whose polls are seen.
func (w *Worker) watched(opts client.Options) client.Options {
	dial := opts.ConnectionOptions.DialOptions
	opts.ConnectionOptions.DialOptions = append(dial[:len(dial):len(dial)], grpc.WithChainUnaryInterceptor(w.pulse.Watch, w.polls.until))
	return opts
}

// keepHealth writes down how the worker is until ctx is done.
func (w *Worker) keepHealth(ctx context.Context) {
	about := health.Report{Version: w.opts.Version, PID: os.Getpid(), Cache: w.cache.Dir()}
	for _, q := range w.queues {
		about.Queues = append(about.Queues, q.Name)
	}
	now := func() health.Report {
		r := about
		r.Draining = w.draining.Load()
		return r
	}
	w.health.Keep(ctx, now, w.checks())
}

// What is looked at, in the order of checks.
const (
	checkTemporal = iota
	checkPolling
	checkCache
)

// checks are what has to be well.
func (w *Worker) checks() []health.Check {
	return []health.Check{
		checkTemporal: {Name: "Temporal", Try: func(ctx context.Context) error {
			if _, err := w.client.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
				return fmt.Errorf("it does not answer: %w", err)
			}
			return nil
		}},
		checkPolling: {Name: "polling", Try: func(context.Context) error {
			if w.draining.Load() {
				return nil // its last polls for work were ended
			}
			return w.pulse.Err()
		}},
		checkCache: {Name: "cache", Try: func(context.Context) error { return w.cache.Writable() }},
	}
}
