package mounts

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Rights say what this process may mount.
type Rights struct {
	// SysAdmin: CAP_SYS_ADMIN is in the effective set. Without it nothing can be
	// mounted. It counts in the user namespace that owns the mount namespace only,
	// and a container's seccomp filter or security module may still refuse.
	SysAdmin bool

	// InitialUser: the process is in the user namespace that the kernel began with.
	// In any other, overlayfs keeps its notes in user attributes and can do less.
	InitialUser bool
}

// initialUserNamespace is how the kernel names the user namespace that it began
// with: its inode number is fixed (PROC_USER_INIT_INO in linux/proc_ns.h).
const initialUserNamespace = "user:[4026531837]"

// CanMount says what this process may mount.
func CanMount() (Rights, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // 32 capabilities each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return Rights{}, fmt.Errorf("capget: %w", err)
	}
	ns, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return Rights{}, procError("find user namespace", err)
	}
	return Rights{
		SysAdmin:    data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0,
		InitialUser: ns == initialUserNamespace,
	}, nil
}

// Namespace returns the name of this process's mount namespace, such as
// "mnt:[4026531840]". The kernel gives the name of one that ended to another.
func Namespace() (string, error) {
	ns, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		return "", procError("find mount namespace", err)
	}
	return ns, nil
}

// Of returns the mount that path is on.
func Of(path string) (Mount, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_NO_AUTOMOUNT, unix.STATX_MNT_ID, &st); err != nil {
		return Mount{}, &os.PathError{Op: "statx", Path: path, Err: err}
	}
	if st.Mask&unix.STATX_MNT_ID == 0 {
		return Mount{}, &os.PathError{Op: "statx", Path: path, Err: errors.New("this kernel does not say which mount a file is on; it is older than Linux 5.8")}
	}
	all, err := Table()
	if err != nil {
		return Mount{}, err
	}
	for _, m := range all {
		if uint64(m.ID) == st.Mnt_id {
			return m, nil
		}
	}
	return Mount{}, fmt.Errorf("the mount that %s is on lies outside of this process's root directory", path)
}

// Propagation says in a word who sees what is mounted on m: "shared", everybody
// whose mount is m's peer or slave; "slave", nobody else, but what is mounted on
// m's master is seen here; "private", nobody else.
func (m Mount) Propagation() string {
	switch {
	case m.Shared != 0:
		return "shared"
	case m.Master != 0:
		return "slave"
	}
	return "private"
}
