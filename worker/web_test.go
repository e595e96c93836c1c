package worker_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cordonlabs/cordon/worker"
)

// answers waits until url answers with status and words.
func answers(t *testing.T, url string, status int, words string) {
	t.Helper()
	var got string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(url)
		if err != nil {
			got = err.Error()
			continue
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got = resp.Status + " " + string(body); resp.StatusCode == status && strings.Contains(got, words) {
			return
		}
	}
	t.Fatalf("%s answers %q, want %d and %q", url, got, status, words)
}

func TestAWorkerSaysByHTTPThatItIsWell(t *testing.T) {
	opts, _ := setup(t)
	opts.Verticals = []string{"secrets"}
	opts.Config.HTTP, opts.Config.Metrics = "127.0.0.1:0", "127.0.0.1:0"
	w := start(t, opts)
	at := "http://" + w.HTTP()
	answers(t, at+"/readyz", http.StatusOK, `"queues":["secrets-queue"]`)
	answers(t, "http://"+w.Metrics()+"/readyz", http.StatusOK, `"version":"1.2.3"`)

	// A cache that cannot be written is one that no run can work with, and nothing that a
	// new start of the worker would mend.
	if err := os.RemoveAll(opts.Config.CacheDir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(opts.Config.CacheDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	answers(t, at+"/readyz", http.StatusServiceUnavailable, "cache: ")
	answers(t, at+"/healthz", http.StatusOK, "failing")
	if err := os.Remove(opts.Config.CacheDir); err != nil {
		t.Fatal(err)
	}
	answers(t, at+"/readyz", http.StatusOK, "ok")

	w.Stop()
	if _, err := http.Get(at + "/healthz"); err == nil {
		t.Error("it answers after its end")
	}
}

func TestAnAddressThatAnotherProgramHasLeavesNothingOpen(t *testing.T) {
	opts, _ := setup(t)
	opts.Config.HTTP = "127.0.0.1:0"
	w := start(t, opts)
	second, _ := setup(t)
	second.Config.HTTP = w.HTTP()
	if _, err := worker.New(second); err == nil || !strings.Contains(err.Error(), "another program listens there") {
		t.Errorf("New = %v", err)
	}
}
