//go:build !race

package fleet

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts/mountstest"
)

// host is a machine: a cache, and a worker that may be running.
type host struct {
	t    *testing.T
	name string
	disk string // what its cache lies in, as this process sees it
	env  []string

	mu  sync.Mutex // of what follows: some tests do this and that to a host at once
	cmd *exec.Cmd  // nil: it is off
	log bytes.Buffer
}

// Write collects what the worker says, over all its lives.
func (h *host) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.Write(b)
}

func (h *host) said() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// alike reports whether hosts can have their caches at the same path.
func alike() bool { return os.Getuid() == 0 }

func (f *fleet) newHost(name string) *host {
	h := &host{t: f.t, name: name, disk: filepath.Join(mountstest.Dir(f.t), name)}
	if err := os.MkdirAll(h.disk, 0o755); err != nil {
		f.t.Fatal(err)
	}
	cache := h.disk
	if alike() {
		cache = f.cache
	}
	h.env = append(f.env[:len(f.env):len(f.env)], "CACHE_DIR="+cache)
	return h
}

// on starts the worker, and waits until it polls.
func (h *host) on() {
	h.t.Helper()
	before := strings.Count(h.said(), polling)
	cmd := exec.Command(binary, "worker")
	if alike() {
		cmd = exec.Command("sh", "-c", `mount --bind "$0" "$CACHE_DIR" && exec "$@"`, h.disk, binary, "worker")
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	}
	cmd.Env, cmd.Stdout, cmd.Stderr = h.env, h, h
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.cmd = cmd
	h.mu.Unlock()
	h.t.Cleanup(func() { h.kill() })
	until(h.t, h.name+" polls", func() bool { return strings.Count(h.said(), polling) > before })
}

const polling = `msg="worker polls"`

// signal sends the worker a signal; it reports whether there was one.
func (h *host) signal(s syscall.Signal) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cmd == nil {
		return false
	}
	_ = h.cmd.Process.Signal(s) // it may have ended by itself, as off finds out
	return true
}

// kill is a power cut.
func (h *host) kill() { h.off(syscall.SIGKILL) }

// restart is an upgrade: the worker is told to stop, and another one starts.
func (h *host) restart() {
	h.off(syscall.SIGTERM)
	h.on()
}

// off ends the worker by a signal.
func (h *host) off(s syscall.Signal) {
	if !h.signal(s) {
		return
	}
	h.signal(syscall.SIGCONT) // it may be frozen
	ended := make(chan error, 1)
	h.mu.Lock()
	cmd := h.cmd
	h.cmd = nil
	h.mu.Unlock()
	go func() { ended <- cmd.Wait() }()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		<-ended
		h.t.Errorf("%s did not stop within a minute\n%s", h.name, h.said())
	}
}

// workspaces returns the runs' own workspaces that are on the host's disk.
func (h *host) workspaces() (paths []string) {
	for _, name := range []string{"workspace", "target"} {
		found, err := filepath.Glob(filepath.Join(h.disk, "*", "*", name))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, p := range found {
			if run := filepath.Base(filepath.Dir(p)); run != "shared" {
				paths = append(paths, p)
			}
		}
	}
	return paths
}

// fetched is how often the host has fetched an object.
func (h *host) fetched() int { return strings.Count(h.said(), "Cache MISS") }

// until waits for what is to come about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v not yet: %s", patience, what)
		}
	}
}

// patience is far more than anything here takes on a busy machine.
const patience = 5 * time.Minute
