package archive

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// disk makes the tree in a directory of the file system. Everything is made by
// one name in a directory that was made here and is open, where nothing is:
// no name of the archive is ever resolved. Where symbolic links lead, once all
// are there, the kernel says through the root.
type disk struct {
	root  *os.Root
	tree  *tree
	dirs  *dirs
	crew  *crew
	modes modes
}

// newDisk returns a sink that makes t in root.
func newDisk(root *os.Root, t *tree) (*disk, error) {
	top, err := root.Open(".")
	if err != nil {
		return nil, osError("open the directory to extract into", "", cause(err))
	}
	defer top.Close() // only its descriptor was needed
	fd, err := unix.FcntlInt(top.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, osError("open the directory to extract into", "", err)
	}
	return &disk{root: root, tree: t, dirs: newDirs(t, fd), crew: newCrew()}, nil
}

// close waits for what is being made, or abandons it, and lets go of everything.
func (d *disk) close(abandon bool) error {
	defer d.dirs.close()
	return d.crew.close(abandon)
}

// recover gives descriptors back: those of directories that wait with their
// files for the crew, of files with parts, and of directories that are kept open.
func (d *disk) recover() error {
	err := d.crew.flush()
	d.dirs.drop()
	return err
}

// dir opens a directory of the tree.
func (d *disk) dir(id nodeID) (*dirHandle, error) {
	if handles.Load() > maxHandles() {
		if err := d.recover(); err != nil {
			return nil, err
		}
	}
	h, err := d.dirs.get(id)
	if err != nil && outOfDescriptors(err) {
		if err := d.recover(); err != nil {
			return nil, err
		}
		h, err = d.dirs.get(id)
	}
	if err != nil {
		return nil, osError("open the directory", d.tree.path(id), err)
	}
	return h, nil
}

// in calls do with the directory that holds id, and id's name there.
func (d *disk) in(id nodeID, doing string, do func(dir int, base string) error) error {
	h, err := d.dir(d.tree.nodes[id].parent)
	if err != nil {
		return err
	}
	defer h.release()
	if err := do(h.fd, d.tree.nodes[id].name); err != nil {
		return osError(doing, d.tree.path(id), err)
	}
	return nil
}

func (d *disk) mkdir(id nodeID) error {
	return d.in(id, "make the directory", func(dir int, base string) error {
		if err := mkdirAt(dir, base, modeDir); err != nil {
			return err
		}
		if d.modes.dir.state.Load() == modeIsKept {
			return nil
		}
		fd, err := openAt(dir, base, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd) // nothing was written through it
		return d.modes.dir.ensure(fd, modeDir)
	})
}

// file returns the file id, not yet open.
func (d *disk) file(id nodeID, f fileSpec, replace bool) (*madeFile, error) {
	if replace {
		// What is being written there must be finished, or its writer would finish
		// a file that has lost its name.
		if err := d.crew.flush(); err != nil {
			return nil, err
		}
		if err := d.in(id, "replace the file", unlinkAt); err != nil {
			return nil, err
		}
	}
	h, err := d.dir(d.tree.nodes[id].parent)
	if err != nil {
		return nil, err
	}
	return &madeFile{fileSpec: f, dir: h, base: d.tree.nodes[id].name, modes: &d.modes}, nil
}

func (d *disk) create(id nodeID, f fileSpec, replace bool) (output, error) {
	m, err := d.file(id, f, replace)
	if err != nil {
		return nil, err
	}
	if f.size <= batchBytes && !f.sparse {
		return &smallFile{crew: d.crew, made: m}, nil
	}
	if err := m.open(); err != nil {
		return nil, err
	}
	return &largeFile{crew: d.crew, made: m}, nil
}

func (d *disk) pull(id nodeID, f fileSpec, replace bool, body io.Reader) error {
	m, err := d.file(id, f, replace)
	if err != nil {
		return err
	}
	return d.crew.add(task{made: m, body: body})
}

func (d *disk) flush() error { return d.crew.flush() }

func (d *disk) link(old, id nodeID) error {
	h, err := d.dir(d.tree.nodes[old].parent)
	if err != nil {
		return err
	}
	defer h.release()
	return d.in(id, "make the hard link", func(dir int, base string) error {
		return uninterrupted(func() error { return unix.Linkat(h.fd, d.tree.nodes[old].name, dir, base, 0) }) // follows no link
	})
}

func (d *disk) symlink(target string, id nodeID) error {
	return d.in(id, "make the symbolic link", func(dir int, base string) error {
		return uninterrupted(func() error { return unix.Symlinkat(target, dir, base) })
	})
}

// stays asks the kernel, after the plan has said yes. What it answers about a
// link that leads nowhere, or to itself, is no answer: those stay.
func (d *disk) stays(id nodeID) (bool, error) {
	path := d.tree.path(id)
	_, err := d.root.Stat(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		return true, nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return false, osError("resolve the symbolic link", path, errno)
	}
	// Root's own refusal: the path escapes.
	return false, d.in(id, "remove the symbolic link", unlinkAt)
}

func (d *disk) finishDir(id nodeID, modified time.Time) error {
	if modified.IsZero() {
		return nil
	}
	return d.in(id, "set the time of the directory", func(dir int, base string) error { return utimeAt(dir, base, modified) })
}

// smallFile is a file whose content is read whole, then made by the crew.
type smallFile struct {
	crew *crew
	made *madeFile
	data []byte
}

func (o *smallFile) room(n int64) []byte           { return o.crew.room(n) }
func (o *smallFile) put(p []byte, off int64) error { o.data = p; return nil }
func (o *smallFile) finish() error                 { return o.crew.add(task{made: o.made, data: o.data}) }
func (o *smallFile) abandon()                      { o.made.drop(false) }

// largeFile is a file whose parts the crew writes while the next ones are read.
type largeFile struct {
	crew *crew
	made *madeFile
}

func (o *largeFile) room(n int64) []byte { return o.crew.room(min(n, batchBytes)) }

func (o *largeFile) put(p []byte, off int64) error {
	o.made.parts.Add(1)
	return o.crew.add(task{made: o.made, data: p, off: off, part: true})
}

func (o *largeFile) finish() error { return o.made.letGo(nil) }
func (o *largeFile) abandon()      { o.made.drop(true) }

// cause takes the names out of an error: they are of this machine, and the
// entry's own is added elsewhere.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}
