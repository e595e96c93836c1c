//go:build !race

// A Temporal server takes minutes to compile with the race detector.

package contract_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon/fuzz"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/fuzzsample"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/worker"
	"github.com/cordonlabs/cordon/workflows"
)

// Row 16: crashes and corpus of a fuzzing run are in the object store before its
// workspace goes, whatever happens to the worker and the store meanwhile. The workers
// are whole ones, in processes that can be killed.

func init() { beFuzzer = fuzzerProcess }

// fuzzerProcess works at the Temporal server at address until its standard input ends.
func fuzzerProcess(address string) error {
	cfg, err := config.FromEnv(os.Getenv)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadByte() // it never comes: the end does
		cancel()
	}()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return worker.Run(ctx, worker.Options{Config: cfg, Temporal: client.Options{HostPort: address, Namespace: os.Getenv("TEMPORAL_NAMESPACE"), Logger: quiet{}}, Logger: log})
}

// host is where one sample is fuzzed: a host with a store.
type host struct {
	t          *testing.T
	sample     fuzzsample.Sample
	workflow   metadata.Workflow
	cache      string
	store      string
	env        []string
	client     client.Client
	queue      string
	run        client.WorkflowRun
	workersLog *journal
}

func newHost(t *testing.T, s fuzzsample.Sample) *host {
	t.Helper()
	top := mountstest.Dir(t)
	dir := filepath.Join(top, "project")
	h := &host{t: t, sample: s, cache: filepath.Join(top, "cache"), store: filepath.Join(top, "store"), env: s.Plant(t, dir),
		client: server().GetDefaultClient(), queue: "queue of " + t.Name(), workersLog: &journal{}}
	for _, w := range workflows.Builtin() {
		if w.Name == s.Workflow {
			h.workflow = w
		}
	}
	content := tree{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		content[name] = string(text)
		return err
	}))
	must(t, shelf{Dir: h.store}.put("T", content.tarball(t)))
	return h
}

// works starts a worker process, and returns what kills it for good.
func (h *host) works(env ...string) (kill func()) {
	h.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fuzzerEnv+"="+server().GetFrontendHostPort(), "TEMPORAL_NAMESPACE="+server().GetDefaultNamespace(),
		"CACHE_DIR="+h.cache, "CORDON_STORE="+h.store, "WORKER_VERTICAL="+h.workflow.Vertical, "WORKER_TASK_QUEUE="+h.queue, "CACHE_GRACE=1s")
	cmd.Env = append(append(cmd.Env, h.env...), env...)
	cmd.Stderr = h.workersLog
	before := strings.Count(h.workersLog.String(), polling)
	in, err := cmd.StdinPipe() // ends with this process, if nothing else ends the worker
	must(h.t, err)
	must(h.t, cmd.Start())
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // gone already; Wait says it
		_ = cmd.Wait()
		in.Close()
	})
	h.t.Cleanup(func() {
		kill()
		if h.t.Failed() {
			h.t.Logf("the workers said\n%.20000s", h.workersLog)
		}
	})
	h.waitUntil("a worker polls", func() bool { return strings.Count(h.workersLog.String(), polling) > before })
	return kill
}

// polling is what a worker says once it works.
const polling = `msg="worker polls"`

// fuzzes starts a run that takes so long.
func (h *host) fuzzes(ctx context.Context, seconds int) {
	h.t.Helper()
	queue, args := h.queue, []any{"T", h.sample.Harness, 0, seconds}
	if fromPython(h.t) {
		needPython(h.t)
		queue, args = pythonsQueue, append(args, h.queue, h.sample.Engine)
	}
	var err error
	h.run, err = h.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: queue}, h.workflow.Class, args...)
	must(h.t, err)
}

// patience is far more than building a harness, noticing that a worker is dead, and
// fuzzing take.
const patience = 10 * time.Minute

// waitUntil waits for what may take long, and ends the test if it does not come.
func (h *host) waitUntil(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("after %v not yet: %s", patience, what)
		}
	}
}

// inputs are the stored crash inputs, by the hash that names each.
func (h *host) inputs() map[string][]byte {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.store, "fuzzing/crashes/*/*/inputs/*"))
	must(h.t, err)
	found := map[string][]byte{}
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && len(filepath.Base(f)) == 64 { // the others say what is known of it
			found[filepath.Base(f)] = data
		}
	}
	return found
}

