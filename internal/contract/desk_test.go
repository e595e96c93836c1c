package contract_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/target/miniotest"
	"github.com/cordonlabs/cordon/workspace"
)

// desk is a store, a cache and the activities on them.
type desk struct {
	t        *testing.T
	top      string
	cacheDir string
	shelf    shelf
	cache    *workspace.Cache
	catalog  *metadata.Catalog
	acts     *activities.Activities
	log      *journal
	logger   *slog.Logger // into log
	served   served       // for callers in Python
}

// callers says in which language the workflows are that call.
var callers = flag.String("callers", "go", "the `LANGUAGE` of the workflows that call the activities: go or python")

// python reports whether the desk's callers are workflows in Python.
func (d *desk) python() bool { return fromPython(d.t) }

func fromPython(t *testing.T) bool {
	return throughPython != nil && (*callers == "python" || strings.HasPrefix(t.Name(), "TestRowsThroughPython/"))
}

// throughPython is tryFor with a workflow in Python, where tests have a Temporal server;
// processesForPython is processes.
var (
	throughPython      func(d *desk, limit time.Duration, name string, args ...any) outcome
	processesForPython func(d *desk, n, runs int, id, mode string, want tree) (downloads int)
)

// served is what a worker at a real server has of a desk's: each set of activities has a
// queue of its own, and one run makes all calls.
type served struct {
	mu    sync.Mutex
	acts  *activities.Activities
	queue string
	run   client.WorkflowRun
}

// newDesk has a directory store.
func newDesk(t *testing.T) *desk {
	top := mountstest.Dir(t)
	return newDeskIn(t, top, shelf{Dir: filepath.Join(top, "store")})
}

// newDeskOn has a store of its own choice.
func newDeskOn(t *testing.T, s shelf) *desk { return newDeskIn(t, mountstest.Dir(t), s) }

// newDeskIn may be one of several in a directory, as several workers are. Its
// cache is one of change's making.
func newDeskIn(t *testing.T, top string, s shelf, change ...func(*workspace.Options)) *desk {
	t.Helper()
	d := &desk{t: t, top: top, cacheDir: filepath.Join(top, "cache"), shelf: s, log: &journal{}}
	d.logger = slog.New(slog.NewTextHandler(d.log, nil))
	store, err := s.open(d.logger)
	must(t, err)
	opts := workspace.Options{Dir: d.cacheDir, Store: store, Logger: d.logger}
	for _, f := range change {
		f(&opts)
	}
	d.cache, err = workspace.Open(opts)
	must(t, err)
	t.Cleanup(func() { d.cache.Close() })
	must(t, os.MkdirAll(filepath.Join(d.top, "workflows/scan"), 0o755))
	d.metadata("description: says nothing of a mode")
	d.catalog, err = metadata.NewCatalog(nil, []string{filepath.Join(d.top, "workflows")}, d.logger)
	must(t, err)
	d.acts = activities.New(activities.Options{Cache: d.cache, Catalog: d.catalog, Logger: d.logger})
	t.Cleanup(d.acts.Stop)
	return d
}

func (d *desk) put(id string, content []byte) {
	d.t.Helper()
	must(d.t, d.shelf.put(id, content))
}

// metadata writes the metadata.yaml of the calling workflow.
func (d *desk) metadata(line string) {
	d.t.Helper()
	file := filepath.Join(d.top, "workflows/scan/metadata.yaml")
	must(d.t, os.WriteFile(file, []byte("name: scan\nvertical: python\n"+line+"\n"), 0o644))
	// An editor's save is seconds after the one before; this one's is not.
	later := time.Now().Add(time.Duration(len(line)) * time.Second)
	must(d.t, os.Chtimes(file, later, later))
}

// try runs a workflow that calls the activity by name, and returns its outcome.
func (d *desk) try(name string, args ...any) outcome {
	return d.tryFor(attemptTime, name, args...)
}

// attemptTime is that of an attempt which is over much earlier.
const attemptTime = time.Minute

