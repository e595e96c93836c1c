package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// box is a running container.
type box struct {
	h    *host
	id   string
	log  string // file with what its first process says
	user string // whom everything runs as; some runtimes run as root unless told
	done bool
}

var boxes atomic.Int64

// starting is held, shared, while a container starts: for a moment it has copies
// of all mounts of the host then, and keeps file systems busy that others unmount.
var starting sync.RWMutex

// start starts a container, which ends with the test at the latest.
func (h *host) start(t *testing.T, s settings) *box {
	t.Helper()
	b := &box{h: h, id: fmt.Sprintf("cordon-test-%d-%d", os.Getpid(), boxes.Add(1)), user: fmt.Sprintf("%d:%d", s.user, s.user)}
	bundle := filepath.Join(h.dir, b.id)
	layer := func(name string) string { return filepath.Join(bundle, name) }
	for _, d := range []string{"upper", "work", "root"} {
		if err := os.MkdirAll(layer(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A layer of its own over the common root, as engines do.
	if err := unix.Mount("overlay", layer("root"), "overlay", 0, "lowerdir="+h.root+",upperdir="+layer("upper")+",workdir="+layer("work")); err != nil {
		t.Skipf("no overlay for the container's root: %v", err)
	}
	t.Cleanup(func() {
		b.stop(t)
		if err := unix.Unmount(layer("root"), 0); err != nil {
			t.Errorf("unmount the container's root: %v", err)
		}
	})
	for _, d := range []string{"cache", "store"} {
		if err := os.Mkdir(filepath.Join(layer("root"), d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// Where the runtime may not make them itself: root of a user namespace is a
	// stranger to the layer.
	for _, name := range []string{"cordon", "cordon-worker"} {
		if err := os.WriteFile(filepath.Join(layer("root"), "usr/local/bin", name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(layer("root"), "cache"), 0o777); err != nil {
		t.Fatal(err)
	}
	if s.layer != nil {
		s.layer(t, layer("root"))
	}
	s.writeConfig(t, bundle, layer("root"), h.store, binary(t))
	b.log = filepath.Join(bundle, "log")
	log, err := os.Create(b.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	run := b.command(t.Context(), "run", "--detach", "--bundle", bundle, b.id)
	run.Stdout, run.Stderr = log, log
	starting.RLock()
	err = run.Run()
	starting.RUnlock()
	if err != nil {
		t.Fatalf("start a container: %v\n%s", err, b.said(t))
	}
	return b
}

// stop kills what runs in the container and removes it: its mount namespace, and
// with it every mount in there, is gone.
func (b *box) stop(t *testing.T) {
	t.Helper()
	if b.done {
		return
	}
	b.done = true
	if out, code := b.runtime(t, "delete", "--force", b.id); code != 0 {
		t.Errorf("remove a container: exit code %d\n%s", code, out)
	}
}

// said returns what the container's first process has said so far.
func (b *box) said(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(b.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// limit is far more than anything here takes.
const limit = time.Minute

// runtime calls the OCI runtime. Its output goes to a file: what stays in the
// container would keep a pipe open.
func (b *box) runtime(t *testing.T, args ...string) (string, int) {
	t.Helper()
	out, _, code := b.separately(t, args...)
	return out, code
}

func (b *box) separately(t *testing.T, args ...string) (all, stdout string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit) // not the test's: it has to work in cleanups too
	defer cancel()
	cmd := b.command(ctx, args...)
	files := [2]*os.File{}
	for i := range files {
		f, err := os.CreateTemp(b.h.dir, "out-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(f.Name())
		defer f.Close()
		files[i] = f
	}
	cmd.Stdout, cmd.Stderr = files[0], files[1]
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %s: %v", b.h.runtime, strings.Join(args, " "), err)
	}
	var text [2][]byte
	for i, f := range files {
		if text[i], err = os.ReadFile(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
	return string(text[0]) + string(text[1]), string(text[0]), cmd.ProcessState.ExitCode()
}

func (b *box) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, b.h.runtime, append([]string{"--root", filepath.Join(b.h.dir, "state")}, args...)...)
}

// exec runs a program in the container.
func (b *box) exec(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	out, _, code = b.inside(t, args...)
	return out, code
}

func (b *box) inside(t *testing.T, args ...string) (all, stdout string, code int) {
	t.Helper()
	return b.separately(t, append([]string{"exec", "--user", b.user, b.id}, args...)...)
}

// must is exec of a program that has to succeed; it returns standard output.
func (b *box) must(t *testing.T, args ...string) string {
	t.Helper()
	all, stdout, code := b.inside(t, args...)
	if code != 0 {
		t.Fatalf("%s: exit code %d\n%s", strings.Join(args, " "), code, all)
	}
	return strings.TrimSpace(stdout)
}

// finding is one line of `cordon doctor --json`.
type finding struct {
	Name, Status, Found, Fix string
}

// doctor returns what cordon doctor finds in the container, by the name of the check.
func (b *box) doctor(t *testing.T) map[string]finding {
	t.Helper()
	all, stdout, _ := b.inside(t, "cordon", "doctor", "--json")
	var report struct{ Checks []finding }
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("cordon doctor: %v\n%s", err, all)
	}
	found := map[string]finding{}
	for _, f := range report.Checks {
		found[f.Name] = f
	}
	return found
}

// workspace is what cordon get --json says.
type workspace struct {
	Path     string
	Driver   string
	ReadOnly bool
	Notes    []string
}

// get asks for the workspace of a run.
func (b *box) get(t *testing.T, run, mode string) workspace {
	t.Helper()
	var w workspace
	out := b.must(t, "cordon", "get", b.h.target, "--run", run, "--isolation", mode, "--json")
	if err := json.NewDecoder(bytes.NewReader([]byte(out))).Decode(&w); err != nil {
		t.Fatalf("cordon get: %v\n%s", err, out)
	}
	return w
}
