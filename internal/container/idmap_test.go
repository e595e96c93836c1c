package container

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// idmapped shows a volume whose files belong to the host's users as one whose
// files belong to those of the user namespace: the way in which Kubernetes gives
// volumes to pods with hostUsers: false.
func (h *host) idmapped(t *testing.T, volume string) string {
	t.Helper()
	at := filepath.Join(h.dir, "idmapped")
	if err := os.Mkdir(at, 0o755); err != nil {
		t.Fatal(err)
	}
	// A mapping is given to the kernel as a user namespace that has it, and that
	// exists as long as a process in it does.
	holder := exec.Command("sleep", "60")
	mapping := []syscall.SysProcIDMap{{ContainerID: 0, HostID: firstMapped, Size: 65536}}
	holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: mapping, GidMappings: mapping}
	if err := holder.Start(); err != nil {
		t.Skipf("no user namespace: %v", err)
	}
	defer func() {
		_ = holder.Process.Kill() // it has not ended by itself, or that is as well
		_ = holder.Wait()
	}()
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", holder.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()

	tree, err := unix.OpenTree(unix.AT_FDCWD, volume, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		t.Skipf("open_tree: %v", err)
	}
	defer unix.Close(tree)
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}); err != nil {
		t.Skipf("no id-mapped mounts of this file system: %v", err)
	}
	if err := unix.MoveMount(tree, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Errorf("unmount the id-mapped volume: %v", err)
		}
	})
	return at
}
