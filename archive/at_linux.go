package archive

import (
	"io"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls by a directory's descriptor and a name of one component: the
// kernel walks through nothing, so nothing can lead it elsewhere. A name that is
// a link is never followed.

func openAt(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

func mkdirAt(dir int, name string, mode uint32) error {
	return uninterrupted(func() error { return unix.Mkdirat(dir, name, mode) })
}

func unlinkAt(dir int, name string) error {
	return uninterrupted(func() error { return unix.Unlinkat(dir, name, 0) })
}

// closeWritten closes a file that was written to. A signal that interrupts it
// does not keep it open (close(2)).
func closeWritten(fd int) error {
	if err := unix.Close(fd); err != unix.EINTR {
		return err
	}
	return nil
}

// writeAll writes p at off.
func writeAll(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		var n int
		err := uninterrupted(func() (err error) {
			n, err = unix.Pwrite(fd, p, off)
			return err
		})
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// futimens sets a file's access and modification time through its descriptor,
// so that no path is resolved once more. The kernel's call takes a null path for
// that, which no wrapper in Go lets one pass.
func futimens(fd int, t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	times := [2]unix.Timespec{ts, ts}
	return uninterrupted(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// utimeAt sets the times of name.
func utimeAt(dir int, name string, t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return uninterrupted(func() error {
		return unix.UtimesNanoAt(dir, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// uninterrupted repeats a call that a signal interrupted.
func uninterrupted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
