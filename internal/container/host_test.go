package container

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// host is what all containers of a test have in common.
type host struct {
	dir     string // everything of the test; others may pass through it
	runtime string
	root    string
	store   string // of targets, with one in it
	target  string // its id
}

// newHost skips the test where containers cannot be had here.
func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("containers are started by root here")
	}
	h := &host{runtime: program(t, "runc", "crun"), root: rootfs(t)}
	var err error
	if h.dir, err = os.MkdirTemp("", "cordon-container-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := mountsBelow(t, h.dir); len(left) > 0 {
			t.Errorf("mounts are left: %q", left)
			return // or the removal would go through them
		}
		if err := os.RemoveAll(h.dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h.store = filepath.Join(h.dir, "store")
	project := filepath.Join(h.dir, "project")
	if err := errors.Join(os.Mkdir(h.workflows(), 0o755), os.MkdirAll(filepath.Join(project, "src"), 0o755), os.WriteFile(filepath.Join(project, "src", "a.txt"), []byte("base\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	put := exec.CommandContext(t.Context(), binary(t), "targets", "put", project, "--id", "t1", "--store", h.store)
	put.Env = []string{"HOME=" + h.dir, "PATH=" + os.Getenv("PATH")}
	if out, err := put.CombinedOutput(); err != nil {
		t.Fatalf("put a target: %v\n%s", err, out)
	}
	h.target = "t1"
	open := exec.CommandContext(t.Context(), "chmod", "-R", "a+rX", h.store)
	if out, err := open.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return h
}

// workflows is a folder of workflows for those who start runs.
func (h *host) workflows() string { return filepath.Join(h.dir, "workflows") }

// pass opens the folders on the way to path, as far as they are the test's.
func pass(t *testing.T, path string) {
	t.Helper()
	for d := filepath.Dir(path); d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
