package beneath

import (
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Mkdir makes the directory name.
func (d *Dir) Mkdir(name string, perm os.FileMode) error {
	err := d.in(name, func(dir int, last string) error { return unix.Mkdirat(dir, last, uint32(perm.Perm())) })
	if refused(err) || perm&^fs.ModePerm != 0 {
		return d.Root.Mkdir(name, perm)
	}
	return named("mkdirat", name, err)
}

// Remove removes the file or the empty directory name.
func (d *Dir) Remove(name string) error {
	err := d.in(name, func(dir int, last string) error {
		err := unix.Unlinkat(dir, last, 0)
		if err == unix.EISDIR {
			err = unix.Unlinkat(dir, last, unix.AT_REMOVEDIR)
		}
		return err
	})
	if refused(err) {
		return d.Root.Remove(name)
	}
	return named("removeat", name, err)
}

// Chtimes sets the times of name, which is no link.
func (d *Dir) Chtimes(name string, accessed, modified time.Time) error {
	a, err := unix.TimeToTimespec(accessed)
	m, merr := unix.TimeToTimespec(modified)
	if accessed.IsZero() || modified.IsZero() || err != nil || merr != nil {
		return d.Root.Chtimes(name, accessed, modified)
	}
	err = d.in(name, func(dir int, last string) error {
		return unix.UtimesNanoAt(dir, last, []unix.Timespec{a, m}, unix.AT_SYMLINK_NOFOLLOW)
	})
	if refused(err) {
		return d.Root.Chtimes(name, accessed, modified)
	}
	return named("chtimesat", name, err)
}

// Link gives the file from the name to as well.
func (d *Dir) Link(from, to string) error {
	err := d.in(from, func(fromDir int, first string) error {
		if path.Dir(from) == path.Dir(to) && fs.ValidPath(to) {
			return unix.Linkat(fromDir, first, fromDir, path.Base(to), 0)
		}
		return d.in(to, func(toDir int, last string) error { return unix.Linkat(fromDir, first, toDir, last, 0) })
	})
	switch {
	case refused(err):
		return d.Root.Link(from, to)
	case err != nil:
		return &os.LinkError{Op: "linkat", Old: from, New: to, Err: err}
	}
	return nil
}

func named(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
