package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/config"
	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

func TestFlagsBeatTheEnvironmentWhichBeatsDefaults(t *testing.T) {
	environ := []string{"WORKER_VERTICAL=python", "CACHE_DIR=/from/env", "S3_ENDPOINT=http://minio:9000", "TEMPORAL_ADDRESS=env:7233", "TEMPORAL_NAMESPACE=ns"}
	opts, done, err := options(nil, environ, nil)
	if err != nil || done {
		t.Fatal(done, err)
	}
	if c := opts.Config; c.CacheDir != "/from/env" || c.TaskQueue != "python-queue" || c.S3.Endpoint == "" || c.TTL != config.DefaultTTL {
		t.Errorf("from the environment: %+v", c)
	}
	if opts.Temporal.HostPort != "env:7233" || opts.Temporal.Namespace != "ns" {
		t.Errorf("Temporal from the environment: %s %s", opts.Temporal.HostPort, opts.Temporal.Namespace)
	}
	opts, _, err = options([]string{"--vertical", "secrets", "--task-queue", "q", "--cache-dir", "/flag", "--store", "/store", "--address", "flag:1"}, environ, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := opts.Config; c.Vertical != "secrets" || c.TaskQueue != "q" || c.CacheDir != "/flag" || c.StoreDir != "/store" || c.S3.Endpoint != "" {
		t.Errorf("from flags: %+v", c)
	}
	if opts, _, err := options([]string{"--serve", "storage"}, append(environ, "WORKER_SERVE=activities"), nil); err != nil || opts.Config.Serve != config.ServeStorage || opts.Config.TaskQueue != "python-storage" {
		t.Errorf("--serve storage serves %s on %s (%v)", opts.Config.Serve, opts.Config.TaskQueue, err)
	}
	if opts, _, err := options([]string{"--http", "127.0.0.1:0", "--metrics=off", "--pprof"}, append(environ, "WORKER_METRICS=:9090"), nil); err != nil || opts.Config.HTTP != "127.0.0.1:0" || opts.Config.Metrics != "" || !opts.Config.Pprof {
		t.Errorf("--http 127.0.0.1:0 --metrics off --pprof: %+v (%v)", opts.Config, err)
	}
	if opts, _, err := options([]string{"--pprof=false"}, append(environ, "WORKER_PPROF=1"), nil); err != nil || opts.Config.Pprof {
		t.Errorf("--pprof=false: %t (%v)", opts.Config.Pprof, err)
	}
	if opts.Temporal.HostPort != "flag:1" || opts.Temporal.Namespace != "ns" {
		t.Errorf("Temporal from flags: %s %s", opts.Temporal.HostPort, opts.Temporal.Namespace)
	}
}

func TestExitCodes(t *testing.T) {
	dir := mountstest.Dir(t)
	good := []string{"WORKER_VERTICAL=python", "CACHE_DIR=" + dir, "CORDON_STORE=" + dir}
	for _, tc := range []struct {
		name    string
		args    []string
		environ []string
		code    int
		stdout  string
		stderr  string
	}{
		{"help", []string{"--help"}, nil, 0, "Example:", ""},
		{"the version", []string{"--version"}, nil, 0, "cordon-worker ", ""},
		{"an unknown flag", []string{"--nope"}, good, 2, "", "nope"},
		{"an argument", []string{"now"}, good, 2, "", `"now"`},
		{"a size that cannot be read", nil, append([]string{"CACHE_MAX_SIZE=lots"}, good...), 2, "", "CACHE_MAX_SIZE"},
		{"a duration without a unit", nil, append([]string{"CACHE_TTL=7"}, good...), 2, "", "CACHE_TTL"},
		{"something else to serve", []string{"--serve", "tools"}, good, 2, "", "all, activities, storage"},
		{"no vertical", nil, good[1:], 2, "", "WORKER_VERTICAL"},
		{"no store", nil, good[:2], 2, "", "S3_ENDPOINT"},
		{"a health file that cannot be written", []string{"--health-file", filepath.Join(dir, "missing", "health.json")}, good, 2, "", "WORKER_HEALTH_FILE"},
		{"a sampler that is none", nil, append([]string{"OTEL_TRACES_SAMPLER=some", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"}, good...), 2, "", "OTEL_TRACES_SAMPLER"},
		{"pages for everybody", []string{"--http", "0.0.0.0:0"}, good, 2, "", "WORKER_HTTP_TOKEN"},
		{"metrics nowhere", []string{"--metrics", "9090"}, good, 2, "", "host:port"},
		{"the health of nobody", []string{"health", "--health-file", filepath.Join(dir, "health.json")}, nil, 1, "", "no worker has written it"},
		{"the health in no file", []string{"health"}, nil, 1, "", "WORKER_HEALTH_FILE"},
		{"the health and an argument", []string{"health", "now"}, nil, 1, "", `"now"`},
		{"a dead Temporal", []string{"--address", "127.0.0.1:1"}, good, 4, `msg="copy-on-write driver"`, "127.0.0.1:1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			if code := run(tc.args, tc.environ, &stdout, &stderr); code != tc.code {
				t.Errorf("exit code %d, want %d; stderr: %s", code, tc.code, stderr.String())
			}
			if !strings.Contains(stdout.String(), tc.stdout) || !strings.Contains(stderr.String(), tc.stderr) {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
			if tc.stdout == "" && stdout.Len() > 0 {
				t.Errorf("stdout is for what was asked for and the log, and there is %q", stdout.String())
			}
			if strings.Contains(stderr.String(), "level=") {
				t.Errorf("the log is on stderr, where a pipe does not see it: %q", stderr.String())
			}
		})
	}
}

// A container runs this binary and nothing else: it must stay without the
// server, and small.
func TestTheBinaryIsLean(t *testing.T) {
	deps, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.SplitSeq(string(deps), "\n") {
		if strings.HasPrefix(dep, "go.temporal.io/server") || strings.HasSuffix(dep, "/internal/dev") {
			t.Errorf("it contains %s", dep)
		}
	}
	if testing.Short() {
		t.Skip("building takes some seconds")
	}
	binary := filepath.Join(t.TempDir(), "cordon-worker")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=9.9.9", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const limit = 40_000_000 // bytes
	if st, err := os.Stat(binary); err != nil || st.Size() > limit {
		t.Errorf("%d bytes (%v), want at most %d", st.Size(), err, limit)
	}
	if out, err := exec.Command(binary, "--version").Output(); err != nil || string(out) != "cordon-worker 9.9.9\n" {
		t.Errorf("--version printed %q (%v)", out, err)
	}

	// SIGTERM while it waits for a Temporal that never answers: no failure.
	dir := mountstest.Dir(t)
	cmd := exec.Command(binary, "--address", blackHole(t))
	cmd.Env = []string{"WORKER_VERTICAL=python", "CACHE_DIR=" + dir, "CORDON_STORE=" + dir}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Wait(); err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("after SIGTERM: %v in %s", err, time.Since(began))
	}
}

// blackHole returns the address of a server that accepts and never answers.
func blackHole(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// The first signal ends the work, the second the draining; with nothing to drain, the
// second is the usual end of the process.
func TestASecondSignalIsToHurry(t *testing.T) {
	ctx, hurry := untilSignalled(true)
	tell := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	tell()
	<-ctx.Done()
	select {
	case <-hurry:
		t.Error("one signal is enough to hurry")
	case <-time.After(100 * time.Millisecond):
	}
	tell()
	<-hurry
}
