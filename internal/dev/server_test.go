package dev_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/dev"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

func start(t *testing.T, opts dev.Options) *dev.Server {
	t.Helper()
	s, err := dev.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, s *dev.Server) client.Client {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: s.Address(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func greet(workflow.Context, string) (string, error) { return "done", nil }

func TestAWorkflowRunsAndIsListed(t *testing.T) {
	var logs lines
	s := start(t, dev.Options{UIPort: -1, Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	if s.UIURL() != "" {
		t.Errorf("no UI was asked for, but there is %s", s.UIURL())
	}
	c := dial(t, s)
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(greet)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w1", TaskQueue: "q"}, greet, "x")
	if err != nil {
		t.Fatal(err)
	}
	var got string
	if err := run.Get(t.Context(), &got); err != nil || got != "done" {
		t.Fatalf("got %q, %v", got, err)
	}
	eventually(t, "the run is listed", func() bool {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = 'greet'"})
		return err == nil && len(list.Executions) == 1
	})
	if text := logs.String(); text != "" {
		t.Errorf("a healthy server is not silent:\n%s", text)
	}
}

func TestStateAndClusterOutliveARestart(t *testing.T) {
	t.Parallel()
	// What a URI could misread in a path is part of it.
	opts := dev.Options{DataDir: filepath.Join(t.TempDir(), "a b?c=d%20#e"), UIPort: -1}
	first, err := dev.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, first)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w1", TaskQueue: "nobody"}, "Sleeper")
	if err != nil {
		t.Fatal(err)
	}
	cluster := clusterID(t, c)
	c.Close()
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	c = dial(t, start(t, opts))
	d, err := c.DescribeWorkflowExecution(t.Context(), "w1", run.GetRunID())
	if err != nil || d.WorkflowExecutionInfo.Status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Errorf("after the restart: %v, %v", d, err)
	}
	if got := clusterID(t, c); got != cluster || got == "" {
		t.Errorf("the cluster id was %q and is %q: holds would be asked of another cluster", cluster, got)
	}
}

func clusterID(t *testing.T, c client.Client) string {
	t.Helper()
	info, err := c.WorkflowService().GetClusterInfo(t.Context(), &workflowservice.GetClusterInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return info.ClusterId
}

func TestTwoServersInOneProcessKnowNothingOfEachOther(t *testing.T) {
	t.Parallel()
	a, b := start(t, dev.Options{Namespaces: []string{"default", "team"}}), start(t, dev.Options{})
	if a.Address() == b.Address() || a.UIURL() == b.UIURL() {
		t.Fatalf("both at %s and %s", a.Address(), a.UIURL())
	}
	ca, cb := dial(t, a), dial(t, b)
	if _, err := ca.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w1", TaskQueue: "q"}, "X"); err != nil {
		t.Fatal(err)
	}
	if _, err := cb.DescribeWorkflowExecution(t.Context(), "w1", ""); err == nil {
		t.Error("a workflow of one is known to the other")
	}
	team := &workflowservice.DescribeNamespaceRequest{Namespace: "team"}
	if d, err := ca.WorkflowService().DescribeNamespace(t.Context(), team); err != nil {
		t.Error(err)
	} else if got := d.Config.WorkflowExecutionRetentionTtl.AsDuration(); got != 7*24*time.Hour {
		t.Errorf("the retention is %s", got)
	}
	if _, err := cb.WorkflowService().DescribeNamespace(t.Context(), team); err == nil {
		t.Error("a namespace of one is known to the other")
	}
	for _, s := range []*dev.Server{a, b} {
		if code, _ := get(t, s.UIURL()+"/api/v1/cluster-info", nil); code != http.StatusOK {
			t.Errorf("the UI's API answers %d", code)
		}
	}
}

func TestEverythingListensOnLoopbackAndNothingAfterStop(t *testing.T) {
	before := listening(t)
	s, err := dev.Start(t.Context(), dev.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, s)
	w := worker.New(c, "q", worker.Options{})
	w.RegisterWorkflow(greet)
	if err := w.Start(); err != nil { // pollers, which a stop must cut off
		t.Fatal(err)
	}
	during := 0
	for address := range listening(t) {
		if before[address] {
			continue
		}
		during++
		if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("listens on %s", address)
		}
	}
	if during != 5 { // frontend, history, matching, worker, UI
		t.Errorf("listens on %d addresses, not 5", during)
	}
	begun := time.Now()
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	t.Logf("stopped in %s, with pollers", time.Since(begun))
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("Stop took %s", d)
	}
	for address := range listening(t) {
		if !before[address] {
			t.Errorf("after Stop, %s is still listened on", address)
		}
	}
	if err := s.Stop(); err != nil {
		t.Errorf("a second Stop: %v", err)
	}
	w.Stop()
}

func TestADataFolderHasOneServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dev.Options{DataDir: dir, UIPort: -1})
	_, err := dev.Start(t.Context(), dev.Options{DataDir: dir, UIPort: -1})
	var used *dev.InUseError
	if !errors.As(err, &used) || used.Address != s.Address() || cordon.KindOf(err) != cordon.Busy {
		t.Fatalf("got %v", err)
	}
	if want := "use it with TEMPORAL_ADDRESS=" + s.Address(); !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v\nshould say %q", err, want)
	}
}

// The lock is one between processes: a second one is refused, and the death of
// the holder, however sudden, frees the folder and loses nothing.
func TestADataFolderOutlivesAKilledProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "DEV_TEST_HOLD="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	_, err = dev.Start(t.Context(), dev.Options{DataDir: dir})
	if used := new(dev.InUseError); !errors.As(err, &used) || used.Address != strings.TrimSpace(line) {
		t.Errorf("got %v, not the address %s", err, line)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait()
	c := dial(t, start(t, dev.Options{DataDir: dir, UIPort: -1}))
	if _, err := c.DescribeWorkflowExecution(t.Context(), "w1", ""); err != nil {
		t.Errorf("the workflow that the killed process had started: %v", err)
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("DEV_TEST_HOLD"); dir != "" {
		if err := hold(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// hold starts a server and a workflow on it, prints the address and waits to be killed.
func hold(dir string) error {
	s, err := dev.Start(context.Background(), dev.Options{DataDir: dir, UIPort: -1})
	if err != nil {
		return err
	}
	c, err := client.Dial(client.Options{HostPort: s.Address()})
	if err != nil {
		return err
	}
	if _, err := c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{ID: "w1", TaskQueue: "q"}, "X"); err != nil {
		return err
	}
	fmt.Println(s.Address())
	time.Sleep(time.Minute)
	return errors.New("nobody killed this process")
}

func TestStartRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "temporal.db"), bytes.Repeat([]byte("no database "), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	before := listening(t)
	for name, c := range map[string]struct {
		opts dev.Options
		kind cordon.Kind
		says []string
	}{
		"a port that is taken":    {dev.Options{Port: taken}, cordon.Busy, []string{l.Addr().String(), "another program listens there", "choose another --port"}},
		"a UI port that is taken": {dev.Options{UIPort: taken}, cordon.Busy, []string{l.Addr().String(), "choose another --ui-port"}},
		"one port for both":       {dev.Options{Port: 4711, UIPort: 4711}, cordon.InvalidArgument, []string{"4711"}},
		"a port that is none":     {dev.Options{Port: 70000}, cordon.InvalidArgument, []string{"70000"}},
		"a host that is a name":   {dev.Options{Host: "example.org"}, cordon.InvalidArgument, []string{"example.org", "127.0.0.1"}},
		"an address of elsewhere": {dev.Options{Host: "192.0.2.1"}, cordon.InvalidArgument, []string{"192.0.2.1", "an address of this machine"}},
		"a folder that is a file": {dev.Options{DataDir: file}, cordon.InvalidArgument, []string{file, "--data"}},
		"a database that is none": {dev.Options{DataDir: garbage}, "", []string{garbage, "not a database", "begin anew"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := dev.Start(t.Context(), c.opts)
			if err == nil {
				s.Stop()
				t.Fatal("started")
			}
			for _, want := range c.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nshould say %q", err, want)
				}
			}
			if cordon.KindOf(err) != c.kind {
				t.Errorf("the kind is %q, not %q", cordon.KindOf(err), c.kind)
			}
		})
	}
	for address := range listening(t) {
		if !before[address] {
			t.Errorf("a refused start listens on %s", address)
		}
	}
}

func TestAnEndedContextGivesTheStartUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the user had enough"))
	if _, err := dev.Start(ctx, dev.Options{DataDir: dir, UIPort: -1}); err == nil || !strings.Contains(err.Error(), "had enough") {
		t.Fatalf("got %v", err)
	}
	start(t, dev.Options{DataDir: dir, UIPort: -1}) // the folder is free again
}

// lines collects log lines; it is safe for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