func (h *host) corpora() []string {
	h.t.Helper()
	packs, err := filepath.Glob(filepath.Join(h.store, "fuzzing/corpora/*/*/*/*.tar.zst"))
	must(h.t, err)
	return packs
}

// workspaces are those that are there.
func (h *host) workspaces() []string {
	h.t.Helper()
	all, err := filepath.Glob(filepath.Join(h.cache, "T/*/workspace"))
	must(h.t, err)
	return all
}

func (h *host) mustRunNothing() {
	h.t.Helper()
	waitFor(h.t, func() (string, bool) { // the kernel ends processes behind the caller's back
		left := fuzzsample.Processes(h.t, h.cache)
		return "left running:\n" + strings.Join(left, "\n"), len(left) == 0
	})
}

// samples are those of all engines, or of one where time is short: what differs
// between engines is not what differs between schedules.
func samples() []fuzzsample.Sample {
	if testing.Short() {
		return fuzzsample.All[:1]
	}
	return fuzzsample.All
}

func TestRow16_WorkerKilledWhileItFuzzes(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.Engine, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			h := newHost(t, s)
			kill := h.works()
			seconds := 15
			if s.Engine == "afl++" { // it has to be lucky, where the others see what is compared
				seconds = 45
			}
			h.fuzzes(ctx, seconds)
			h.waitUntil("a crash is in the store", func() bool { return len(h.inputs()) > 0 })
			h.waitUntil("a tool is seen to run", func() bool { return len(fuzzsample.Processes(t, h.cache)) > 0 })
			kill()
			killed := time.Now()
			h.mustRunNothing()
			t.Logf("no tool's process is left %v after the worker was killed", time.Since(killed).Round(time.Millisecond))
			before := h.inputs()

			h.works()
			var r struct {
				Findings []struct {
					FilePath string `json:"file_path"`
				} `json:"findings"`
				Summary struct {
					Fuzzing []fuzz.Outcome `json:"fuzzing"`
				} `json:"summary"`
			}
			must(t, h.run.Get(ctx, &r))
			if len(r.Findings) != 1 || r.Findings[0].FilePath != s.File || len(r.Summary.Fuzzing) != 1 {
				t.Fatalf("the retry's result is %+v", r)
			}
			if o := r.Summary.Fuzzing[0]; len(o.Bugs) != 1 || time.Duration(o.Elapsed) < 10*time.Second && o.Stopped != fuzz.StoppedKnown {
				t.Errorf("the retry's outcome is %+v", o)
			}
			after := h.inputs()
			for hash, data := range after {
				if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != hash {
					t.Errorf("%s is stored under another name", hash)
				}
			}
			for hash := range before {
				if after[hash] == nil && len(after) < 20 { // of more a run keeps the smallest alone
					t.Errorf("the input %s is lost", hash)
				}
			}
			if bugs, _ := filepath.Glob(filepath.Join(h.store, "fuzzing/crashes/*/*/crash.json")); len(bugs) != 1 {
				t.Errorf("the one bug is stored as %v", bugs)
			}
			if len(h.corpora()) == 0 {
				t.Error("no corpus is stored")
			}
			h.mustHaveTriedAgain(ctx)
			h.mustRunNothing()
			h.waitUntil("the workspace is gone", func() bool { return len(h.workspaces()) == 0 })
		})
	}
}