// tryFor gives the activity's only attempt so long.
func (d *desk) tryFor(limit time.Duration, name string, args ...any) outcome {
	if d.python() {
		return throughPython(d, limit, name, args...)
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	var out outcome
	var mu sync.Mutex
	env.RegisterActivityWithOptions(d.acts.GetTarget, activity.RegisterOptions{Name: "get_target"})
	env.RegisterActivityWithOptions(d.acts.CleanupCache, activity.RegisterOptions{Name: "cleanup_cache"})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: limit, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		mu.Lock()
		defer mu.Unlock()
		var path *string
		out.err = workflow.ExecuteActivity(ctx, name, args...).Get(ctx, &path)
		if path != nil {
			out.path = *path
		}
		return nil
	}, workflow.RegisterOptions{Name: "ScanWorkflow"})
	env.SetTestTimeout(limit + 10*time.Second) // of the test's own clock, which has to outlast the attempt's
	env.ExecuteWorkflow("ScanWorkflow")
	if err := env.GetWorkflowError(); err != nil {
		out.err = err
	}
	return out
}

type outcome struct {
	path string
	err  error
}

func (d *desk) getTarget(args ...any) string {
	d.t.Helper()
	out := d.try("get_target", args...)
	if out.err != nil {
		d.t.Fatalf("get_target%v: %v", args, out.err)
	}
	return out.path
}

func (d *desk) cleanup(args ...any) {
	d.t.Helper()
	if out := d.try("cleanup_cache", args...); out.err != nil {
		d.t.Fatalf("cleanup_cache%v: %v", args, out.err)
	}
}

func (d *desk) logged(words string) bool { return strings.Contains(d.log.String(), words) }
func (d *desk) downloads() int           { return d.shelf.downloads(d.log.String()) }

func (d *desk) shell(script string) {
	d.t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env = append(os.Environ(), "CACHE_DIR="+d.cacheDir)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v: %s", script, err, out)
	}
}

func mustFail(t *testing.T, out outcome, kind cordon.Kind, words ...string) {
	t.Helper()
	var app *temporal.ApplicationError
	if !errors.As(out.err, &app) {
		t.Fatalf("got %q, %v; want an ApplicationError", out.path, out.err)
	}
	if app.Type() != string(kind) || app.NonRetryable() == kind.Retryable() {
		t.Errorf("type %s, non-retryable %v: %v; want %s", app.Type(), app.NonRetryable(), app, kind)
	}
	for _, w := range words {
		if !strings.Contains(app.Error(), w) {
			t.Errorf("the message does not say %q: %s", w, app.Error())
		}
	}
}

// processes lets n processes ask for the target on behalf of runs runs each, all
// at once, checks every tree, and returns how many downloads there were.
func (d *desk) processes(n, runs int, id, mode string, want tree) (downloads int) {
	d.t.Helper()
	if d.python() {
		return processesForPython(d, n, runs, id, mode, want)
	}
	store, err := json.Marshal(d.shelf)
	must(d.t, err)
	var wg sync.WaitGroup
	errs := make([]bytes.Buffer, n)
	for i := range n {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+d.top, "CORDON_TEST_STORE="+string(store), fmt.Sprintf("CORDON_TEST_CALL=%s %s %d %d", id, mode, i, runs))
		cmd.Stderr = &errs[i]
		wg.Go(func() {
			out, err := cmd.Output()
			if err != nil {
				d.t.Errorf("process %d: %v\n%s", i, err, errs[i].String())
			}
			paths := bufio.NewScanner(bytes.NewReader(out))
			for paths.Scan() {
				mustBeTree(d.t, paths.Text(), want)
			}
		})
	}
	wg.Wait()
	for i := range errs {
		downloads += d.shelf.downloads(errs[i].String())
	}
	return downloads
}

const childEnv = "CORDON_TEST_TOP"

// fuzzerEnv makes this program a whole worker, configured by the other variables, at
// the Temporal server at that address. beFuzzer is what it is then, where tests have
// such a server.
const fuzzerEnv = "CORDON_TEST_FUZZER"

var beFuzzer func(address string) error

