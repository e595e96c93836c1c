package beneath

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens name for reading.
func (d *Dir) Open(name string) (*os.File, error) { return d.OpenFile(name, os.O_RDONLY, 0) }

// OpenFile opens name as os.Root's OpenFile does.
func (d *Dir) OpenFile(name string, flags int, perm os.FileMode) (*os.File, error) {
	fd, err := -1, error(unix.ENOENT)
	if flags&os.O_EXCL == 0 {
		fd, err = d.open(name, flags&^os.O_CREATE)
	}
	if err == unix.ENOENT && flags&os.O_CREATE != 0 {
		err = d.in(name, func(dir int, last string) (err error) {
			fd, err = unix.Openat(dir, last, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
			return err
		})
	}
	switch {
	case refused(err) || perm&^fs.ModePerm != 0:
		return d.Root.OpenFile(name, flags, perm)
	case err != nil:
		return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), d.Name()+"/"+name), nil
}

// Stat describes what name leads to.
func (d *Dir) Stat(name string) (os.FileInfo, error) { return d.stat(name, 0, d.Root.Stat) }

// Lstat describes name itself.
func (d *Dir) Lstat(name string) (os.FileInfo, error) {
	return d.stat(name, unix.O_NOFOLLOW, d.Root.Lstat)
}

func (d *Dir) stat(name string, flags int, slow func(string) (os.FileInfo, error)) (os.FileInfo, error) {
	fd, err := d.open(name, flags|unix.O_PATH)
	switch {
	case refused(err):
		return slow(name)
	case err != nil:
		return nil, &fs.PathError{Op: "statat", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return f.Stat()
}
