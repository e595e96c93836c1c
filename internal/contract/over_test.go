//go:build !race

// A Temporal server takes minutes to compile with the race detector.

package contract_test

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/liveness"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/workspace"
)

// Row 12: what a run has goes at the first sweep after the run has closed and its
// grace has passed, never before. The runs' code never cleans up.

// site is a host: a cache that asks the server which runs are over, with a clock of
// its own, and perhaps workers.
type site struct {
	*desk
	client client.Client
	queue  string
	ahead  *atomic.Int64 // of the time, in nanoseconds
}

// longAfter is when every hold has expired that nobody renewed, and every grace
// has passed.
const longAfter = 8 * 24 * time.Hour

func newSite(t *testing.T, change ...func(*workspace.Options)) *site {
	t.Helper()
	s := &site{client: server().GetDefaultClient(), queue: "queue of " + t.Name(), ahead: new(atomic.Int64)}
	top := mountstest.Dir(t)
	s.desk = newDeskIn(t, top, shelf{Dir: filepath.Join(top, "store")}, append([]func(*workspace.Options){atTemporal(s.client), func(o *workspace.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }
	}}, change...)...)
	s.put("T", project.tarball(t))
	return s
}

// works lets the test's own process work too.
func (s *site) works() *site {
	s.t.Helper()
	acts := activities.New(activities.Options{Cache: s.cache, Catalog: s.catalog, Client: s.client, Logger: s.logger})
	w, err := polls(s.client, s.queue, acts)
	must(s.t, err)
	s.t.Cleanup(func() {
		acts.Stop()
		w.Stop()
	})
	return s
}

// post is for a worker process on this host.
func (s *site) post() post {
	return post{server().GetFrontendHostPort(), server().GetDefaultNamespace(), s.queue, s.cacheDir, s.shelf}
}

func (s *site) pass(d time.Duration) { s.ahead.Add(int64(d)) }

func (s *site) sweep() workspace.SweepReport {
	s.t.Helper()
	report, err := s.cache.Sweep(s.t.Context(), workspace.SweepOptions{})
	must(s.t, err)
	if report.Busy {
		s.t.Error("somebody else sweeps")
	}
	return report
}

// start begins a run, and waits for its workspace.
func (s *site) start(opts client.StartWorkflowOptions, p plan) (run client.WorkflowRun, path string) {
	s.t.Helper()
	opts.TaskQueue = s.queue
	if s.python() {
		needPython(s.t)
		opts.TaskQueue, p.Queue = pythonsQueue, s.queue
	}
	run, err := s.client.ExecuteWorkflow(s.t.Context(), opts, "ScanWorkflow", p)
	must(s.t, err)
	s.t.Cleanup(func() {
		_ = s.client.TerminateWorkflow(context.Background(), run.GetID(), "", "the test is over") // where it is not over already
	})
	return run, s.path(run.GetID(), run.GetRunID())
}

// path is that of a run's workspace, once it has one. The run need not be open.
func (s *site) path(id, run string) (path string) {
	s.t.Helper()
	s.eventually("run "+run+" gets no workspace", func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		defer cancel()
		v, err := s.client.QueryWorkflow(ctx, id, run, "path") // fails until a worker has it
		return err == nil && v.Get(&path) == nil && path != ""
	})
	return path
}

func (s *site) tell(id string) {
	s.t.Helper()
	must(s.t, s.client.SignalWorkflow(s.t.Context(), id, "", "go", nil))
}

// becomes waits for a run to be in a state.
func (s *site) becomes(id, run string, want enumspb.WorkflowExecutionStatus) {
	s.t.Helper()
	s.eventually("run "+run+" does not become "+want.String(), func() bool {
		d, err := s.client.DescribeWorkflowExecution(s.t.Context(), id, run)
		return err == nil && d.GetWorkflowExecutionInfo().GetStatus() == want
	})
}

// next waits for another run of id than those known.
func (s *site) next(id string, known ...string) (run string) {
	s.t.Helper()
	s.eventually(id+" has no other run", func() bool {
		d, err := s.client.DescribeWorkflowExecution(s.t.Context(), id, "")
		run = d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
		return err == nil && !slices.Contains(known, run)
	})
	return run
}

func (s *site) eventually(says string, done func() bool) {
	s.t.Helper()
	// Longer than an attempt of get_target whose task a busy server has lost, and the next one.
	for deadline := time.Now().Add(150 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s\n%s", says, s.log)
		}
	}
}

// mustStay fails unless a sweep leaves a workspace and who has it alone.
func (s *site) mustStay(when, path string, want tree) {
	s.t.Helper()
	s.sweep()
	mustBeTree(s.t, path, want)
	if n := s.holders(path); n != 1 {
		s.t.Errorf("%s: %d runs hold %s, want 1", when, n, path)
	}
}

