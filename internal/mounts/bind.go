package mounts

import (
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// BindReadOnly mounts name in dir, a directory or a file, on itself, read-only, and without regard to
// set-id bits and devices. What is mounted below it is not to be seen there. It is
// never there writable, not even for an instant. Where name is such a mount
// already, nothing is done; two who call it at once may both mount.
func BindReadOnly(dir Dir, name string) error {
	shown := filepath.Join(dir.Name(), name)
	const op = "mount read-only"
	d, last, err := parent(dir, name)
	if err != nil {
		return mountError(op, shown, err)
	}
	defer d.Close()
	// One descriptor is looked at, copied and mounted on: nobody can put another
	// directory in its place in between.
	at, err := unix.Openat(int(d.Fd()), last, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return mountError(op, shown, fmt.Errorf("open: %w", err))
	}
	defer unix.Close(at)
	if err := noLink(at); err != nil {
		return mountError(op, shown, err)
	}
	if done, err := isReadOnlyMount(at); err != nil || done {
		return mountError(op, shown, err)
	}
	tree, err := unix.OpenTree(at, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH)
	if err != nil {
		return mountError(op, shown, fmt.Errorf("open_tree: %w", err))
	}
	defer unix.Close(tree)
	err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{
		Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV,
		// The copy of a shared mount is its peer: what somebody mounts in one would
		// show in the other.
		Propagation: unix.MS_PRIVATE,
	})
	if err != nil {
		return mountError(op, shown, fmt.Errorf("mount_setattr: %w", err))
	}
	if err := Attach(tree, at); err != nil {
		return mountError(op, shown, err)
	}
	return nil
}

// Attach mounts tree, a mount that is not attached yet, on the directory or file that the
// descriptor at refers to, or on top of what is mounted there.
func Attach(tree, at int) error {
	if err := unix.MoveMount(tree, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return fmt.Errorf("move_mount: %w", err)
	}
	return nil
}

// noLink returns an error if at refers to a link itself.
func noLink(at int) error {
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return fmt.Errorf("open: %w", unix.ELOOP)
	}
	return nil
}

func isReadOnlyMount(at int) (bool, error) {
	var stx unix.Statx_t
	if err := unix.Statx(at, "", unix.AT_EMPTY_PATH, 0, &stx); err != nil {
		return false, fmt.Errorf("statx: %w", err)
	}
	if stx.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		return false, nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(at, &st); err != nil {
		return false, fmt.Errorf("statfs: %w", err)
	}
	const all = unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV
	return st.Flags&all == all, nil
}
