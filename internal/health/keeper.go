package health

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cordonlabs/cordon"
)

// retry is how soon it looks again where something is wrong: a worker that has just
// started has not polled yet.
const retry = time.Second

// patience is how long one check may take; then it counts as failed.
const patience = 5 * time.Second

// Check is one thing that has to be well.
type Check struct {
	Name string // for people, as the beginning of a sentence: "Temporal"
	Try  func(ctx context.Context) error
}

// Keeper looks how a worker is, and keeps its file up to date. Latest is safe for
// concurrent use.
type Keeper struct {
	path   string // "": no file
	about  func() Report
	checks []Check
	log    *slog.Logger
	latest atomic.Pointer[Report]
	again  chan struct{} // to look before it is time
}

// NewKeeper returns a keeper of path, which it removes: what a process before wrote
// is not this one's health. The error is an InvalidArgument where it cannot be written.
// Without a path it keeps what it sees to itself, and whoever asks for Latest.
func NewKeeper(path string, log *slog.Logger) (*Keeper, error) {
	if path == "" {
		return &Keeper{log: log, again: make(chan struct{}, 1)}, nil
	}
	err := Report{}.write(path) // to see whether it can be
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return nil, &cordon.Error{Kind: cordon.InvalidArgument, Op: "write the health file", Err: err, Fix: "set WORKER_HEALTH_FILE to a file in a directory that the worker may write"}
	}
	return &Keeper{path: path, log: log, again: make(chan struct{}, 1)}, nil
}

// Keep checks and writes, at once and then every few seconds, until ctx is done.
// Then it removes the file. about says who the worker is, each time.
func (k *Keeper) Keep(ctx context.Context, about func() Report, checks []Check) {
	k.about, k.checks = about, checks
	var before string
	for {
		r := k.look(ctx)
		if ctx.Err() == nil {
			k.latest.Store(&r)
			k.write(r)
			if now := failing(r.Problems); now != before {
				k.log.Warn("health", "problems", r.Problems)
				before = now
			}
		}
		wait := every
		if len(r.Problems) > 0 {
			wait = retry
		}
		select {
		case <-ctx.Done():
			k.remove()
			return
		case <-k.again:
		case <-time.After(wait):
		}
	}
}

// Latest returns what it saw last; false before its first look. Report.Fresh says whether
// it still looks.
func (k *Keeper) Latest() (Report, bool) {
	r := k.latest.Load()
	if r == nil {
		return Report{}, false
	}
	return *r, true
}

func (k *Keeper) write(r Report) {
	if k.path == "" {
		return
	}
	if err := r.write(k.path); err != nil {
		k.log.Warn("the health file could not be written; who asks will take this worker for dead", "error", err)
	}
}

func (k *Keeper) remove() {
	if k.path == "" {
		return
	}
	if err := os.Remove(k.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.log.Warn("the health file could not be removed; it is out of date in a minute", "error", err)
	}
}

// Look makes Keep look again at once: the worker is another one than it was.
func (k *Keeper) Look() {
	select {
	case k.again <- struct{}{}:
	default: // it is about to
	}
}

// failing names the checks that failed. What they say is left out: it may count the
// seconds, and the log is to have a line for each change, not for each look.
func failing(problems []string) string {
	var names []string
	for _, p := range problems {
		name, _, _ := strings.Cut(p, ": ")
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// look makes all checks at once.
func (k *Keeper) look(ctx context.Context) Report {
	r := k.about()
	r.Problems = []string{}
	for _, p := range Look(ctx, k.checks) {
		if p != "" {
			r.Problems = append(r.Problems, p)
		}
	}
	r.Written = time.Now().UTC()
	return r
}

// Look makes all checks at once, within seconds, and returns for each what is wrong, or
// "". A check that heeds no context, as one on a disk that hangs, holds it up.
func Look(ctx context.Context, checks []Check) []string {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	problems := make([]string, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			if err := c.Try(ctx); err != nil {
				problems[i] = c.Name + ": " + err.Error()
			}
		})
	}
	wg.Wait()
	return problems
}
