package activities_test

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/target"
)

// slowSource is a store whose objects arrive byte by byte, for as long as slow
// is set.
type slowSource struct {
	target.Source
	slow   atomic.Bool
	opened atomic.Int32
	closed atomic.Int32

	mu    sync.Mutex
	first chan struct{} // closed by the first read
}

func newSlowSource(s target.Source) *slowSource {
	slow := &slowSource{Source: s, first: make(chan struct{})}
	slow.slow.Store(true)
	return slow
}

func (s *slowSource) Open(ctx context.Context, id cordon.TargetID, etag string) (io.ReadCloser, target.Info, error) {
	r, info, err := s.Source.Open(ctx, id, etag)
	if err != nil {
		return nil, info, err
	}
	s.opened.Add(1)
	return &slowReader{ReadCloser: r, ctx: ctx, source: s}, info, nil
}

type slowReader struct {
	io.ReadCloser
	ctx    context.Context
	source *slowSource
}

func (r *slowReader) Read(p []byte) (int, error) {
	r.source.mu.Lock()
	select {
	case <-r.source.first:
	default:
		close(r.source.first)
	}
	r.source.mu.Unlock()
	for r.source.slow.Load() {
		select {
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return r.ReadCloser.Read(p)
}

func (r *slowReader) Close() error {
	r.source.closed.Add(1)
	return r.ReadCloser.Close()
}

func openSlow(t *testing.T) (*house, *slowSource) { return openSlowWith(t, nil) }

func openSlowWith(t *testing.T, c client.Client) (*house, *slowSource) {
	t.Helper()
	var source *slowSource
	h := open(t, options{client: c, wrap: func(s target.Source) target.Source { source = newSlowSource(s); return source }})
	h.put("project", map[string]string{"a.txt": "a"})
	return h, source
}

// waitFor waits until ok holds, and fails the test after limit.
func waitFor(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// nothingHalfMade checks that the cache shows nothing and stages nothing.
func nothingHalfMade(t *testing.T, h *house) {
	t.Helper()
	if exists(h.in("project", "r1", "workspace")) {
		t.Error("something was published")
	}
	waitFor(t, 5*time.Second, "staging is empty", func() bool {
		entries, err := os.ReadDir(h.in(".cordon", "staging"))
		return err == nil && len(entries) == 0
	})
}

// CONTRACT §1.6 and §7, row 13: over in 5 s, nothing half-made left. No
// heartbeat timeout is set, as callers do.
func TestACancelledFetchIsOverInFiveSeconds(t *testing.T) {
	t.Parallel()
	h, source := openSlow(t)
	run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}})
	<-source.first
	if err := h.client.CancelWorkflow(context.Background(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 5*time.Second, "the fetch stops", func() bool { return source.closed.Load() > 0 })
	if err := h.wait(run, nil); err == nil {
		t.Error("the cancelled workflow succeeded")
	}
	nothingHalfMade(t, h)
}

// A terminated run cannot cancel anything; the server just no longer knows the attempt.
func TestATerminatedRunsFetchIsOverInFiveSeconds(t *testing.T) {
	t.Parallel()
	h, source := openSlow(t)
	run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}})
	<-source.first
	if err := h.client.TerminateWorkflow(context.Background(), run.GetID(), run.GetRunID(), "test"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 5*time.Second, "the fetch stops", func() bool { return source.closed.Load() > 0 })
	nothingHalfMade(t, h)
}

func TestAStoppedWorkersFetchIsOverInFiveSeconds(t *testing.T) {
	t.Parallel()
	h, source := openSlow(t)
	run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}, Attempts: 1})
	<-source.first
	began := time.Now()
	go h.acts.Stop()
	h.worker.Stop()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the worker took %s to stop", took)
	}
	waitFor(t, 5*time.Second-time.Since(began), "the fetch stops", func() bool { return source.closed.Load() > 0 })
	nothingHalfMade(t, h)
	_ = run // another worker would have the next attempt
}

// CONTRACT §1.6: a fetch that outlives its attempt goes on, and the next attempt
// joins it.
func TestTheNextAttemptJoinsTheFetchOfOneThatTimedOut(t *testing.T) {
	t.Parallel()
	h, source := openSlow(t)
	run := h.start("CallWorkflow", nil, call{
		Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}, Timeout: 2 * time.Second, Attempts: 3,
	})
	<-source.first
	time.AfterFunc(3*time.Second, func() { source.slow.Store(false) })
	if got, want := h.result(run), h.in("project", "r1", "workspace"); got != want || !exists(want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := source.opened.Load(); n != 1 {
		t.Errorf("the object was read %d times, want once", n)
	}
	if !strings.Contains(h.log.String(), "attempt=2") {
		t.Error("there was no second attempt")
	}
}

// The progress of a fetch can be seen from outside.
func TestAFetchHeartbeatsWithItsProgress(t *testing.T) {
	t.Parallel()
	h, source := openSlow(t)
	run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}})
	<-source.first
	waitFor(t, 8*time.Second, "a heartbeat with a stage", func() bool {
		d, err := h.client.DescribeWorkflowExecution(context.Background(), run.GetID(), run.GetRunID())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.GetPendingActivities() {
			for _, payload := range p.GetHeartbeatDetails().GetPayloads() {
				if strings.Contains(string(payload.GetData()), `"stage":"download`) {
					return true
				}
			}
		}
		return false
	})
	source.slow.Store(false)
	h.result(run)
}

// deafClient returns a client whose heartbeats do not reach the server, and how
// many were tried.
func deafClient() (client.Client, *atomic.Int32) {
	var tried atomic.Int32
	deaf := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if strings.HasSuffix(method, "/RecordActivityTaskHeartbeat") {
			tried.Add(1)
			return status.Error(codes.Unavailable, "the network is down")
		}
		return invoker(ctx, method, req, reply, cc, opts...)
	}
	c := server().NewClientWithOptions(client.Options{
		Logger:            nopLogger{},
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(deaf)}},
	})
	return c, &tried
}

// The SDK cancels an activity whose heartbeat it could not deliver. A short
// trouble of the network must not throw a long download away.
func TestAFetchOutlivesHeartbeatsThatAreLost(t *testing.T) {
	t.Parallel()
	c, tried := deafClient()
	h, source := openSlowWith(t, c)
	run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}})
	<-source.first
	time.Sleep(5 * time.Second) // the first heartbeat after 1 s, given up 2 s later
	if tried.Load() == 0 {
		t.Fatal("no heartbeat was lost")
	}
	source.slow.Store(false)
	if got, want := h.result(run), h.in("project", "r1", "workspace"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n := source.opened.Load(); n != 1 || strings.Contains(h.log.String(), "attempt=2") {
		t.Errorf("the object was read %d times; the log:\n%s", n, h.log)
	}
}

// Even then a cancellation arrives: the worker asks for it.
func TestACancellationArrivesWithoutHeartbeats(t *testing.T) {
	t.Parallel()
	c, _ := deafClient()
	h, source := openSlowWith(t, c)
	run := h.start("CallWorkflow", nil, call{Activity: activities.GetTargetName, Args: []arg{text("project"), text("r1")}})
	<-source.first
	time.Sleep(4 * time.Second)
	if err := h.client.CancelWorkflow(context.Background(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 5*time.Second, "the fetch stops", func() bool { return source.closed.Load() > 0 })
	nothingHalfMade(t, h)
}
