package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/internal/health"
)

// says waits until the worker's file says what it is to, and fails the test where
// it never does.
func says(t *testing.T, file, words string) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, err = health.Read(file, time.Now()); (err == nil) == (words == "") && (err == nil || strings.Contains(err.Error(), words)) {
			return
		}
	}
	t.Fatalf("the file says %v, want %q", err, words)
}

func TestAWorkerSaysInAFileThatItIsWell(t *testing.T) {
	opts, _ := setup(t)
	opts.Verticals = []string{"secrets"}
	opts.HealthFile = filepath.Join(t.TempDir(), "health.json")
	w := start(t, opts)
	says(t, opts.HealthFile, "")
	r, err := health.Read(opts.HealthFile, time.Now())
	if err != nil || len(r.Queues) != 1 || r.Queues[0] != "secrets-queue" || r.Cache != opts.Config.CacheDir || r.Version != "1.2.3" || r.PID != os.Getpid() {
		t.Errorf("it says %+v, %v", r, err)
	}

	// A cache that is emptied is one that can be written; a file in its place is none.
	if err := os.RemoveAll(opts.Config.CacheDir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(opts.Config.CacheDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, opts.HealthFile, "cache: ")
	if err := os.Remove(opts.Config.CacheDir); err != nil {
		t.Fatal(err)
	}
	says(t, opts.HealthFile, "")

	w.Stop()
	says(t, opts.HealthFile, "no worker has written it")
}
