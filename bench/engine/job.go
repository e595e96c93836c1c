package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// setup is what a worker is told first.
type setup struct {
	Cache string `json:"cache"`
	Store string `json:"store"`
	Open  bool   `json:"open"` // an instant somebody knows that every run is open
}

// Jobs of a worker.
const (
	doFill    = "fill"    // Get half of N entries as shared trees, half as isolated workspaces
	doRelease = "release" // clean up after the shared ones
	doHit     = "hit"     // Get a shared tree that the run holds already
	doHold    = "hold"    // Get it for a new run, and clean up
	doGet     = "get"     // Get a workspace of the run's own
	doCleanup = "cleanup" // clean it up
	doSweep   = "sweep"
	doEntries = "entries"
	doUsage   = "usage"
	doMemory  = "memory" // say how much memory the process has
)

type job struct {
	Do      string      `json:"do"`
	N       int         `json:"n,omitempty"`       // entries, or hits by each caller
	Callers int         `json:"callers,omitempty"` // at once
	Target  string      `json:"target,omitempty"`
	Mode    cordon.Mode `json:"mode,omitempty"`
	Path    string      `json:"path,omitempty"`
}

// answer is what a worker found out. Times are in seconds, sizes in bytes.
type answer struct {
	Took    float64   `json:"took,omitempty"`
	Each    []float64 `json:"each,omitempty"` // of many
	CPU     float64   `json:"cpu,omitempty"`  // of the process meanwhile
	Path    string    `json:"path,omitempty"`
	Driver  string    `json:"driver,omitempty"`
	Freed   float64   `json:"freed,omitempty"` // from the same start as Took until the trash was empty
	Entries int       `json:"entries,omitempty"`
	Removed int       `json:"removed,omitempty"`
	Memory  int64     `json:"memory,omitempty"` // resident now, with nothing left to give back
	Peak    int64     `json:"peak,omitempty"`   // the most that was resident since the last look
	Error   string    `json:"error,omitempty"`
}

// engine is a cache that a worker has open.
type engine struct {
	cache *workspace.Cache
	runs  int // used up names
}

// allOpen knows at once that every run is open.
type allOpen struct{}

// Fates implements workspace.Runs.
func (allOpen) Fates(_ context.Context, owners []workspace.Owner) []workspace.Fate {
	fates := make([]workspace.Fate, len(owners))
	for i := range fates {
		fates[i].State = workspace.RunOpen
	}
	return fates
}

func (s setup) open() (*engine, error) {
	store, err := dir.Open(s.Store)
	if err != nil {
		return nil, err
	}
	opts := workspace.Options{
		Dir: s.Cache, Store: &instant{store: store}, Logger: slog.New(slog.DiscardHandler),
		MaxSize: cordon.BytesOf(1000 * cordon.TB), FillDisk: true, // nothing is to be evicted
	}
	if s.Open {
		opts.Runs = allOpen{}
	}
	c, err := workspace.Open(opts)
	return &engine{cache: c}, err
}

func (e *engine) do(ctx context.Context, j job) (a answer, err error) {
	start := time.Now()
	switch j.Do {
	case doFill, doRelease:
		err = e.many(j.N, func(i int) error { return e.entry(ctx, i, j.Do == doRelease) })
	case doHit:
		return e.hits(ctx, j)
	case doHold:
		return e.holds(ctx, j)
	case doGet:
		req, rerr := e.request(j.Target, e.name(), j.Mode)
		if rerr != nil {
			return a, rerr
		}
		start = time.Now()
		ws, gerr := e.cache.Get(ctx, req)
		a.Path, a.Driver, err = ws.Path, ws.Driver, gerr
	case doCleanup:
		return e.cleanup(ctx, j.Path)
	case doSweep:
		rep, serr := e.cache.Sweep(ctx, workspace.SweepOptions{Restore: true})
		if a.Removed, err = len(rep.Removals), serr; rep.Busy {
			err = errors.New("another process was sweeping")
		}
	case doEntries:
		list, lerr := e.cache.Entries()
		a.Entries, err = len(list), lerr
	case doUsage:
		_, err = e.cache.Usage()
	case doMemory:
		return memory()
	default:
		err = fmt.Errorf("no such job: %q", j.Do)
	}
	a.Took = time.Since(start).Seconds()
	return a, err
}

