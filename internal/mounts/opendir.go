package mounts

import "golang.org/x/sys/unix"

// OpenDir opens the directory name in the directory dir for reading, without
// following a link and without crossing a mount point, bind mounts of the same
// file system included. The error is the kernel's own: EXDEV for a mount point,
// ENOTDIR or ELOOP for what is no directory.
func OpenDir(dir int, name string) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for {
		fd, err := unix.Openat2(dir, name, &unix.OpenHow{
			Flags:   flags,
			Resolve: unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH,
		})
		switch err {
		case unix.EINTR, unix.EAGAIN:
			continue
		case unix.ENOSYS, unix.EPERM: // a kernel before 5.6, or a container's filter
			return openDirSlow(dir, name, flags)
		}
		return fd, err
	}
}

func openDirSlow(dir int, name string, flags int) (int, error) {
	fd, err := unix.Openat(dir, name, flags, 0)
	if err != nil {
		return -1, err
	}
	var in, above unix.Statx_t
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &in)
	if err == nil {
		err = unix.Statx(dir, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &above)
	}
	if err == nil && in.Mnt_id != above.Mnt_id {
		err = unix.EXDEV
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
