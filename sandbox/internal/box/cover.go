package box

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// cover makes root the root where pivot_root is refused, as the seccomp profiles of
// container engines refuse it whatever the capabilities: root is mounted over the old
// one, and a chroot, which takes CAP_SYS_CHROOT, goes up to it. What is mounted below the
// old root is let go of before, so that it is not kept mounted by a sandbox. The old root
// itself stays beneath, where no path leads: ".." ends at a process's root, nothing of
// what lies outside is open, and a tool has neither capabilities nor a way to make a
// namespace in which it had some.
func cover(root int) error {
	old, err := belowRoot()
	if err != nil {
		return doing("list the host's mounts", err)
	}
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return doing("cover the host's root", err)
	}
	// Until the chroot a path begins below of what covers it. All at once: each call waits
	// for all of the kernel's processors.
	gone := make(chan error, len(old))
	for _, path := range old {
		go func() {
			err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
			if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
				err = nil // the host has unmounted it, or it was root, which has moved
			}
			gone <- err
		}()
	}
	for range old {
		if e := <-gone; e != nil {
			err = e
		}
	}
	if err != nil {
		return doing("let the host's mounts go", err)
	}
	if err := unix.Fchdir(root); err != nil {
		return doing("enter the root", err)
	}
	if err := unix.Chroot("."); err != nil {
		return doing("pivot_root is refused; chroot", err)
	}
	return doing("enter the root", os.Chdir("/"))
}

// belowRoot returns the mount points whose mounts hang on that of the root itself.
func belowRoot() (points []string, err error) {
	table, err := mounts.Table()
	if err != nil {
		return nil, err
	}
	root := 0
	for _, m := range table {
		if m.Point == "/" {
			root = m.ID
		}
	}
	for _, m := range table {
		if m.Parent == root {
			points = append(points, m.Point)
		}
	}
	return points, nil
}
