package container

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"
)

// namespace is Temporal's, not the kernel's: the workers of `cordon dev` poll
// another one, so that all that runs in this one runs in the container.
const namespace = "containers"

// temporal starts a Temporal server for the test, on loopback, and returns its
// address, and what ends it before the test does.
func (h *host) temporal(t *testing.T) (address string, end func()) {
	t.Helper()
	dev := exec.Command(binary(t), "dev", "--data", filepath.Join(h.dir, "dev"), "--port", "0", "--ui-port", "0", "--json")
	dev.Env = []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH")}
	out, err := dev.StdoutPipe()
	if err == nil {
		err = dev.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = dev.Process.Signal(os.Interrupt) // it may have ended, which Wait tells
		timer := time.AfterFunc(30*time.Second, func() { _ = dev.Process.Kill() })
		defer timer.Stop()
		if err := dev.Wait(); err != nil {
			t.Errorf("cordon dev: %v", err)
		}
	})
	t.Cleanup(end)
	var says struct{ Temporal string }
	if err := json.NewDecoder(out).Decode(&says); err != nil {
		t.Fatalf("cordon dev: %v", err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // so that it never blocks on printing

	names, err := client.NewNamespaceClient(client.Options{HostPort: says.Temporal})
	if err != nil {
		t.Fatal(err)
	}
	defer names.Close()
	if err := names.Register(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	// A server learns of a new namespace some seconds later.
	c, err := client.NewLazyClient(client.Options{HostPort: says.Temporal, Namespace: namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for deadline := time.Now().Add(limit); ; time.Sleep(200 * time.Millisecond) {
		_, err := c.DescribeWorkflowExecution(t.Context(), "none", "")
		var missing *serviceerror.NotFound
		if errors.As(err, &missing) {
			return says.Temporal, end
		}
		if time.Now().After(deadline) {
			t.Fatalf("the namespace does not come up: %v", err)
		}
	}
}

// The whole of it: a worker as the first process of a container that may do what
// the overlay snippets allow, which runs a workflow in a mounted workspace.
func TestAWorkerInAContainerRunsAWorkflowInAMountedWorkspace(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	address, _ := h.temporal(t)
	volume := h.on(t, "ext4", 0)
	h.plantKey(t)
	b := h.start(t, settings{
		only: snippetCapabilities, cache: volume, network: true,
		command: []string{"cordon", "worker", "--address", address, "--namespace", namespace, "--vertical", "secrets"},
		env:     []string{"CACHE_COW_DRIVER=overlay!", "CACHE_MAX_SIZE=100MB", "CORDON_MIN_ISOLATION=full", "CORDON_WORKFLOWS=/workflows"},
		layer:   func(t *testing.T, root string) { addWorkflow(t, filepath.Join(root, "workflows"), whoami) },
	})

	h.findsTheKey(t, b, address, "--isolation", "copy-on-write")
	for _, words := range []string{"driver=overlay", "User code downloaded"} {
		if !strings.Contains(b.said(t), words) {
			t.Errorf("the worker does not say %q:\n%s", words, b.said(t))
		}
	}
	h.toolsAreConfined(t, b, address)
	if got, code := b.exec(t, "grep", " /cache/", "/proc/self/mountinfo"); code == 0 {
		t.Errorf("mounts are left:\n%s", got)
	}

	// What an engine does to stop a container.
	start := time.Now()
	if out, code := b.runtime(t, "kill", b.id, "TERM"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for !b.stopped(t) {
		if time.Since(start) > 10*time.Second { // then engines kill
			t.Fatalf("the worker does not stop:\n%s", b.said(t))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// findsTheKey runs secret_detection on the project of the test, which has a private
// key in it, by the worker in b.
func (h *host) findsTheKey(t *testing.T, b *box, address string, more ...string) {
	t.Helper()
	result := h.run(t, b, address, "secret_detection", more...)
	if result.Status != "completed" || len(result.Findings) != 1 || result.Findings[0].Path != "key.pem" {
		t.Errorf("the workflow says %+v", result)
	}
}

// whoami is a workflow with a tool that tells its user.
const whoami = `{name: whoami, vertical: secrets, workspace_isolation: shared, run: [id, -u], results: {stdout: user, json: user}, limits: {bytes: 1MB, inodes: 10}}`

func addWorkflow(t *testing.T, dir, metadata string) {
	t.Helper()
	dir = filepath.Join(dir, "whoami")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "metadata.yaml"), []byte(metadata), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// toolsAreConfined runs whoami by the worker in b.
func (h *host) toolsAreConfined(t *testing.T, b *box, address string) {
	t.Helper()
	addWorkflow(t, h.workflows(), whoami)
	result := h.run(t, b, address, "whoami")
	if result.Status != "completed" || result.Summary.Sandbox.Tier != "full" || result.Tool.Data < 60_000 {
		t.Errorf("a tool that tells its user, who is to be nobody else's: %+v", result)
	}
}

// outcome is what cordon run --json says.
type outcome struct {
	Status   string
	Findings []struct {
		Path string `json:"file_path"`
	}
	Summary struct{ Sandbox struct{ Tier string } }
	Tool    struct{ Data int }
}

// run runs a workflow on the project of the test.
func (h *host) run(t *testing.T, b *box, address, workflow string, more ...string) (result outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	run := exec.CommandContext(ctx, binary(t), append([]string{"run", workflow, filepath.Join(h.dir, "project"),
		"--address", address, "--namespace", namespace, "--store", h.store, "--json"}, more...)...)
	run.Env = []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH"), "CORDON_WORKFLOWS=" + h.workflows()}
	var talk strings.Builder
	run.Stderr = &talk
	out, err := run.Output()
	if err != nil {
		t.Fatalf("cordon run: %v\n%s\nthe worker:\n%s", err, talk.String(), b.said(t))
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return result
}

func (b *box) stopped(t *testing.T) bool {
	t.Helper()
	_, state, code := b.separately(t, "state", b.id)
	return code != 0 || strings.Contains(state, `"status": "stopped"`)
}

// plantKey puts a secret into the project of the test.
func (h *host) plantKey(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, "project", "key.pem"), []byte(privateKey), 0o644); err != nil {
		t.Fatal(err)
	}
}

// privateKey is a secret that secret_detection finds; in two pieces, so that
// nobody finds it here.
var privateKey = "-----BEGIN " + "PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n", 8) + "-----END " + "PRIVATE KEY-----\n"
