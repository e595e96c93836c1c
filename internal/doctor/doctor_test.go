package doctor_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/doctor"
	"github.com/cordonlabs/cordon/workspace"
)

func TestAHealthyPlaceFailsNothingAndStaysAsItWas(t *testing.T) {
	for _, tt := range []struct {
		name string
		made bool
	}{{"a cache that is there", true}, {"a cache that nobody has made yet", false}} {
		t.Run(tt.name, func(t *testing.T) {
			home := t.TempDir()
			cache := filepath.Join(home, "parent", "cache")
			if tt.made {
				makeCacheIn(t, cache)
			}
			store := mkdir(t, filepath.Join(home, "store"), 0o755)
			before := everything(t, home)
			report, err := doctor.Run(context.Background(), env(t, map[string]string{"CACHE_DIR": cache, "CORDON_STORE": store, "CACHE_MAX_SIZE": "1MB"}))
			if err != nil {
				t.Fatal(err)
			}
			if !report.OK || len(report.Failed()) > 0 {
				t.Errorf("these failed: %v", report.Failed())
			}
			for _, c := range report.Checks {
				if c.Name == "" || c.Found == "" || c.Status == doctor.Warn && c.Fix == "" {
					t.Errorf("an unfinished finding: %+v", c)
				}
			}
			if after := everything(t, home); after != before {
				t.Errorf("before:\n%s\nafter:\n%s", before, after)
			}
		})
	}
}

// Scripts select by these names: they do not change.
func TestTheNamesOfTheChecks(t *testing.T) {
	report, err := doctor.Run(t.Context(), onCache(t, makeCache(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"cache directory", "file system", "free space", "cache limit", "locks", "clock",
		"copy-on-write", "driver overlay", "driver snapshot", "driver reflink", "driver copy",
		"read-only trees", "mount rights", "propagation", "stray mounts", "user namespaces", "isolation",
		"object store", "Temporal", "queues", "fuzzers", "gosec", "git",
	}
	var got []string
	for _, c := range report.Checks {
		got = append(got, c.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAFailureMakesTheWholeFail(t *testing.T) {
	e := onCache(t, makeCache(t))
	e.Temporal.HostPort, e.TemporalNamed = closed, true
	report, err := doctor.Run(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	var again doctor.Report
	b, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if again.OK || len(again.Failed()) == 0 || !strings.Contains(strings.Join(again.Failed(), ","), "Temporal") {
		t.Errorf("ok is %v, failed are %v", again.OK, again.Failed())
	}
	for _, key := range []string{`"ok":false`, `"checks":[`, `"name":"Temporal"`, `"status":"fail"`, `"found":"`, `"fix":"`} {
		if !strings.Contains(string(b), key) {
			t.Errorf("%s is missing in %s", key, b)
		}
	}
}

func TestWorkersAndOtherDoctorsAreNotInTheWay(t *testing.T) {
	dir := makeCache(t)
	c, err := workspace.Open(workspace.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, stop := context.WithCancel(context.Background())
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	others.Go(func() {
		for ctx.Err() == nil {
			if _, err := c.Sweep(ctx, workspace.SweepOptions{}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	var doctors sync.WaitGroup
	for range 3 {
		doctors.Go(func() {
			report, err := doctor.Only(context.Background(), onCache(t, dir), "cache directory", "locks", "clock", "copy-on-write", "driver copy", "read-only trees", "stray mounts")
			if err != nil || !report.OK {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
	doctors.Wait()
}

func TestNothingHangs(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := env(t, map[string]string{
		"CACHE_DIR": makeCache(t), "S3_ENDPOINT": "http://" + l.Addr().String(), "S3_ACCESS_KEY": "AKIDEADBEEF", "S3_SECRET_KEY": "hunter2hunter2",
	})
	e.Temporal.HostPort, e.TemporalNamed = l.Addr().String(), true
	e.Timeout = 700 * time.Millisecond
	began := time.Now()
	report, err := doctor.Run(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, c := range report.Checks {
		if c.Name == "object store" || c.Name == "Temporal" {
			want(t, c, doctor.Fail, l.Addr().String(), "no answer within 700ms")
		}
		if strings.Contains(c.Found+c.Fix, "DEADBEEF") || strings.Contains(c.Found+c.Fix, "hunter2") {
			t.Errorf("a credential is in %+v", c)
		}
	}
}

func TestACheckThatNeverReturnsIsGivenUp(t *testing.T) {
	e := onCache(t, makeCache(t))
	e.Timeout = 50 * time.Millisecond
	stuck := make(chan struct{})
	defer close(stuck)
	report, err := doctor.With(context.Background(), e, "stuck", func(context.Context) doctor.Result {
		<-stuck
		return doctor.Result{Status: doctor.OK, Found: "too late"}
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, report.Checks[0], doctor.Fail, "no answer within 50ms")
}

func TestAnInterruptEndsItSoonAndTidiesUp(t *testing.T) {
	home := t.TempDir()
	e := onCache(t, filepath.Join(home, "cache"))
	before := everything(t, home)
	interrupted := errors.New("interrupted")
	ctx, interrupt := context.WithCancelCause(context.Background())
	began := time.Now()
	time.AfterFunc(100*time.Millisecond, func() { interrupt(interrupted) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e.Temporal.HostPort = l.Addr().String()
	if _, err := doctor.Run(ctx, e); !errors.Is(err, interrupted) {
		t.Errorf("the error is %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	if after := everything(t, home); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

func TestWhatAKilledDoctorLeftIsSweptInTime(t *testing.T) {
	dir := makeCache(t)
	left := filepath.Join(dir, ".cordon", ".tmp-doctor-123")
	mkdir(t, left, 0o700)
	old := time.Now().Add(-2 * time.Hour)
	file := filepath.Join(left, ".tmp-doctor-lock")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is in it goes first
		for _, p := range []string{file, left} {
			if err := os.Chtimes(p, old, old); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
		c, err := workspace.Open(workspace.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Sweep(context.Background(), workspace.SweepOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

// A process that is being started holds what is open here for an instant.
func TestDoctorBesideProcessesThatAreStarted(t *testing.T) {
	home := t.TempDir()
	store := mkdir(t, filepath.Join(home, "store"), 0o755)
	done := make(chan struct{})
	var starting sync.WaitGroup
	for range 4 {
		starting.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_ = exec.Command("true").Run()
				}
			}
		})
	}
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		report, err := doctor.Run(context.Background(), env(t, map[string]string{"CACHE_DIR": filepath.Join(home, "cache"), "CORDON_STORE": store, "CACHE_MAX_SIZE": "1MB"}))
		if err != nil {
			t.Error(err)
		}
		for _, c := range report.Checks {
			if c.Status == doctor.Fail {
				t.Errorf("%s: %s", c.Name, c.Found)
			}
		}
	}
	close(done)
	starting.Wait()
}
