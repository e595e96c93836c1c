package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxNoted is how many differences are kept until the end, for a later entry may
// take one back: it replaces the file. What comes after them is only counted.
const maxNoted = 10_000

// comparer is the sink that looks whether everything is there already. What
// differs is no error to it: it notes that, and goes on.
type comparer struct {
	root *os.Root
	ctx  context.Context
	tree *tree
	dirs *dirs
	buf  []byte // what the archive holds
	have []byte // what the tree holds

	noted  map[nodeID]Difference
	more   int64 // differences that are not noted
	extra  []Difference
	extraN int64
	links  map[nodeID]bool   // symbolic links that Extract would make
	inodes map[uint64]nodeID // files with several names
}

// newComparer returns a sink for x that compares with what is in root.
func newComparer(root *os.Root, x *extraction) (*comparer, error) {
	top, err := root.Open(".")
	if err != nil {
		return nil, osError("open the directory to compare with", "", cause(err))
	}
	defer top.Close() // only its descriptor was needed
	fd, err := unix.FcntlInt(top.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, osError("open the directory to compare with", "", err)
	}
	return &comparer{
		root: root, ctx: x.ctx, tree: x.tree, dirs: newDirs(x.tree, fd), buf: x.buf, have: make([]byte, len(x.buf)),
		noted: map[nodeID]Difference{}, links: map[nodeID]bool{}, inodes: map[uint64]nodeID{},
	}, nil
}

func (c *comparer) close() { c.dirs.close() }

