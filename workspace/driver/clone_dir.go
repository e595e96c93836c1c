package driver

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// dirNode is a directory of the clone. Descriptors are opened when its turn
// comes, so that their number depends on neither depth nor width of the tree.
type dirNode struct {
	parent *dirNode // nil at the top
	name   string
	mode   uint32 // permission bits that it gets
	chmod  bool   // it was not made with them
	mtime  unix.Timespec
	parts  atomic.Int32 // not done yet
}

// newDir describes the clone of a directory and accounts for it.
func (c *cloner) newDir(parent *dirNode, name string, st *unix.Stat_t) *dirNode {
	d := &dirNode{parent: parent, name: name, mode: c.modes.of(st.Mode), mtime: st.Mtim}
	d.chmod = d.mode&^c.kept != 0 || d.mode&0o700 != 0o700
	d.parts.Store(1)
	c.take(st.Blocks * statBlock)
	return d
}

// path returns the directory's path from the top, or name's in it.
func (d *dirNode) path(name ...string) string {
	slices.Reverse(name)
	for ; d.parent != nil; d = d.parent {
		name = append(name, d.name)
	}
	slices.Reverse(name)
	if len(name) == 0 {
		return "."
	}
	return strings.Join(name, "/")
}

// failed says of what err is: the directory, or name in it.
func (d *dirNode) failed(err error, name ...string) error {
	if err == nil || errors.As(err, new(*entryError)) {
		return err
	}
	return &entryError{d.path(name...), err}
}

// entryError says which entry of the base could not be cloned.
type entryError struct {
	path string
	err  error
}

func (e *entryError) Error() string { return fmt.Sprintf("copy %q: %v", e.path, e.err) }
func (e *entryError) Unwrap() error { return e.err }

// listStep is how many bytes of entries one reading of a directory asks for:
// about a thousand of them, which is work for some tens of milliseconds.
const listStep = 32 << 10

// part clones a stretch of a directory, and finishes the directory if it was
// the last one.
func (w *worker) part(p part) error {
	d := p.dir
	from, err := w.openDir(w.base, d.path(), 0)
	if err != nil {
		return d.failed(err)
	}
	defer unix.Close(from)
	to, err := w.openDir(w.copy, d.path(), 0)
	if err != nil {
		return d.failed(err)
	}
	defer unix.Close(to)
	if p.from == 0 {
		if _, err := cloneXattrs(from, to, 0o700); err != nil {
			return d.failed(err)
		}
	} else if _, err := unix.Seek(from, p.from, unix.SEEK_SET); err != nil {
		return d.failed(err)
	}
	for {
		n, err := getdents(from, w.names)
		if err != nil {
			return d.failed(err)
		}
		if n == 0 {
			break
		}
		more := len(w.names)-n < maxDirent
		if more {
			// The buffer is full: another worker takes what follows.
			d.parts.Add(1)
			w.push(w.id, part{d, lastOffset(w.names[:n])})
		}
		for e := range dirents(w.names[:n]) {
			if w.stopped.Load() {
				return nil
			}
			if err := w.entry(d, from, to, e); err != nil {
				return d.failed(err, e.name)
			}
		}
		if more {
			break
		}
	}
	if d.parts.Add(-1) > 0 {
		return nil
	}
	return d.failed(w.finish(d, to))
}

// entry clones one entry of the directory d, whose descriptors are from and to.
// Anything but a file, a directory or a link in a base is a defect of whoever
// made the base, and is not opened.
func (w *worker) entry(d *dirNode, from, to int, e dirent) error {
	if e.kind == unix.DT_REG {
		return w.file(d, from, to, e.name)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(from, e.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG: // the file system does not tell kinds with names
		return w.file(d, from, to, e.name)
	case unix.S_IFDIR:
		sub := w.newDir(d, e.name, &st)
		// The owner needs all permissions until the directory is filled.
		if err := unix.Mkdirat(to, e.name, sub.mode|0o700); err != nil {
			return err
		}
		w.push(w.id, part{dir: sub})
		return nil
	case unix.S_IFLNK:
		return w.symlink(from, to, e.name, &st)
	}
	return errOdd(st.Mode)
}

func errOdd(mode uint32) error {
	kind := map[uint32]fs.FileMode{
		unix.S_IFIFO: fs.ModeNamedPipe, unix.S_IFSOCK: fs.ModeSocket,
		unix.S_IFCHR: fs.ModeCharDevice, unix.S_IFBLK: fs.ModeDevice,
	}[mode&unix.S_IFMT]
	return fmt.Errorf("it is no file, directory or link, but %v", kind)
}

func (w *worker) symlink(from, to int, name string, st *unix.Stat_t) error {
	n, err := unix.Readlinkat(from, name, w.buf)
	if err != nil {
		return err
	}
	w.take(st.Blocks * statBlock)
	if err := unix.Symlinkat(string(w.buf[:n]), to, name); err != nil {
		return err
	}
	ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, st.Mtim}
	return unix.UtimesNanoAt(to, name, ts, unix.AT_SYMLINK_NOFOLLOW)
}

// finish gives a directory that is filled its mode and time. One that its owner
// is not to search waits until everything below it is there.
func (c *cloner) finish(d *dirNode, fd int) error {
	if d.mode&0o100 == 0 {
		c.mu.Lock()
		c.late = append(c.late, d)
		c.mu.Unlock()
		return nil
	}
	return d.seal(fd)
}

func (d *dirNode) seal(fd int) error {
	if d.chmod {
		if err := unix.Fchmod(fd, d.mode); err != nil {
			return err
		}
	}
	return futimens(fd, d.mtime)
}

// finishLate finishes the directories that had to wait, the deepest first.
func (c *cloner) finishLate() error {
	slices.SortFunc(c.late, func(a, b *dirNode) int { return len(b.path()) - len(a.path()) })
	for _, d := range c.late {
		fd, err := c.openDir(c.copy, d.path(), 0)
		if err != nil {
			return d.failed(err)
		}
		err = d.seal(fd)
		unix.Close(fd)
		if err != nil {
			return d.failed(err)
		}
	}
	return nil
}
