// Package beneath is os.Root with fewer system calls. os.Root opens every
// directory on the way to a file; here the kernel walks the way, in one call, and
// refuses what leads out of the directory or through a link (openat2(2), Linux
// 5.6). Where it does so, or does not know the call, os.Root does what was asked:
// that follows links which stay inside.
package beneath

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is a directory that nothing done through it leaves. What its own methods do
// not do faster, those of its Root do. It is safe for concurrent use.
type Dir struct {
	*os.Root
	top  *os.File // good for being a starting point only
	conn syscall.RawConn

	openat2 func(dir int, path string, how *unix.OpenHow) (int, error)
}

// Open opens the directory name, which may be a link to one.
func Open(name string) (*Dir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	d := &Dir{Root: root, openat2: unix.Openat2}
	if d.top, err = root.OpenFile(".", unix.O_PATH|unix.O_DIRECTORY, 0); err == nil {
		d.conn, err = d.top.SyscallConn()
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Close lets go of the directory. What was opened through it stays open.
func (d *Dir) Close() error {
	if d.top != nil {
		_ = d.top.Close() // nothing was written to it; closing it twice is harmless
	}
	return d.Root.Close()
}

// open opens name, which exists, and returns its descriptor.
func (d *Dir) open(name string, flags int) (fd int, err error) {
	if name == "" {
		return -1, unix.EINVAL
	}
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS}
	closed := d.conn.Control(func(top uintptr) {
		fd, err = d.openat2(int(top), name, &how)
		for err == unix.EINTR {
			fd, err = d.openat2(int(top), name, &how)
		}
	})
	if closed != nil {
		return -1, fs.ErrClosed
	}
	return fd, err
}

// in calls do with the directory that name is in, and name's last component.
func (d *Dir) in(name string, do func(dir int, last string) error) error {
	if name == "." || !fs.ValidPath(name) {
		return unix.EINVAL
	}
	dir, err := d.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	err = do(dir, path.Base(name))
	for err == unix.EINTR {
		err = do(dir, path.Base(name))
	}
	return err
}

// refused reports whether err may be of the way on which a name was looked up, and
// not of what it names: os.Root has the last word then.
func refused(err error) bool {
	switch err {
	case unix.ENOSYS, unix.EPERM, // a kernel before 5.6, or a container's filter
		unix.ELOOP, unix.EXDEV, // a link on the way, or the way leads out
		unix.EAGAIN, unix.EINVAL, unix.ENAMETOOLONG: // what the kernel looks up only in several steps
		return true
	}
	return false
}