func (c *comparer) result(rep Report) Comparison {
	out := Comparison{Report: rep, DifferenceCount: int64(len(c.noted)) + c.more + c.extraN}
	ids := make([]nodeID, 0, len(c.noted))
	for id := range c.noted {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids[:min(len(ids), maxListed)] {
		d := c.noted[id]
		d.Path = c.tree.path(id)
		out.Differences = append(out.Differences, d)
	}
	out.Differences = append(out.Differences, c.extra[:min(len(c.extra), maxListed-len(out.Differences))]...)
	return out
}

// note says that id differs; the first thing that is said of it stays.
func (c *comparer) note(id nodeID, kind DifferenceKind, format string, args ...any) {
	if _, ok := c.noted[id]; ok {
		return
	}
	if len(c.noted) == maxNoted {
		c.more++
		return
	}
	c.noted[id] = Difference{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// at calls do with the directory that holds id, and id's name there. What do
// cannot look at is a difference, unless it is this process that lacks something.
func (c *comparer) at(id nodeID, do func(dir int, base string) error) error {
	n := &c.tree.nodes[id]
	h, err := c.dirs.get(n.parent)
	if outOfDescriptors(err) {
		c.dirs.drop()
		h, err = c.dirs.get(n.parent)
	}
	if err == nil {
		err = do(h.fd, n.name)
		h.release()
	}
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		c.note(id, Missing, "")
	case outOfDescriptors(err), errors.Is(err, unix.ENOMEM):
		return osError("look at", c.tree.path(id), err)
	default:
		c.note(id, Different, "it cannot be read: %v", err)
	}
	return nil
}

// stat describes base itself.
func stat(dir int, base string) (st unix.Stat_t, err error) {
	err = uninterrupted(func() error { return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// readable are the bits of a mode that are compared: a cache takes the permission
// to write from what several runs share.
const readable = 0o7555

// like notes that id is not of type kind with mode, and reports whether it is.
func (c *comparer) like(id nodeID, st *unix.Stat_t, kind, mode uint32) bool {
	switch {
	case st.Mode&unix.S_IFMT != kind:
		c.note(id, Different, "it is %s, and was %s", typeName(st.Mode), typeName(kind))
		return false
	case mode != 0 && st.Mode&readable != mode&readable:
		c.note(id, Different, "its mode is %04o, and was %04o or without the permission to write", st.Mode&0o7777, mode)
	}
	return true
}

func typeName(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFLNK:
		return "a symbolic link"
	}
	return "a special file"
}

func (c *comparer) mkdir(id nodeID) error {
	return c.at(id, func(dir int, base string) error {
		st, err := stat(dir, base)
		if err == nil {
			c.like(id, &st, unix.S_IFDIR, modeDir)
		}
		return err
	})
}

func (c *comparer) create(id nodeID, f fileSpec, _ bool) (output, error) {
	delete(c.noted, id) // of a file that this one replaces
	out := &comparedFile{c: c, id: id, size: f.size}
	err := c.at(id, func(dir int, base string) error {
		st, err := stat(dir, base)
		if err != nil {
			return err
		}
		mode := uint32(modeFile)
		if f.exec {
			mode = modeExec
		}
		if !c.like(id, &st, unix.S_IFREG, mode) {
			return nil
		}
		if st.Nlink > 1 {
			if other, ok := c.inodes[st.Ino]; ok && other != id {
				c.note(id, Different, "it is the same file as %s, and was none of its names", quote(c.tree.path(other)))
			}
			c.inodes[st.Ino] = id
		}
		if st.Size != f.size {
			c.note(id, Different, "it has %d bytes, and had %d", st.Size, f.size)
			return nil
		}
		fd, err := openAt(dir, base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0) // whoever put something else there meanwhile makes nobody wait
		if err != nil {
			return err
		}
		out.file = os.NewFile(uintptr(fd), base)
		return nil
	})
	return out, err
}

func (c *comparer) flush() error { return nil }

func (c *comparer) link(old, id nodeID) error {
	return c.at(id, func(dir int, base string) error {
		st, err := stat(dir, base)
		if err != nil || !c.like(id, &st, unix.S_IFREG, 0) {
			return err
		}
		return c.at(old, func(dir int, base string) error {
			if was, err := stat(dir, base); err != nil || was.Ino != st.Ino || was.Dev != st.Dev {
				c.note(id, Different, "it is no other name of %s any more", quote(c.tree.path(old)))
			}
			return nil
		})
	})
}

func (c *comparer) symlink(target string, id nodeID) error {
	c.links[id] = true
	return c.at(id, func(dir int, base string) error {
		st, err := stat(dir, base)
		if err != nil || !c.like(id, &st, unix.S_IFLNK, 0) {
			return err
		}
		buf := make([]byte, len(target)+1)
		var n int
		err = uninterrupted(func() (err error) { n, err = unix.Readlinkat(dir, base, buf); return err })
		if err == nil && string(buf[:n]) != target {
			c.note(id, Different, "it leads elsewhere, and led to %s", quote(target))
		}
		return err
	})
}

// stays asks as Extract did, and of a link that is not there, because Extract may
// have been told to leave it out.
func (c *comparer) stays(id nodeID) (bool, error) {
	path := c.tree.path(id)
	switch d, ok := c.noted[id]; {
	case ok && d.Kind == Missing:
		path = path[:lastSlash(path)+1] + c.tree.targets[c.tree.nodes[id].value]
	case ok:
		return true, nil // it is another one
	}
	_, err := c.root.Stat(path)
	var errno syscall.Errno
	if err == nil || errors.As(err, &errno) {
		return true, nil
	}
	// Root's own refusal: the path escapes.
	delete(c.noted, id)
	delete(c.links, id)
	return false, nil
}

func (c *comparer) finishDir(nodeID, time.Time) error { return nil }

// extras looks for what the archive does not name.
func (c *comparer) extras() error {
	for i := range c.tree.nodes {
		if c.tree.nodes[i].kind != directory {
			continue
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.extrasIn(nodeID(i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparer) extrasIn(id nodeID) error {
	h, err := c.dirs.get(id)
	var fd int
	if err == nil {
		fd, err = openAt(h.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		h.release()
	}
	if outOfDescriptors(err) {
		return osError("look into the directory", c.tree.path(id), err)
	}
	if err != nil {
		c.note(id, Different, "it cannot be listed: %v", err) // unless it is told of already
		return nil
	}
	d := os.NewFile(uintptr(fd), ".")
	defer d.Close()
	const batch = 1024 // names: some ten KiB
	for {
		names, err := d.Readdirnames(batch)
		for _, name := range names {
			at, ok := c.tree.child(id, name)
			if ok && (c.tree.nodes[at].kind != symlink || c.links[at]) {
				continue
			}
			if c.extraN++; len(c.extra) < maxListed {
				full := name
				if id != rootID {
					full = c.tree.path(id) + "/" + name
				}
				c.extra = append(c.extra, Difference{Path: full, Kind: Extra})
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			c.note(id, Different, "it cannot be listed: %v", cause(err))
			return nil
		}
	}
}

// comparedFile is a file whose content passes by. It has no file where there is
// nothing to compare with.
type comparedFile struct {
	c    *comparer
	id   nodeID
	size int64
	file *os.File
	off  int64 // compared so far
}

func (o *comparedFile) room(n int64) []byte { return o.c.buf[:min(n, int64(len(o.c.buf)))] }

func (o *comparedFile) put(p []byte, off int64) error {
	o.zeros(off) // what a sparse file leaves out
	o.same(p)
	return nil
}

func (o *comparedFile) finish() error {
	o.zeros(o.size)
	o.abandon()
	return nil
}

func (o *comparedFile) abandon() {
	if o.file != nil {
		_ = o.file.Close() // only read
		o.file = nil
	}
}

var hole [diskBlock]byte

// zeros compares what was not put, up to end, with a hole.
func (o *comparedFile) zeros(end int64) {
	for o.file != nil && o.off < end {
		o.same(hole[:min(end-o.off, diskBlock)])
	}
}

// same compares what follows with p, and ends the comparison where it differs.
func (o *comparedFile) same(p []byte) {
	if o.file == nil {
		return
	}
	have := o.c.have[:len(p)]
	n, err := o.file.ReadAt(have, o.off)
	switch {
	case err != nil && err != io.EOF:
		o.c.note(o.id, Different, "it cannot be read: %v", cause(err))
	case n < len(p):
		o.c.note(o.id, Different, "it breaks off after %d bytes", o.off+int64(n))
	case !bytes.Equal(have, p):
		at := 0
		for have[at] == p[at] {
			at++
		}
		o.c.note(o.id, Different, "its content differs from byte %d on", o.off+int64(at))
	default:
		o.off += int64(len(p))
		return
	}
	o.abandon()
}
