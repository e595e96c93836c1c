package health

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/cordonlabs/cordon"
)

var silent = slog.New(slog.DiscardHandler)

func TestReadSaysWhyAWorkerIsNotWell(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		content string
		want    string
	}{
		"a new report without problems": {`{"written":"2026-01-02T03:04:00Z","problems":[]}`, ""},
		"no file":                       {"-", "no worker has written it"},
		"an old report":                 {`{"written":"2026-01-02T03:03:00Z","problems":[]}`, "hangs"},
		"a report of tomorrow":          {`{"written":"2026-01-03T03:04:00Z","problems":[]}`, "hangs"},
		"a report with problems":        {`{"written":"2026-01-02T03:04:00Z","problems":["cache: read-only","polling: refused"]}`, "cache: read-only; polling: refused"},
		"something else":                {"hello", "no worker's"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "health.json")
			if c.content != "-" {
				if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Read(path, now)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("Read = %v, want %q", err, c.want)
			}
		})
	}
}

func TestAKeeperWritesUntilItEndsAndThenLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "health.json")
	if err := os.WriteFile(path, []byte("of a process before"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := NewKeeper(path, silent)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("what a process before wrote is still there")
	}
	var log bytes.Buffer // of the keeper's goroutine, until that has ended
	k.log = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	var looks atomic.Int32
	var ill atomic.Bool
	ill.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Keep(ctx, func() Report { return Report{Version: "1.2.3", Queues: []string{"python-queue"}} }, []Check{
			{"cache", func(context.Context) error {
				if n := looks.Add(1); ill.Load() {
					return fmt.Errorf("the disk is gone for %d s", n)
				}
				return nil
			}},
		})
	}()
	until(t, func() bool {
		_, err := Read(path, time.Now())
		return err != nil && strings.Contains(err.Error(), "cache: the disk is gone") && looks.Load() > 2
	})
	ill.Store(false)
	until(t, func() bool {
		r, err := Read(path, time.Now())
		return err == nil && r.Version == "1.2.3" && r.Queues[0] == "python-queue"
	})
	cancel()
	<-done
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "the disk is gone") {
		t.Errorf("want a line for the illness and one for its end, got %d:\n%s", lines, &log)
	}
}

func TestAKeeperWithoutAFileTellsWhoeverAsks(t *testing.T) {
	k, err := NewKeeper("", silent)
	if err != nil {
		t.Fatal(err)
	}
	if r, looked := k.Latest(); looked {
		t.Errorf("before its first look it says %+v", r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Keep(ctx, func() Report { return Report{Version: "1.2.3"} }, []Check{{"cache", func(context.Context) error { return fmt.Errorf("the disk is gone") }}})
	}()
	until(t, func() bool {
		r, looked := k.Latest()
		return looked && r.Version == "1.2.3" && len(r.Problems) == 1 && r.Fresh(time.Now()) && !r.Fresh(time.Now().Add(time.Hour))
	})
	cancel()
	<-done
}

func TestACheckThatHangsIsAProblemAndHoldsNothingUp(t *testing.T) {
	k, err := NewKeeper(filepath.Join(t.TempDir(), "health.json"), silent)
	if err != nil {
		t.Fatal(err)
	}
	k.about = func() Report { return Report{} }
	k.checks = []Check{{"Temporal", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if r := k.look(ctx); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "Temporal") {
		t.Errorf("%+v", r)
	}
}

func TestAFileThatCannotBeWrittenStopsTheStart(t *testing.T) {
	_, err := NewKeeper(filepath.Join(t.TempDir(), "missing", "health.json"), silent)
	if cordon.KindOf(err) != cordon.InvalidArgument || !strings.Contains(err.Error(), "WORKER_HEALTH_FILE") {
		t.Errorf("NewKeeper = %v", err)
	}
}

// service answers polls as it is told, and nothing else.
type service struct {
	workflowservice.UnimplementedWorkflowServiceServer
	poll func(ctx context.Context) error
}

func (s *service) PollActivityTaskQueue(ctx context.Context, _ *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	return &workflowservice.PollActivityTaskQueueResponse{}, s.poll(ctx)
}

func TestThePulseIsThatOfThePolls(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := status.Error(codes.PermissionDenied, "no")
	s := &service{poll: func(context.Context) error { return refused }}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, s)
	go func() { _ = server.Serve(l) }() // it ends with the test
	t.Cleanup(server.Stop)
	var p Pulse
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithChainUnaryInterceptor(p.Watch))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := workflowservice.NewWorkflowServiceClient(conn)
	poll := func(ctx context.Context) {
		_, _ = c.PollActivityTaskQueue(ctx, &workflowservice.PollActivityTaskQueueRequest{}) // what came of it the pulse tells
	}
	want := func(words string) {
		t.Helper()
		if err := p.Err(); (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("the pulse is %v, want %q", err, words)
		}
	}
	want("not polled yet")
	_, _ = c.DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{}) // fails, and is no poll
	want("not polled yet")
	poll(t.Context())
	want("no")
	s.poll = func(context.Context) error { return nil }
	poll(t.Context())
	want("")
	waits, waiting := make(chan struct{}), make(chan struct{})
	s.poll = func(context.Context) error { close(waiting); <-waits; return nil }
	go poll(t.Context())
	<-waiting
	want("") // one that waits for something to do is well
	close(waits)

	// After an outage the same: a long poll that waits would say so when it ends.
	s.poll = func(context.Context) error { return refused }
	poll(t.Context())
	want("no")
	ctx, stop := context.WithCancel(t.Context())
	s.poll = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ended := make(chan struct{})
	go func() { defer close(ended); poll(ctx) }()
	until(t, func() bool { return p.Err() == nil })
	stop()
	<-ended
	want("canceled")
}

func until(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not become true")
		}
	}
}
