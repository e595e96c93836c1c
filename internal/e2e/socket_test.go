package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
)

// overSocket calls an activity over the socket at path and returns the last line of the answer.
func overSocket(t *testing.T, path, activity string, args []any, caller map[string]any) (result any, failed string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"args": args, "caller": caller})
	if err != nil {
		t.Fatal(err)
	}
	c := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	resp, err := c.Post("http://cordon/v1/activities/"+activity, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var last struct {
		Result any
		Error  struct{ Type, Message string }
	}
	decode(t, lines[len(lines)-1], &last)
	return last.Result, last.Error.Type
}

// A worker in another language on the same host uses our cache over the socket: what it
// gets belongs to its workflow, and goes when that has closed, whatever becomes of the
// worker in between.
func TestAnotherWorkerUsesTheCacheOverTheSocket(t *testing.T) {
	t.Parallel()
	u := newUser(t)
	project := filepath.Join(u.home, "project")
	writeFile(t, filepath.Join(project, "main.py"), "print(1)\n")
	id := strings.TrimSpace(u.must(t, 0, "targets", "put", project, "--data", u.data()).out)
	d := u.dev(t)
	cache, socket := filepath.Join(u.home, "cache"), filepath.Join(u.home, "w.sock")
	u = u.with("CORDON_SWEEP_INTERVAL=1s", "CACHE_GRACE=1s", "TEMPORAL_ADDRESS="+d.Temporal)
	worker := []string{"worker", "--vertical", "python", "--task-queue", "python-storage", "--socket", socket, "--cache-dir", cache, "--store", filepath.Join(u.data(), "store")}

	// A worker that is killed leaves its socket behind; the next one takes its place.
	killed, _ := u.startExpecting(t, -1, worker...)
	killed.waitLog(t, "worker serves a socket")
	if err := killed.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = killed.cmd.Wait() // it was killed
	if _, err := os.Stat(socket); err != nil {
		t.Fatalf("there is no stale socket to be replaced: %v", err)
	}
	w, _ := u.start(t, worker...)
	w.waitLog(t, "worker serves a socket")
	if got := u.must(t, 5, worker...); !strings.Contains(got.err, socket) || !strings.Contains(got.err, "another worker serves there") {
		t.Errorf("a second one on the same socket: %s", got.err)
	}

	// A workflow of somebody's, on a queue that nobody polls: it is open until it is ended.
	c, err := client.Dial(client.Options{HostPort: d.Temporal})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "flow", TaskQueue: "nobody", Memo: map[string]any{"cordon.isolation": "copy-on-write"}}, "Theirs")
	if err != nil {
		t.Fatal(err)
	}
	caller := map[string]any{"namespace": "default", "workflow_id": "flow", "workflow_type": "Theirs", "run_id": run.GetRunID(), "activity_id": "1", "attempt": 1, "task_queue": "nobody"}
	path, failed := overSocket(t, socket, "get_target", []any{id}, caller)
	if want := filepath.Join(cache, id, run.GetRunID(), "workspace"); path != want || failed != "" {
		t.Fatalf("got %v %s, want %s", path, failed, want)
	}
	var entries []struct {
		RunID   string `json:"run_id"`
		Mode    string
		Holders []struct{ Owner map[string]string }
	}
	decode(t, u.must(t, 0, "cache", "ls", "--cache-dir", cache, "--json").out, &entries)
	for _, e := range entries {
		if e.RunID != run.GetRunID() {
			continue
		}
		if e.Mode != "copy-on-write" {
			t.Errorf("the mode is %s, and the run's memo says copy-on-write", e.Mode)
		}
		o := e.Holders[0].Owner
		if o["cluster"] == "" || o["namespace"] != "default" || o["workflow_id"] != "flow" || o["run_id"] != run.GetRunID() || o["first_run_id"] != run.GetRunID() {
			t.Errorf("its owner is %v: nobody can ask whether that is over", o)
		}
	}
	time.Sleep(4 * time.Second) // several sweeps
	if _, err := os.Stat(fmt.Sprint(path)); err != nil {
		t.Fatalf("the workspace went while its run is open: %v\n%s", err, w.log())
	}
	if err := c.TerminateWorkflow(t.Context(), "flow", "", "a test"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if _, err := os.Stat(fmt.Sprint(path)); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the workspace stays after its run\n%s", w.log())
		}
	}
	if _, failed := overSocket(t, socket, "get_target", []any{"no-such-target"}, caller); failed != "TargetNotFound" {
		t.Errorf("a target that is not there: %s", failed)
	}
	if code := w.stop(t); code != 0 {
		t.Errorf("exit code %d\n%s", code, w.log())
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("a worker that was stopped leaves its socket")
	}
}