// name returns a name that no run has had.
func (e *engine) name() string {
	e.runs++
	return fmt.Sprintf("run-%d-%d", os.Getpid(), e.runs)
}

func (e *engine) request(target, run string, mode cordon.Mode) (req workspace.Request, err error) {
	id, err := cordon.ParseTargetID(target)
	if err != nil {
		return req, err
	}
	r, err := cordon.ParseRunID(run)
	owner := workspace.Owner{Cluster: "bench", Namespace: "default", WorkflowID: run, FirstRunID: run, RunID: run}
	return workspace.Request{Target: id, Run: r, Mode: mode, Owner: owner}, err
}

// together is how many entries are made at once.
const together = 16

// many calls do for 0 to n-1, some at a time.
func (e *engine) many(n int, do func(i int) error) (err error) {
	var all sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, together)
	for range together {
		all.Go(func() {
			var err error
			for i := range next {
				if err == nil {
					err = do(i)
				}
			}
			errs <- err
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	for range together {
		err = errors.Join(err, <-errs)
	}
	return err
}

// entry makes the other entry i, which its run holds, or ends the hold on it: in
// every second one nothing, for an isolated workspace is nothing without its hold.
func (e *engine) entry(ctx context.Context, i int, release bool) error {
	mode, run := cordon.Shared, fmt.Sprintf("sharer-%d", i)
	if i%2 == 1 {
		mode, run = cordon.Isolated, fmt.Sprintf("owner-%d", i)
	}
	req, err := e.request(fmt.Sprintf("%s-%d", small, i/2), run, mode)
	if err != nil {
		return err
	}
	if !release {
		_, err = e.cache.Get(ctx, req)
		return err
	}
	if mode != cordon.Shared {
		return nil
	}
	_, err = e.cleaned(ctx, e.sharedPath(req.Target), run, workspace.Released)
	return err
}

// sharedPath returns where a target's shared tree stands.
func (e *engine) sharedPath(t cordon.TargetID) string {
	return filepath.Join(e.cache.Dir(), t.String(), "workspace")
}

func (e *engine) cleaned(ctx context.Context, path, run string, want workspace.Outcome) (time.Duration, error) {
	start := time.Now()
	done, err := e.cache.Cleanup(ctx, path, workspace.Caller{Run: run})
	took := time.Since(start)
	if err == nil && done.Outcome != want {
		err = fmt.Errorf("cleanup of %s: %s, %s", path, done.Outcome, done.Reason)
	}
	return took, err
}

// cleanup cleans up a workspace of the run's own and waits until it is deleted.
func (e *engine) cleanup(ctx context.Context, path string) (a answer, err error) {
	start := time.Now()
	took, err := e.cleaned(ctx, path, "", workspace.Removed)
	if err != nil {
		return a, err
	}
	for {
		left, err := os.ReadDir(filepath.Join(e.cache.Dir(), ".cordon", "trash"))
		if err != nil {
			return a, err
		}
		if len(left) == 0 {
			return answer{Took: took.Seconds(), Freed: time.Since(start).Seconds()}, nil
		}
		time.Sleep(time.Millisecond)
	}
}

// memory says how much memory the process has, and begins to look for its peak anew.
func memory() (a answer, err error) {
	peak, err := status("VmHWM")
	if err != nil {
		return a, err
	}
	debug.FreeOSMemory()
	// "5" makes the resident memory of now the peak; proc(5).
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		return a, err
	}
	now, err := status("VmRSS")
	return answer{Memory: now, Peak: peak}, err
}

// status reads a number of bytes from proc(5)'s status of this process.
func status(field string) (int64, error) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, _ := strings.Cut(lines.Text(), ":"); name == field {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", field)
}
