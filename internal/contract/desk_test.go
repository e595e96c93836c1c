package contract_test

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
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
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/activities"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
	"github.com/cordonlabs/cordon/metadata"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// desk is a store, a cache and the activities on them.
type desk struct {
	t        *testing.T
	top      string
	cacheDir string
	acts     *activities.Activities
	log      *journal
}

func newDesk(t *testing.T) *desk { return newDeskOn(t, nil) }

func newDeskOn(t *testing.T, store target.Source) *desk {
	t.Helper()
	d := &desk{t: t, top: mountstest.Dir(t), log: &journal{}}
	d.cacheDir = filepath.Join(d.top, "cache")
	if store == nil {
		s, err := dir.Open(filepath.Join(d.top, "store"))
		must(t, err)
		store = s
	}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	cache, err := workspace.Open(workspace.Options{Dir: d.cacheDir, Store: store, Logger: log})
	must(t, err)
	t.Cleanup(func() { cache.Close() })
	must(t, os.MkdirAll(filepath.Join(d.top, "workflows/scan"), 0o755))
	d.metadata("description: says nothing of a mode")
	catalog, err := metadata.NewCatalog(nil, []string{filepath.Join(d.top, "workflows")}, log)
	must(t, err)
	d.acts = activities.New(activities.Options{Cache: cache, Catalog: catalog, Logger: log})
	t.Cleanup(d.acts.Stop)
	return d
}

func (d *desk) put(id string, content []byte) {
	d.t.Helper()
	file := filepath.Join(d.top, "store/targets", id, "target")
	must(d.t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(d.t, os.WriteFile(file+".new", content, 0o644))
	must(d.t, os.Rename(file+".new", file))
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
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	var out outcome
	var mu sync.Mutex
	env.RegisterActivityWithOptions(d.acts.GetTarget, activity.RegisterOptions{Name: "get_target"})
	env.RegisterActivityWithOptions(d.acts.CleanupCache, activity.RegisterOptions{Name: "cleanup_cache"})
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
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
	env.SetTestTimeout(time.Minute)
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
func (d *desk) misses() int              { return strings.Count(d.log.String(), "Cache MISS") }

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
func (d *desk) processes(n, runs int, id, mode string, want tree) (misses int) {
	d.t.Helper()
	var wg sync.WaitGroup
	errs := make([]bytes.Buffer, n)
	for i := range n {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+d.top, fmt.Sprintf("CORDON_TEST_CALL=%s %s %d %d", id, mode, i, runs))
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
		misses += strings.Count(errs[i].String(), "Cache MISS")
	}
	return misses
}

const childEnv = "CORDON_TEST_TOP"

func TestMain(m *testing.M) {
	if top := os.Getenv(childEnv); top != "" {
		if err := child(top); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child is one of the processes: it asks for all its runs at once and prints
// their paths.
func child(top string) error {
	var id, mode string
	var number, runs int
	if _, err := fmt.Sscan(os.Getenv("CORDON_TEST_CALL"), &id, &mode, &number, &runs); err != nil {
		return err
	}
	store, err := dir.Open(filepath.Join(top, "store"))
	if err != nil {
		return err
	}
	cache, err := workspace.Open(workspace.Options{Dir: filepath.Join(top, "cache"), Store: store,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
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
