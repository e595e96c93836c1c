package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/health"
	"github.com/cordonlabs/cordon/worker"
)

// running is a worker under Run, as the programs run it.
type running struct {
	*worker.Worker
	log    *logBuffer
	stop   context.CancelFunc // the first signal
	hurry  chan struct{}      // closed by the second
	health string
	ended  chan error
}

// runFor runs a worker that drains for so long, on a queue of one endless tool, one slot.
func runFor(t *testing.T, queue string, drain time.Duration) *running {
	t.Helper()
	opts, log := setup(t)
	opts = endless(t, opts, queue, 1)
	r := &running{log: log, hurry: make(chan struct{}), health: filepath.Join(t.TempDir(), "health.json"), ended: make(chan error, 1)}
	opts.Config.Drain, opts.Hurry, opts.HealthFile = drain, r.hurry, r.health
	opts.Config.HTTP = "127.0.0.1:0"
	w, err := worker.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Worker = w
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	t.Cleanup(cancel)
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	go func() {
		err := w.Wait(ctx)
		w.Drain()
		w.Stop()
		r.ended <- err
	}()
	return r
}

// mustEnd fails unless the worker ends within a time.
func (r *running) mustEnd(t *testing.T, within time.Duration) {
	t.Helper()
	select {
	case err := <-r.ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(within):
		t.Fatalf("it has not ended after %v:\n%s", within, r.log)
	}
}

// begun starts a run of the endless tool and waits until it is under way.
func (r *running) begun(t *testing.T, c client.Client, queue string) client.WorkflowRun {
	t.Helper()
	run := begin(t, c, "Fuzzes", queue, 1)
	until(t, "the tool is under way", func() bool { return r.Admission().Tools == 1 })
	return run
}

func TestAWorkerDrains(t *testing.T) {
	c := calling(t)
	t.Run("until nothing is under way", func(t *testing.T) {
		queue := queueOf(t)
		w := runFor(t, queue, time.Hour)
		run := w.begun(t, c, queue)
		w.stop()
		until(t, "it says that it drains", func() bool { return w.Admission().Draining && len(w.log.lines("worker drains: ", "tools=1")) == 1 })
		until(t, "its health says so too", func() bool {
			var r health.Report
			b, err := os.ReadFile(w.health)
			return err == nil && json.Unmarshal(b, &r) == nil && r.Draining && len(r.Problems) == 0 && strings.HasPrefix(r.Summary(), "draining")
		})
		answers(t, "http://"+w.HTTP()+"/readyz", http.StatusServiceUnavailable, `"status":"draining"`)
		answers(t, "http://"+w.HTTP()+"/healthz", http.StatusOK, `"status":"draining"`)
		time.Sleep(2 * time.Second) // after which its last polls have ended: what they brought was handed on
		// What comes now is nobody's yet.
		late := begin(t, c, "Fuzzes", queue, 1)
		time.Sleep(300 * time.Millisecond)
		if n, _ := pending(t, c, late); n != 0 {
			t.Error("it still takes something")
		}
		if n, _ := pending(t, c, run); n != 1 {
			t.Error("what was under way is not any more")
		}
		// Who asks whether a workspace is still here has an answer, however long it takes.
		look := begin(t, c, "Looks", activities.WatchQueue(queue, w.Cache().HostID()))
		var app *temporal.ApplicationError
		if err := look.Get(t.Context(), nil); !errors.As(err, &app) || app.Type() != string(cordon.WorkspaceLost) {
			t.Errorf("asked for a workspace that nobody has, it says: %v", err)
		}
		if err := c.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "it is done"); err != nil {
			t.Fatal(err)
		}
		w.mustEnd(t, 30*time.Second)
		if len(w.log.lines("worker has drained")) != 1 {
			t.Errorf("the log:\n%s", w.log)
		}
	})
	for how, tc := range map[string]struct {
		drain time.Duration
		end   func(*running)
		says  string
	}{
		"until its time is over":        {2 * time.Second, func(*running) {}, "the time to drain is over"},
		"until it is told to hurry":     {time.Hour, func(w *running) { close(w.hurry) }, "told to stop at once"},
		"not at all, unless it is told": {0, func(*running) {}, "worker stops"},
	} {
		t.Run(how, func(t *testing.T) {
			queue := queueOf(t)
			w := runFor(t, queue, tc.drain)
			run := w.begun(t, c, queue)
			began := time.Now()
			w.stop()
			if tc.drain > 0 {
				until(t, "it drains", func() bool { return len(w.log.lines("worker drains: ")) == 1 })
			}
			tc.end(w)
			w.mustEnd(t, 30*time.Second)
			if took := time.Since(began); took < min(tc.drain, 2*time.Second) && how == "until its time is over" {
				t.Errorf("it ended after %v", took)
			}
			if len(w.log.lines(tc.says)) == 0 {
				t.Errorf("it does not say %q:\n%s", tc.says, w.log)
			}
			// The tool had one attempt, and goes on with it where there is a worker.
			next := runFor(t, queue, 0)
			until(t, "the tool goes on elsewhere", func() bool {
				n, _ := pending(t, c, run)
				return n == 1 && next.Admission().Tools == 1
			})
			next.stop()
			next.mustEnd(t, 30*time.Second)
		})
	}
}
