package doctor_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/target"
	"github.com/cordonlabs/cordon/target/dir"
	"github.com/cordonlabs/cordon/workspace"
)

// closed is an address at which nobody listens: ports below 1024 are given to
// nobody by chance.
const closed = "127.0.0.1:1"

// env returns what the variables and a Temporal that is not there make.
func env(t *testing.T, vars map[string]string) doctor.Env {
	t.Helper()
	cfg, err := config.FromEnv(func(name string) string { return vars[name] })
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Python == "" {
		cfg.Python = "/no/such/python" // looking for one that has Atheris takes seconds on some machines
	}
	return doctor.Env{
		Config:   cfg,
		Temporal: client.Options{HostPort: closed, Namespace: "default"},
		Getenv:   func(name string) string { return vars[name] },
		Timeout:  time.Minute, // a machine without a free processor is slow, not ill
	}
}

// onCache returns the environment of a cache in dir.
func onCache(t *testing.T, cache string) doctor.Env {
	t.Helper()
	return env(t, map[string]string{"CACHE_DIR": cache})
}

// makeCache makes an empty cache and returns its directory.
func makeCache(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	makeCacheIn(t, dir)
	return dir
}

func makeCacheIn(t *testing.T, dir string) {
	t.Helper()
	c, err := workspace.Open(workspace.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Usage(); err != nil { // it has been used: its locks are there
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// published makes a cache with an entry in it, and returns the entry's path.
func published(t *testing.T, cache string) string {
	t.Helper()
	var object bytes.Buffer
	tw := tar.NewWriter(&object)
	if err := tw.WriteHeader(&tar.Header{Name: "file", Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, err := cordon.ParseTargetID("t")
	if err != nil {
		t.Fatal(err)
	}
	run, err := cordon.ParseRunID("run")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), id, &object, target.PutOptions{Size: -1}); err != nil {
		t.Fatal(err)
	}
	c, err := workspace.Open(workspace.Options{Dir: cache, Store: store, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ws, err := c.Get(t.Context(), workspace.Request{Target: id, Run: run, Mode: cordon.Isolated})
	if err != nil {
		t.Fatal(err)
	}
	return ws.Path
}

// one makes one check.
func one(t *testing.T, e doctor.Env, name string) doctor.Result {
	t.Helper()
	report, err := doctor.Only(context.Background(), e, name)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Checks) != 1 || report.Checks[0].Name != name {
		t.Fatalf("there is no check %q", name)
	}
	return report.Checks[0]
}

// want fails unless r has the status and its line all the words.
func want(t *testing.T, r doctor.Result, status doctor.Status, words ...string) {
	t.Helper()
	line := r.Found + "; " + r.Fix
	if r.Status != status {
		t.Errorf("%s is %s, want %s: %s", r.Name, r.Status, status, line)
	}
	for _, w := range words {
		if !strings.Contains(line, w) {
			t.Errorf("%s: %q is missing in: %s", r.Name, w, line)
		}
	}
	if r.Status != doctor.OK && r.Fix == "" {
		t.Errorf("%s does not say what to do: %s", r.Name, line)
	}
	if strings.ContainsAny(line, "\n\r") {
		t.Errorf("%s is more than one line: %q", r.Name, line)
	}
}

// everything lists all that is below dir, with its size and time.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			fmt.Fprintln(&b, path, info.Mode()) // their times change with what comes and goes
			return nil
		}
		fmt.Fprintln(&b, path, info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339Nano))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func mkdir(t *testing.T, dir string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	return dir
}
