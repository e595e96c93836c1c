package archive

import (
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// keptDirs is how many directories of the tree are kept open, those that were
// opened last: archives go through a tree in an order in which they are needed
// again.
const keptDirs = 64

// handles counts the descriptors that all extractions of this process have open,
// of directories and of files with parts that are not written yet.
var handles atomic.Int64

// maxHandles is how many of them there may be before who opens the next one waits
// for files that are under way: a quarter of what the process may have.
var maxHandles = sync.OnceValue(func() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024 / 4 // what Linux gives by default
	}
	return int64(min(limit.Cur, 1<<20) / 4)
})

// dirs opens directories of the tree, each by its own name in the one above it
// and without following a link. Only the goroutine that reads the archive uses
// it; what it returns may be released by any.
type dirs struct {
	tree  *tree
	top   *dirHandle
	open  map[nodeID]*dirHandle
	order []nodeID // of open, the oldest first
}

// dirHandle is an open directory. Its descriptor does for names in it, nothing else.
type dirHandle struct {
	fd   int
	refs atomic.Int32
}

func (h *dirHandle) use() *dirHandle {
	h.refs.Add(1)
	return h
}

func (h *dirHandle) release() {
	if h.refs.Add(-1) == 0 {
		handles.Add(-1)
		_ = unix.Close(h.fd) // nothing was written through it
	}
}

// newHandle returns a handle of fd that is in use once.
func newHandle(fd int) *dirHandle {
	handles.Add(1)
	h := &dirHandle{fd: fd}
	return h.use()
}

// newDirs returns the directories of t, whose root is open as fd. It takes fd over.
func newDirs(t *tree, fd int) *dirs {
	return &dirs{tree: t, top: newHandle(fd), open: make(map[nodeID]*dirHandle, keptDirs)}
}

// get opens the directory id, which exists. The caller releases it.
func (d *dirs) get(id nodeID) (*dirHandle, error) {
	if id == rootID {
		return d.top.use(), nil
	}
	if h := d.open[id]; h != nil {
		return h.use(), nil
	}
	n := &d.tree.nodes[id]
	parent, err := d.get(n.parent)
	if err != nil {
		return nil, err
	}
	defer parent.release()
	fd, err := openAt(parent.fd, n.name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	h := newHandle(fd)
	d.keep(id, h.use())
	return h, nil
}

func (d *dirs) keep(id nodeID, h *dirHandle) {
	if len(d.order) == keptDirs {
		d.open[d.order[0]].release()
		delete(d.open, d.order[0])
		d.order = append(d.order[:0], d.order[1:]...)
	}
	d.open[id] = h
	d.order = append(d.order, id)
}

// drop lets go of all directories but the top.
func (d *dirs) drop() {
	for _, h := range d.open {
		h.release()
	}
	clear(d.open)
	d.order = d.order[:0]
}

// close lets go of everything.
func (d *dirs) close() {
	d.drop()
	d.top.release()
}

// outOfDescriptors reports whether err says that this process, or the system,
// has no descriptor left.
func outOfDescriptors(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}
