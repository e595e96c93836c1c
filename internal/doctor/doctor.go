// Package doctor finds out whether this machine gives Cordon what it needs, by
// trying: the cache's directory and file system, the copy-on-write drivers,
// mounts, locks, the clock, Temporal, the object store and the tools.
//
// It is safe beside running workers and leaves nothing behind: what it makes is
// removed, and where it was killed, its leftovers have names that a sweep of the
// cache clears. It hangs on nothing: the checks run at once, each with a time of
// its own. No finding holds a credential.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
)

// Status is what a check says of its subject.
type Status string

// The statuses. A Warn is something that is missing or odd and that nothing in
// this configuration needs; a Fail is something that will not work.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is one check's verdict: one line each for Found and Fix.
type Result struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Fix    string `json:"fix"` // what to do about it, as a clause in the imperative; "" where nothing is to be done
}

// Report is what a visit found.
type Report struct {
	OK     bool     `json:"ok"` // no check failed
	Checks []Result `json:"checks"`
}

// Failed returns the names of the checks that failed.
func (r Report) Failed() []string {
	var names []string
	for _, c := range r.Checks {
		if c.Status == Fail {
			names = append(names, c.Name)
		}
	}
	return names
}

// Env is what is looked at: a configuration, as the programs that work with it
// would use it.
type Env struct {
	Config config.Worker

	Temporal      client.Options // as config.TemporalOptions makes them
	TemporalNamed bool           // a flag, a variable or a profile names that server

	Version string // Cordon's own

	Getenv func(string) string // nil: nothing is set
	Now    func() time.Time    // nil: time.Now
	Logger *slog.Logger        // of what cannot be a finding; nil: discarded

	// Timeout is how long each check may take. 0: 5 s, longer than anything here
	// takes that works.
	Timeout time.Duration
}

const (
	defaultTimeout = 5 * time.Second

	// grace is how long a check whose time is up may take to say so itself, and
	// say what it was waiting for.
	grace = 500 * time.Millisecond
)

// check looks at one thing. What it does may hang: it is left behind then.
type check struct {
	name string
	do   func(ctx context.Context, s *site) Result
}

// checks are all there are, in the order in which they are reported.
var checks = []check{
	{"cache directory", cacheDirectory},
	{"file system", fileSystem},
	{"free space", freeSpace},
	{"cache limit", cacheLimit},
	{"locks", locks},
	{"clock", clock},
	{"copy-on-write", copyOnWrite},
	{"driver overlay", driverCheck("overlay")},
	{"driver snapshot", driverCheck("snapshot")},
	{"driver reflink", driverCheck("reflink")},
	{"driver copy", driverCheck("copy")},
	{"read-only trees", readOnlyTrees},
	{"mount rights", mountRights},
	{"propagation", propagation},
	{"stray mounts", strayMounts},
	{"user namespaces", userNamespaces},
	{"isolation", isolation},
	{"object store", objectStore},
	{"Temporal", temporal},
	{"queues", queues},
	{"fuzzers", fuzzers},
	{"gosec", gosecProgram},
	{"git", gitProgram},
}

// Run makes every check and returns what they found. The error is ctx's cause,
// where that ended before they were done.
func Run(ctx context.Context, env Env) (Report, error) {
	return run(ctx, env, checks)
}

func run(ctx context.Context, env Env, checks []check) (Report, error) {
	env.Timeout = cmp.Or(env.Timeout, defaultTimeout)
	env.Logger = cmp.Or(env.Logger, slog.New(slog.DiscardHandler))
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	s := newSite(env)
	defer s.leave()

	report := Report{OK: true, Checks: make([]Result, len(checks))}
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			r := c.within(ctx, s)
			r.Name, r.Found, r.Fix = c.name, oneLine(r.Found), oneLine(r.Fix)
			report.Checks[i] = r
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return Report{}, context.Cause(ctx)
	}
	report.OK = len(report.Failed()) == 0
	return report, nil
}

// within makes the check and gives it up when its time is over.
func (c check) within(ctx context.Context, s *site) Result {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	done := make(chan Result, 1)
	go func() { done <- c.do(ctx, s) }()
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
	}
	select {
	case r := <-done:
		return r
	case <-time.After(grace):
		return fail("see whether the disk or the server behind it hangs", "no answer within %v", s.Timeout)
	}
}

func ok(format string, args ...any) Result {
	return Result{Status: OK, Found: fmt.Sprintf(format, args...)}
}

func warn(fix, format string, args ...any) Result {
	return Result{Status: Warn, Found: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(fix, format string, args ...any) Result {
	return Result{Status: Fail, Found: fmt.Sprintf(format, args...), Fix: fix}
}

// because makes a finding of an error: its advice becomes the fix, or otherwise
// is where it has none.
func because(status Status, err error, otherwise string) Result {
	fix := cordon.FixOf(err)
	return Result{Status: status, Found: reason(err), Fix: cmp.Or(fix, otherwise)}
}

// reason renders an error without the advice that it ends in.
func reason(err error) string {
	text := err.Error()
	if fix := cordon.FixOf(err); fix != "" {
		text = strings.Replace(text, "; "+fix, "", 1)
	}
	return strings.TrimSuffix(text, ".") // a server's own sentence; the fix goes on
}

// oneLine joins the lines of a text, as errors.Join makes them.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// late reports whether err says that a check's time is up.
func late(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded)
}