// mustHaveTriedAgain fails unless run_fuzzer's last attempt was a later one, and
// everything that crossed the run's history is small.
func (h *host) mustHaveTriedAgain(ctx context.Context) {
	h.t.Helper()
	events := h.client.GetWorkflowHistory(ctx, h.run.GetID(), h.run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	last, size := int32(0), 0
	for events.HasNext() {
		e, err := events.Next()
		must(h.t, err)
		last = max(last, e.GetActivityTaskStartedEventAttributes().GetAttempt())
		size += e.Size()
	}
	if last < 2 {
		h.t.Error("no activity was tried again")
	}
	if size > 512<<10 {
		h.t.Errorf("the run's history has %d bytes", size)
	}
	h.t.Logf("attempt %d, a history of %d bytes", last, size)
}

// A crash input that was written in the moment in which the worker died.
var unsaved = []byte("PKBUG an input that nobody had the time to keep")

// leaves puts it where the fuzzer of the run's only workspace would have.
func (h *host) leaves() {
	h.t.Helper()
	all := h.workspaces()
	if len(all) != 1 {
		h.t.Fatalf("the workspaces are %v", all)
	}
	dir := filepath.Join(all[0], fuzz.WorkDir, h.sample.Engine, "harnesses", h.sample.Harness, "artifacts")
	must(h.t, os.WriteFile(filepath.Join(dir, "crash-unsaved"), unsaved, 0o644))
}

// loses takes what fuzzing has stored, and all room for more, away until the store is
// back.
func (h *host) loses() (back func()) {
	h.t.Helper()
	at := filepath.Join(h.store, "fuzzing")
	must(h.t, os.Rename(at, at+"-away"))
	must(h.t, os.WriteFile(at, nil, 0o644))
	return func() {
		h.t.Helper()
		must(h.t, os.Remove(at))
		must(h.t, os.Rename(at+"-away", at))
	}
}

func TestRow16_WorkerKilledAndNeverBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newHost(t, fuzzsample.Of("libfuzzer"))
	kill := h.works()
	h.fuzzes(ctx, 600)
	h.waitUntil("a crash is in the store", func() bool { return len(h.inputs()) > 0 })
	kill()
	h.mustRunNothing()
	h.leaves()
	packs := len(h.corpora())
	back := h.loses()
	must(t, h.client.TerminateWorkflow(ctx, h.run.GetID(), "", "its worker is gone"))

	// Another worker of the host: its sweeps find the run closed.
	h.works("CORDON_SWEEP_INTERVAL=" + fmt.Sprint(sweepEvery))
	h.waitUntil("a sweep tries to save it", func() bool { return strings.Contains(h.workersLog.String(), "cannot save what a run found") })
	if len(h.workspaces()) != 1 {
		t.Error("the workspace went before what it holds was saved")
	}
	back()
	h.mustSave(packs)
}

const sweepEvery = time.Second

// mustSave waits until the workspace goes, and fails unless what it held is stored
// by then.
func (h *host) mustSave(packs int) {
	h.t.Helper()
	h.waitUntil("the workspace is gone", func() bool { return len(h.workspaces()) == 0 })
	sum := sha256.Sum256(unsaved)
	if got := h.inputs()[hex.EncodeToString(sum[:])]; !bytes.Equal(got, unsaved) {
		h.t.Error("the input that was not stored yet is lost")
	}
	if len(h.corpora()) <= packs {
		h.t.Error("the corpus is lost")
	}
}

// A run whose fuzzer was cut off while the store was away, cleans up.
func TestRow16_CancelledWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	h := newHost(t, fuzzsample.Of("libfuzzer"))
	h.works("CORDON_SWEEP_INTERVAL=" + fmt.Sprint(sweepEvery))
	h.fuzzes(ctx, 600)
	h.waitUntil("a crash is in the store", func() bool { return len(h.inputs()) > 0 })
	packs := len(h.corpora())
	back := h.loses()
	h.leaves()
	must(t, h.client.CancelWorkflow(ctx, h.run.GetID(), ""))
	began := time.Now()
	if err := h.run.Get(ctx, nil); err == nil {
		t.Error("the run was not cancelled")
	}
	if took := time.Since(began); took > 6*mustBeOver {
		t.Errorf("the cancelled run was over after %v", took)
	} else {
		t.Logf("over %v after the cancellation", took.Round(time.Millisecond))
	}
	h.mustRunNothing()
	if len(h.workspaces()) != 1 {
		t.Error("the workspace went before what it holds was saved")
	}
	back()
	h.mustSave(packs)
}

func TestFuzzingCancelledByTemporalIsOverAtOnce(t *testing.T) {
	for _, s := range samples() {
		if s.Engine == "cargo-fuzz" || s.Engine == "atheris" {
			continue // stopped as libFuzzer is, which they are
		}
		t.Run(s.Engine, func(t *testing.T) {
			ctx := t.Context()
			h := newHost(t, s)
			h.works()
			h.fuzzes(ctx, 600)
			h.waitUntil("a crash is in the store", func() bool { return len(h.inputs()) > 0 })
			began := time.Now()
			must(t, h.client.CancelWorkflow(ctx, h.run.GetID(), ""))
			if err := h.run.Get(ctx, nil); err == nil {
				t.Error("the run was not cancelled")
			}
			took := time.Since(began)
			t.Logf("over %v after the cancellation", took.Round(time.Millisecond))
			if took > 6*mustBeOver {
				t.Errorf("it took %v", took)
			}
			h.mustRunNothing()
			h.waitUntil("the workspace is gone", func() bool { return len(h.workspaces()) == 0 })
			if len(h.corpora()) == 0 {
				t.Error("no corpus is stored")
			}
		})
	}
}
