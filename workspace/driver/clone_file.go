package driver

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// copyStep is how many bytes one system call copies: few enough to stay in the
// processor's cache between reading and writing, and to stop soon.
const copyStep = 128 << 10

// blockSize is the unit in which every file system Cordon supports allocates by
// default; what is copied is rounded up to it.
const blockSize = 4096

// statBlock is the unit of st_blocks in bytes, whatever the file system's own is
// (stat(2)).
const statBlock = 512

// inodeID tells files of one clone apart. Subvolumes number their files alike.
type inodeID struct{ dev, ino uint64 }

// linked is a file with several names.
type linked struct {
	mu   sync.Mutex // held while the first name is made
	dir  *dirNode   // of the first name; nil until that is complete
	name string
	left uint64 // names that were not seen yet
}

// file clones the regular file called name.
func (w *worker) file(d *dirNode, from, to int, name string) error {
	// O_NONBLOCK: should it be a FIFO by now, nothing hangs.
	in, err := openat(from, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	var st unix.Stat_t
	if err := unix.Fstat(in, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errOdd(st.Mode)
	}
	if st.Nlink == 1 {
		return w.regular(in, &st, to, name)
	}
	l := w.linked(&st)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dir != nil {
		return w.link(l, to, name)
	}
	if err := w.regular(in, &st, to, name); err != nil {
		return err
	}
	l.dir, l.name = d, name
	return nil
}

// linked returns what is known of the other names of the file that st describes.
func (c *cloner) linked(st *unix.Stat_t) *linked {
	id := inodeID{st.Dev, st.Ino}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.links[id]
	if l == nil {
		l = &linked{left: uint64(st.Nlink)}
		c.links[id] = l
	}
	if l.left--; l.left == 0 {
		delete(c.links, id) // whoever has it keeps it
	}
	return l
}

func (c *cloner) link(l *linked, to int, name string) error {
	if c.stopped.Load() {
		return nil
	}
	first, err := c.openDir(c.copy, l.dir.path(), unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(first)
	return unix.Linkat(first, l.name, to, name, 0)
}

// regular makes the clone of the open file that st describes.
func (w *worker) regular(in int, st *unix.Stat_t, to int, name string) error {
	mode := w.modes.of(st.Mode)
	out, err := openat(to, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, mode)
	if err != nil {
		return err
	}
	err = w.fill(out, in, st, mode)
	// A quota may be found to be exceeded only now.
	if cerr := unix.Close(out); err == nil {
		err = cerr
	}
	return err
}

func (w *worker) fill(out, in int, st *unix.Stat_t, mode uint32) error {
	shared, err := w.shareBlocks(out, in, st)
	if err != nil {
		return err
	}
	if shared {
		w.take(0)
		w.did(min(st.Blocks*statBlock, st.Size))
	} else {
		// Blocks kept for a file to grow into are not copied, and what is stored
		// inside the inode takes none.
		w.take(min(st.Blocks*statBlock, (st.Size+blockSize-1)/blockSize*blockSize))
		if err := w.contents(out, in, st); err != nil {
			return err
		}
	}
	changed, err := cloneXattrs(in, out, mode)
	if err == nil && (changed || mode&^w.kept != 0) {
		err = unix.Fchmod(out, mode)
	}
	if err == nil {
		err = futimens(out, st.Mtim) // last: all of the above changes it
	}
	return err
}

// contents copies the data of in, and leaves its holes holes.
func (w *worker) contents(out, in int, st *unix.Stat_t) error {
	size := st.Size
	if size <= copyStep && st.Blocks*statBlock >= size {
		return w.extent(out, in, 0, size)
	}
	end := int64(0)
	for end < size {
		data, err := unix.Seek(in, end, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break // a hole up to the end
		}
		hole := size
		if err == nil {
			hole, err = unix.Seek(in, data, unix.SEEK_HOLE)
		}
		if err == unix.EINVAL { // a file system that does not tell holes
			data, hole, err = end, size, nil
		}
		if err != nil {
			return err
		}
		end = min(hole, size)
		if err := w.extent(out, in, data, end); err != nil || w.stopped.Load() {
			return err
		}
	}
	if end < size {
		return unix.Ftruncate(out, size)
	}
	return nil
}

var errShrunk = errors.New("the file became shorter while it was copied")

// extent copies the bytes from at up to end.
func (w *worker) extent(out, in int, at, end int64) error {
	for at < end && !w.stopped.Load() {
		n, err := unix.Pread(in, w.buf[:min(int64(len(w.buf)), end-at)], at)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return errShrunk
		}
		for data := w.buf[:n]; len(data) > 0; {
			n, err := unix.Pwrite(out, data, at)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				return err
			}
			data, at = data[n:], at+int64(n)
		}
		w.did(int64(n))
	}
	return nil
}

// shareBlocks makes out a file of in's blocks and reports whether that was done.
func (w *worker) shareBlocks(out, in int, st *unix.Stat_t) (bool, error) {
	if st.Size == 0 || w.share == shareNever || w.cannot.Load() {
		return false, nil
	}
	err := unix.IoctlFileClone(out, in)
	switch err {
	case nil:
		if !w.shared.Load() {
			w.shared.Store(true)
		}
		return true, nil
	case unix.EOPNOTSUPP, unix.EXDEV, unix.ENOTTY, unix.ENOSYS:
		w.cannot.Store(w.share != shareAlways)
	case unix.EINVAL, unix.EPERM, unix.ETXTBSY:
		// This file cannot, others may: one that is not copied on write, for
		// example, or that is swapped to.
	default:
		return false, err
	}
	if w.share == shareAlways {
		return false, errNotShared(in, err)
	}
	return false, nil
}
