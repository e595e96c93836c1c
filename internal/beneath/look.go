package beneath

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Look describes name itself into st, at less expense than Lstat.
func (d *Dir) Look(name string, st *unix.Stat_t) error {
	fd, err := -1, error(nil)
	if name != "." {
		fd, err = d.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	}
	switch {
	case name == ".":
		if closed := d.conn.Control(func(top uintptr) { err = unix.Fstat(int(top), st) }); closed != nil {
			err = fs.ErrClosed
		}
	case refused(err):
		err = d.lookSlowly(name, st)
	case err == nil:
		err = unix.Fstat(fd, st)
		unix.Close(fd)
	}
	if err != nil {
		return &fs.PathError{Op: "statat", Path: name, Err: err}
	}
	return nil
}

func (d *Dir) lookSlowly(name string, st *unix.Stat_t) error {
	dir, err := d.Root.OpenFile(filepath.Dir(name), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer dir.Close()
	return unix.Fstatat(int(dir.Fd()), filepath.Base(name), st, unix.AT_SYMLINK_NOFOLLOW)
}

// Within calls do with a descriptor of the directory name, good for being a starting
// point only, at less expense than Open. It is closed when do returns. A link is no directory.
func (d *Dir) Within(name string, do func(dir int) error) error {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW
	fd, err := d.open(name, flags)
	switch {
	case refused(err):
		f, err := d.Root.OpenFile(name, flags, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return do(int(f.Fd()))
	case err != nil:
		return &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return do(fd)
}

// ReadWhole returns what is in the file name, and describes it into st. A file that
// is longer than most is an error, and of one that is rewritten meanwhile a part may
// be returned.
func (d *Dir) ReadWhole(name string, most int64, st *unix.Stat_t) ([]byte, error) {
	fd, err := d.open(name, unix.O_RDONLY|unix.O_NONBLOCK)
	if refused(err) {
		return d.readSlowly(name, most, st)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	defer unix.Close(fd)
	b, err := readAll(fd, most, nil, st)
	return b, named("read", name, err)
}

// ReadIn is ReadWhole for a file in the open directory dir, where nobody puts links: it
// has the fewest system calls. It reads into buf, which it makes longer if need be: what
// it returns is good until that is used again.
func ReadIn(dir *os.File, name string, most int64, buf *[]byte, st *unix.Stat_t) ([]byte, error) {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
	for err == unix.EINTR {
		fd, err = unix.Openat(int(dir.Fd()), name, flags, 0)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	defer unix.Close(fd)
	b, err := readAll(fd, most, *buf, st)
	if cap(b) > cap(*buf) {
		*buf = b[:cap(b)]
	}
	return b, named("read", name, err)
}

func (d *Dir) readSlowly(name string, most int64, st *unix.Stat_t) ([]byte, error) {
	f, err := d.Root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := readAll(int(f.Fd()), most, nil, st)
	return b, named("read", name, err)
}

// readAll reads as much from fd as it has now, into b if that is long enough.
func readAll(fd int, most int64, b []byte, st *unix.Stat_t) ([]byte, error) {
	if err := unix.Fstat(fd, st); err != nil {
		return nil, err
	}
	if st.Size > most {
		return nil, unix.EFBIG
	}
	if int64(cap(b)) < st.Size {
		b = make([]byte, st.Size)
	}
	b = b[:st.Size]
	have := 0
	for have < len(b) {
		n, err := unix.Read(fd, b[have:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return b[:have], nil
		default:
			have += n
		}
	}
	return b, nil
}
