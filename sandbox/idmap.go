package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/sandbox/internal/box"
)

// owner is a user and a group that files belong to.
type owner struct{ uid, gid int }

func ownerOf(path string) (owner, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return owner{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return owner{int(st.Uid), int(st.Gid)}, nil
}

// mappings are user namespaces through which a mount shows one user's files as
// another's. Nothing runs in them. Each costs a process to make, so they are kept.
type mappings struct {
	mu   sync.Mutex
	made map[[2]owner]*os.File
}

// from returns the user namespace that shows what is theirs as what is ours.
func (m *mappings) from(theirs, ours owner) (*os.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [2]owner{theirs, ours}
	if f := m.made[key]; f != nil {
		return f, nil
	}
	f, err := userNamespace(theirs, ours)
	if err != nil {
		return nil, err
	}
	if m.made == nil {
		m.made = map[[2]owner]*os.File{}
	}
	m.made[key] = f
	return f, nil
}

func userNamespace(inside, outside owner) (*os.File, error) {
	wait, release, err := os.Pipe() // the init waits there for what never comes
	if err != nil {
		return nil, err
	}
	defer release.Close()
	defer wait.Close()
	cmd := exec.Command(self)
	cmd.Args, cmd.Env = []string{box.Name}, []string{}
	cmd.ExtraFiles = []*os.File{wait}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: inside.uid, HostID: outside.uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: inside.gid, HostID: outside.gid, Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("make a user namespace: %w", err)
	}
	defer func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed, as it should be
	}()
	return os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid))
}

// canMap finds out by doing whether a copy of path's mount can show its files as
// another user's.
func canMap(path string, through *os.File) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("open_tree: %w", err)
	}
	defer unix.Close(tree)
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_IDMAP, Propagation: unix.MS_PRIVATE, Userns_fd: uint64(through.Fd()),
	})
	if err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	return nil
}
