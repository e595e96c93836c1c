package driver

import (
	"os"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// futimens sets the modification time of an open file or directory.
func futimens(fd int, mtime unix.Timespec) error {
	ts := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, mtime}
	// Without a path, which only the plain system call can be asked for; with an
	// empty one instead it wants Linux 5.8.
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// setMtime is futimens for an os.File.
func setMtime(f *os.File, t time.Time) error {
	return futimens(int(f.Fd()), unix.NsecToTimespec(t.UnixNano()))
}

// cloneXattrs copies the attributes that a user may set to out, whose mode is to
// become mode. Those of other namespaces mean something to the system
// (capabilities, labels, overlayfs) and are not a tree's content. It reports
// whether it changed out's mode: setting an attribute takes write permission,
// which a descriptor for writing does not replace (xattr(7)).
func cloneXattrs(in, out int, mode uint32) (changed bool, err error) {
	size, err := unix.Flistxattr(in, nil)
	if err == unix.ENOTSUP {
		return false, nil
	}
	if err != nil || size == 0 {
		return false, err
	}
	names := make([]byte, size)
	if size, err = unix.Flistxattr(in, names); err != nil {
		return false, err
	}
	for name := range strings.SplitSeq(string(names[:size]), "\x00") {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		if mode&0o200 == 0 && !changed {
			if err := unix.Fchmod(out, mode|0o200); err != nil {
				return false, err
			}
			changed = true
		}
		n, err := unix.Fgetxattr(in, name, nil)
		if err != nil {
			return changed, err
		}
		value := make([]byte, n)
		if n, err = unix.Fgetxattr(in, name, value); err != nil {
			return changed, err
		}
		if err := unix.Fsetxattr(out, name, value[:n], 0); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// copyXattrs is cloneXattrs for an out that its owner may write to.
func copyXattrs(in, out *os.File) error {
	_, err := cloneXattrs(int(in.Fd()), int(out.Fd()), 0o600)
	return err
}