func TestMain(m *testing.M) {
	if beFuzzer != nil && os.Getenv(fuzzerEnv) != "" {
		fmt.Fprintln(os.Stderr, beFuzzer(os.Getenv(fuzzerEnv)))
		os.Exit(1)
	}
	if job := os.Getenv(workerEnv); job != "" {
		fmt.Fprintln(os.Stderr, workerProcess(job))
		os.Exit(1)
	}
	if top := os.Getenv(childEnv); top != "" {
		if err := child(top); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := miniotest.Main(m)
	for _, f := range atEnd {
		f()
	}
	os.Exit(code)
}

// atEnd is called after the last test, for what all of them share.
var atEnd []func()

// child is one of the processes: it asks for all its runs at once and prints
// their paths.
func child(top string) error {
	var id, mode string
	var number, runs int
	if _, err := fmt.Sscan(os.Getenv("CORDON_TEST_CALL"), &id, &mode, &number, &runs); err != nil {
		return err
	}
	var s shelf
	if err := json.Unmarshal([]byte(os.Getenv("CORDON_TEST_STORE")), &s); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	store, err := s.open(log)
	if err != nil {
		return err
	}
	cache, err := workspace.Open(workspace.Options{Dir: filepath.Join(top, "cache"), Store: store, Logger: log})
	if err != nil {
		return err
	}
	defer cache.Close()
	t, err := cordon.ParseTargetID(id)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make([]error, runs)
	paths := make([]string, runs)
	for i := range runs {
		wg.Go(func() {
			run, err := cordon.ParseRunID(fmt.Sprintf("run-%d-%d", number, i))
			if err == nil {
				var ws workspace.Workspace
				ws, err = cache.Get(context.Background(), workspace.Request{Target: t, Run: run, Mode: cordon.Mode(mode)})
				paths[i] = ws.Path
			}
			errs[i] = err
		})
	}
	wg.Wait()
	fmt.Println(strings.Join(paths, "\n"))
	return errors.Join(errs...)
}

// journal collects log lines.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// quiet is the SDK's logger in these tests.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// tree is a directory's content: by path, "dir" for directories, "-> x" for links.
type tree map[string]string

var project = tree{"main.py": "import os\n", "pkg": "dir", "pkg/run.sh": "#!/bin/sh\n", "link": "-> main.py", "dangling": "-> nowhere"}

// large takes long enough to extract that others ask meanwhile.
var large = func() tree {
	t := tree{}
	for i := range 2000 {
		t[fmt.Sprintf("file-%04d", i)] = strings.Repeat(fmt.Sprint(i), 500)
	}
	return t
}()

func (t tree) with(name, content string) tree {
	c := maps.Clone(t)
	c[name] = content
	return c
}

type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func (t tree) tarball(tb testing.TB) []byte {
	var entries []entry
	for _, name := range slices.Sorted(maps.Keys(t)) {
		e := entry{name: name, body: t[name]}
		if e.body == "dir" {
			e.body, e.kind = "", tar.TypeDir
		} else if to, ok := strings.CutPrefix(e.body, "-> "); ok {
			e.body, e.link = "", to
		}
		entries = append(entries, e)
	}
	return tarOf(tb, entries...)
}

func tarOf(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: e.mode, Typeflag: e.kind, Linkname: e.link, Size: int64(len(e.body)), ModTime: time.Unix(1_700_000_000, 0)}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		switch {
		case h.Typeflag != 0:
		case e.link != "":
			h.Typeflag = tar.TypeSymlink
		default:
			h.Typeflag = tar.TypeReg
		}
		must(tb, w.WriteHeader(h))
		_, err := w.Write([]byte(e.body))
		must(tb, err)
	}
	must(tb, w.Close())
	return buf.Bytes()
}

func mustBeTree(tb testing.TB, root string, want tree) {
	tb.Helper()
	got := tree{}
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		switch {
		case e.IsDir():
			got[rel] = "dir"
		case e.Type() == fs.ModeSymlink:
			to, err := os.Readlink(p)
			got[rel] = "-> " + to
			return err
		default:
			b, err := os.ReadFile(p)
			got[rel] = string(b)
			return err
		}
		return nil
	})
	if err != nil {
		tb.Error(err)
	}
	if !maps.Equal(got, want) {
		tb.Errorf("%s holds %d things that are not the %d of the target", root, len(got), len(want))
	}
}

func mustNotExist(tb testing.TB, path string) {
	tb.Helper()
	if _, err := os.Lstat(path); err == nil {
		tb.Errorf("%s exists", path)
	}
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	must(tb, os.WriteFile(path, []byte(content), 0o644))
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
