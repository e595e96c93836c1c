package box

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
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

// belowRoot returns the mount points whose mounts hang on that of the root itself. It
// reads the table by itself: what this package imports costs each start of a tool.
func belowRoot() ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	root := ""
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			root = f[0]
		}
	}
	var points []string
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && f[1] == root {
			points = append(points, plain(f[4]))
		}
	}
	return points, nil
}

// plain undoes the escapes of the table: three octal digits for what separates.
func plain(s string) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b = append(b, byte(n))
				i += 3
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