// mustGo fails unless one sweep takes what a run has at path: its own workspace, or its hold on what is shared.
func (s *site) mustGo(path string, word string) {
	s.t.Helper()
	report := s.sweep()
	if n := s.holders(path); n != 0 {
		s.t.Errorf("%d runs hold %s", n, path)
	}
	if filepath.Dir(filepath.Dir(path)) == s.cacheDir { // shared: what nobody holds stays while there is room
		mustBeTree(s.t, path, project)
	} else {
		waitFor(s.t, func() (string, bool) { // for its deletion, which nobody waits for
			_, hidden := s.contents()
			return "left over: " + strings.Join(hidden, ", "), len(hidden) == 0
		})
		mustNotExist(s.t, filepath.Dir(path))
	}
	var reasons []string
	for _, r := range report.Removals {
		reasons = append(reasons, r.Reason)
	}
	if !strings.Contains(strings.Join(reasons, "\n"), word) {
		s.t.Errorf("the sweep's reasons %q do not say %q", reasons, word)
	}
	for _, r := range s.sweep().Removals {
		if !strings.HasPrefix(r.Reason, "the view of run") { // ended by whoever has just deleted the view, a moment later
			s.t.Errorf("the second sweep: %+v", r)
		}
	}
}

func (s *site) holders(path string) (n int) {
	s.t.Helper()
	entries, err := s.cache.Entries()
	must(s.t, err)
	for _, e := range entries {
		if e.Path == path {
			n += len(e.Holders)
		}
	}
	return n
}

func TestRow12_ARunThatIsOver(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		opts   client.StartWorkflowOptions
		then   string
		end    func(s *site, id string) error
		status enumspb.WorkflowExecutionStatus
		word   string
	}{
		{"fails", client.StartWorkflowOptions{}, "fails", func(s *site, id string) error {
			return s.client.SignalWorkflow(s.t.Context(), id, "", "go", nil)
		}, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, "failed"},
		{"is cancelled", client.StartWorkflowOptions{}, "waits", func(s *site, id string) error {
			return s.client.CancelWorkflow(s.t.Context(), id, "")
		}, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, "cancelled"},
		{"is terminated", client.StartWorkflowOptions{}, "waits", func(s *site, id string) error {
			return s.client.TerminateWorkflow(s.t.Context(), id, "", "a test")
		}, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, "terminated"},
		{"times out", client.StartWorkflowOptions{WorkflowExecutionTimeout: 20 * time.Second}, "waits", func(*site, string) error {
			return nil
		}, enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, "timed out"},
	} {
		for _, mode := range modes {
			t.Run(tc.name+", "+mode, func(t *testing.T) {
				t.Parallel()
				s := newSite(t).works()
				run, path := s.start(tc.opts, plan{Mode: mode, Then: []string{tc.then}})
				s.mustStay("while the run is open", path, project)
				must(t, tc.end(s, run.GetID()))
				s.becomes(run.GetID(), run.GetRunID(), tc.status)
				s.mustStay("within the grace", path, project)
				s.pass(workspace.DefaultGrace + time.Minute)
				s.mustGo(path, "its run is over ("+tc.word)
			})
		}
	}
}

func TestRow12_AnOpenRunKeepsWhatItHasForHoweverLong(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(o *workspace.Options) { o.TTL = time.Hour }).works()
			run, path := s.start(client.StartWorkflowOptions{}, plan{Mode: mode, Then: []string{"waits"}})
			for range 3 {
				s.pass(longAfter)
				s.mustStay("while the run is open", path, project)
			}
			must(t, s.client.TerminateWorkflow(t.Context(), run.GetID(), "", "a test"))
			s.becomes(run.GetID(), run.GetRunID(), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
			s.sweep()
			if n := s.holders(path); n != 0 {
				t.Errorf("%d runs hold %s", n, path)
			}
		})
	}
}

func TestRow12_TheWorkerIsKilled(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		t.Run("and another one comes back, "+mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			kill := startWorker(t, s.post())
			run, path := s.start(client.StartWorkflowOptions{}, plan{Mode: mode, Then: []string{"asks again"}})
			want := project
			if mode != "shared" {
				write(t, path+"/crash", "!")
				want = project.with("crash", "!")
			}
			kill()
			s.mustStay("with the worker dead", path, want)
			s.tell(run.GetID())
			startWorker(t, s.post())
			if again := s.path(run.GetID(), run.GetRunID()); again != path {
				t.Errorf("the path is %s, and was %s", again, path)
			}
			s.mustStay("with a new worker", path, want)
		})
		t.Run("and none ever comes back, "+mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			kill := startWorker(t, s.post())
			run, path := s.start(client.StartWorkflowOptions{}, plan{Mode: mode, Then: []string{"waits"}})
			kill()
			s.pass(longAfter / 2) // half way to the hold's expiry
			s.mustStay("with the worker dead", path, project)
			s.pass(longAfter)
			s.mustStay("with the worker dead for long", path, project)
			must(t, s.client.TerminateWorkflow(t.Context(), run.GetID(), "", "a test"))
			s.becomes(run.GetID(), run.GetRunID(), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)
			s.mustGo(path, "terminated")
		})
	}
}

