package archive

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// keptDirs is how many directories of the tree are kept open: archives go
// through a tree in an order in which the last few are needed again.
const keptDirs = 64

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
		_ = unix.Close(h.fd) // nothing was written through it
	}
}

// newDirs returns the directories of t, whose root is open as fd. It takes fd over.
func newDirs(t *tree, fd int) *dirs {
	d := &dirs{tree: t, top: &dirHandle{fd: fd}, open: make(map[nodeID]*dirHandle, keptDirs)}
	d.top.use()
	return d
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
	h := &dirHandle{fd: fd}
	h.use()
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
