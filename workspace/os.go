package workspace

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/beneath"
)

// sameFile reports whether f is the file that info describes.
func sameFile(f *os.File, info fs.FileInfo) bool {
	if info == nil {
		return false
	}
	have, err := f.Stat()
	return err == nil && os.SameFile(have, info)
}

// isFile reports whether f is the file that st describes.
func isFile(f *os.File, st *unix.Stat_t) bool {
	info, err := f.Stat() // and not by its number, which is another file's once somebody closed it
	if err != nil {
		return false
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	return ok && have.Dev == st.Dev && have.Ino == st.Ino
}

// lstat describes name, or returns nil if that cannot be done.
func lstat(root *beneath.Dir, name string) fs.FileInfo {
	info, err := root.Lstat(name)
	if err != nil {
		return nil
	}
	return info
}

// gone reports whether err says that there is nothing of that name. Other errors
// say nothing about it: no descriptors are left, for example.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// passing reports whether err tells of a want that comes back, and nothing about
// what it was on.
func passing(err error) bool {
	for _, want := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN, unix.EINTR} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// flockNow takes a lock on f or fails with EWOULDBLOCK.
func flockNow(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// flockWait takes a lock on f that others hold for instants only, unless they
// are stopped in the middle.
func flockWait(ctx context.Context, f *os.File, how int) error {
	for {
		err := flockNow(f, how)
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Microsecond):
		}
	}
}

// ignoreBusy drops the error of a lock that somebody else has.
func ignoreBusy(err error) error {
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	return err
}

// ignoreGone drops the error of something that is not there any more.
func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// list returns the names in a directory of the cache's own, without temporary ones.
func (c *Cache) list(dir string) ([]string, error) {
	d, err := c.root().Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	all, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	names := all[:0]
	for _, n := range all {
		if !strings.HasPrefix(n, ".") {
			names = append(names, n)
		}
	}
	return names, nil
}

// openAt opens what has the name in d itself, a file or directory of the cache's
// own. A path through the root is looked up anew from its top, which costs more than
// all the rest where there are thousands of files.
func openAt(d *os.File, name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(d.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			return os.NewFile(uintptr(fd), path.Join(d.Name(), name)), nil
		case !errors.Is(err, unix.EINTR):
			return nil, &fs.PathError{Op: "open", Path: path.Join(d.Name(), name), Err: err}
		}
	}
}

// namesAt returns the names in the directory name of d, one of the cache's own, with
// the fewest system calls.
func namesAt(d *os.File, name string) (names []string, err error) {
	failed := func(op string, err error) error {
		return &fs.PathError{Op: op, Path: path.Join(d.Name(), name), Err: err}
	}
	fd, err := unix.Openat(int(d.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	for errors.Is(err, unix.EINTR) {
		fd, err = unix.Openat(int(d.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, failed("open", err)
	}
	defer unix.Close(fd)
	var b [4096]byte
	for {
		n, err := unix.ReadDirent(fd, b[:])
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOENT), err == nil && n == 0:
			return names, nil // it is at its end, or was removed while it is open
		case err != nil:
			return nil, failed("read", err)
		default:
			_, _, names = unix.ParseDirent(b[:n], -1, names)
		}
	}
}

// setTime sets the modification time of name, a path of the cache's own in d.
func setTime(d *os.File, name string, t time.Time) error {
	at, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(int(d.Fd()), name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
}

// allocation returns a file's number of names, its inode, and the bytes that it
// takes on disk: st_blocks counts units of 512 bytes (stat(2)).
func allocation(info fs.FileInfo) (links, ino uint64, bytes int64) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1, 0, info.Size()
	}
	return uint64(st.Nlink), st.Ino, st.Blocks * 512
}

// scratch has what files are read into that are decoded at once: a sweep reads tens of
// thousands, and would leave as much garbage behind.
var scratch = sync.Pool{New: func() any { b := make([]byte, 4096); return &b }}