func TestRow12_ARetryClosesTheRunBeforeIt(t *testing.T) {
	t.Parallel()
	retry := client.StartWorkflowOptions{RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond, MaximumAttempts: 3}}
	for _, mode := range []string{"isolated", "copy-on-write"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t).works()
			run, first := s.start(retry, plan{Mode: mode, Then: []string{"fails once"}})
			second := s.path(run.GetID(), s.next(run.GetID(), run.GetRunID()))
			s.mustStay("within the grace", first, project)
			s.pass(workspace.DefaultGrace + time.Minute)
			s.sweep()
			mustNotExist(t, filepath.Dir(first))
			s.mustStay("the second attempt's", second, project)
		})
	}
}

func TestRow12_ContinueAsNewKeepsEntriesUntilTheChainCloses(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"isolated", "copy-on-write"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t).works()
			run, first := s.start(client.StartWorkflowOptions{}, plan{Mode: mode, Then: []string{"continues", "waits"}})
			id := run.GetID()
			s.tell(id)
			next := s.next(id, run.GetRunID())
			second := s.path(id, next)
			s.pass(longAfter)
			s.mustStay("the first run's", first, project)
			s.mustStay("the second's", second, project)
			must(t, s.client.CancelWorkflow(t.Context(), id, ""))
			s.becomes(id, next, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED)
			s.sweep()
			mustNotExist(t, filepath.Dir(first))
			mustNotExist(t, filepath.Dir(second))
		})
	}
}

// CONTRACT §8.2, §8.3.
func TestRow12_WhatNobodyCanTellAboutStaysUntilItsHoldExpires(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	nowhere := l.Addr().String()
	l.Close()
	dead := func(o *workspace.Options) {
		o.Runs = liveness.New(func(ctx context.Context) (client.Client, error) {
			return client.DialContext(ctx, client.Options{HostPort: nowhere, Logger: quiet{}})
		}, nil)
	}
	s := newSite(t, dead).works()
	run, path := s.start(client.StartWorkflowOptions{}, plan{Then: []string{"waits"}})
	must(t, s.client.TerminateWorkflow(t.Context(), run.GetID(), "", "a test"))
	s.pass(longAfter / 2)
	s.mustStay("with Temporal away", path, project)
	if !s.logged("cannot find out whether runs are over") || !s.logged(nowhere) {
		t.Errorf("the log does not say so:\n%s", s.log)
	}
	s.pass(longAfter)
	s.sweep()
	mustNotExist(t, filepath.Dir(path))
}

// CONTRACT §8.12.
func TestRow12_KeepOnFailure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		then   string
		end    func(s *site, id string) error
		status enumspb.WorkflowExecutionStatus
		kept   bool
	}{
		{"a failed run's stays", "fails", func(s *site, id string) error {
			return s.client.SignalWorkflow(s.t.Context(), id, "", "go", nil)
		}, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED, true},
		{"a terminated run's does not", "waits", func(s *site, id string) error {
			return s.client.TerminateWorkflow(s.t.Context(), id, "", "a test")
		}, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t).works()
			s.metadata("keep_on_failure: true")
			run, path := s.start(client.StartWorkflowOptions{}, plan{Mode: "copy-on-write", Then: []string{tc.then}})
			write(t, path+"/crash", "!")
			must(t, tc.end(s, run.GetID()))
			s.becomes(run.GetID(), run.GetRunID(), tc.status)
			s.pass(workspace.DefaultGrace + time.Minute)
			if tc.kept {
				s.mustStay("after the grace", path, project.with("crash", "!"))
				if !s.logged(path) {
					t.Errorf("the log does not say where it is:\n%s", s.log)
				}
				s.pass(longAfter)
			}
			s.sweep()
			mustNotExist(t, filepath.Dir(path))
		})
	}
}

// Callers may give the id that they like: then a retry has what the attempt before
// it had, and not just until that one's grace has passed.
func TestRow12_ARetryUnderTheSameRunIDKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	retry := client.StartWorkflowOptions{RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Millisecond, MaximumAttempts: 3}}
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newSite(t).works()
			run, path := s.start(retry, plan{Run: "mine", Mode: mode, Then: []string{"fails once"}})
			if again := s.path(run.GetID(), s.next(run.GetID(), run.GetRunID())); again != path {
				t.Errorf("the second attempt has %s, the first had %s", again, path)
			}
			s.pass(workspace.DefaultGrace + time.Minute)
			s.mustStay("the second attempt's", path, project)
			must(t, s.client.TerminateWorkflow(t.Context(), run.GetID(), "", "a test"))
			s.pass(workspace.DefaultGrace)
			s.mustGo(path, "terminated")
		})
	}
}

// A child workflow may ask for its parent's workspace: it is the parent's.
func TestRow12_WhatAChildAskedForStaysUntilItsParentIsOver(t *testing.T) {
	t.Parallel()
	s := newSite(t).works()
	run, _ := s.start(client.StartWorkflowOptions{}, plan{Mode: "isolated", Then: []string{"lets a child ask"}})
	path := filepath.Join(s.cacheDir, "T", run.GetRunID(), "workspace")
	s.pass(workspace.DefaultGrace + time.Minute)
	s.mustStay("the child is over", path, project)
	must(t, s.client.TerminateWorkflow(t.Context(), run.GetID(), "", "a test"))
	s.pass(workspace.DefaultGrace)
	s.mustGo(path, "terminated")
}
