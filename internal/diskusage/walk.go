package diskusage

import (
	"context"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxOpen is how many descriptors one walk holds: enough for real trees to be
// walked without ever opening a directory twice, few enough for many walks.
const maxOpen = 32

// window is how many of them are of the innermost directories; the others are the
// top, one of the caller's, and two that are about to be opened or closed.
const window = maxOpen - 4

// readStep is how many bytes of entries one reading of a directory asks for: some
// two thousand names.
const readStep = 64 << 10

// lookStep is how many entries are looked at between two looks at the context. On
// a cold disk each may take milliseconds.
const lookStep = 64

// walk is a descent into a tree. Its stack holds the directories from the top to
// where it is; the top and the innermost ones are open.
type walk struct {
	m     *Meter
	ctx   context.Context
	stack []dir
	low   int // the outermost of the innermost directories that are open
	buf   []byte
}

type dir struct {
	fd   int // -1: closed for want of descriptors
	id   fileID
	todo []string // directories in it that were read and not entered yet
	end  bool     // all of it was read
	at   int64    // where to read on, once it is opened again
}

// walk adds what is below the directory top, and closes it. shown is its name, for
// people.
func (m *Meter) walk(ctx context.Context, top int, shown string) error {
	w := &walk{m: m, ctx: ctx, buf: make([]byte, readStep), low: 1}
	defer w.close()
	var st unix.Statx_t
	if err := unix.Statx(top, "", unix.AT_EMPTY_PATH, statFields, &st); err != nil {
		unix.Close(top)
		return &os.PathError{Op: "statx", Path: shown, Err: err}
	}
	w.stack = append(w.stack, dir{fd: top, id: idOf(&st)})
	for len(w.stack) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		d := &w.stack[len(w.stack)-1]
		var err error
		switch {
		case len(d.todo) > 0:
			name := d.todo[len(d.todo)-1]
			d.todo = d.todo[:len(d.todo)-1]
			err = w.down(d.fd, name)
		case d.end:
			err = w.up()
		default:
			err = w.read(d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) close() {
	for _, d := range w.stack {
		if d.fd >= 0 {
			unix.Close(d.fd)
		}
	}
}

// down enters the directory name in parent.
func (w *walk) down(parent int, name string) error {
	fd, err := w.m.enter(parent, name)
	if fd < 0 {
		return err
	}
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, statFields, &st); err != nil {
		unix.Close(fd)
		w.m.Skipped++
		return outOfSomething(name, err)
	}
	w.m.count(&st)
	w.stack = append(w.stack, dir{fd: fd, id: idOf(&st)})
	if len(w.stack)-w.low > window {
		d := &w.stack[w.low]
		d.at, err = unix.Seek(d.fd, 0, io.SeekCurrent)
		if err != nil {
			d.end = true // it cannot be read on from there
			w.m.Skipped++
		}
		unix.Close(d.fd)
		d.fd = -1
		w.low++
	}
	return nil
}

// up leaves the innermost directory for the one it was found in. If that was moved
// meanwhile, nobody knows where what is above it is now: all of that is left out,
// but the top, which is open.
func (w *walk) up() error {
	last := len(w.stack) - 1
	fd := w.stack[last].fd
	w.stack = w.stack[:last]
	defer unix.Close(fd)
	if last == 0 || w.stack[last-1].fd >= 0 {
		return nil
	}
	found, err := w.reopen(&w.stack[last-1], fd)
	if found {
		w.low = last - 1
		return nil
	}
	for _, d := range w.stack[1:] {
		if len(d.todo) > 0 || !d.end {
			w.m.Skipped++
		}
	}
	w.stack, w.low = w.stack[:1], 1
	return err
}

// reopen opens d, which is closed, as the parent of the directory child. It reports
// whether d is that still.
func (w *walk) reopen(d *dir, child int) (bool, error) {
	fd, err := unix.Openat(child, "..", openFlags, 0)
	if err != nil {
		return false, outOfSomething("..", err)
	}
	var st unix.Statx_t
	err = unix.Statx(fd, "", unix.AT_EMPTY_PATH, statFields, &st)
	if err == nil && idOf(&st) == d.id && !d.end {
		_, err = unix.Seek(fd, d.at, io.SeekStart)
	}
	if err != nil || idOf(&st) != d.id {
		unix.Close(fd)
		return false, nil
	}
	d.fd = fd
	return true, nil
}

// read reads a batch of d's entries: what is no directory is counted at once.
func (w *walk) read(d *dir) error {
	n, err := getdents(d.fd, w.buf)
	if err != nil {
		w.m.Skipped++ // removed meanwhile, or the disk's trouble
	}
	if n <= 0 {
		d.end = true
		return nil
	}
	looked := 0
	for e := range entries(w.buf[:n]) {
		if e.kind == unix.DT_DIR {
			d.todo = append(d.todo, e.String())
			continue
		}
		if looked++; looked%lookStep == 0 && w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		var st unix.Statx_t
		if e.statx(d.fd, &st) != nil || st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
			continue // gone again, or a file that is mounted here
		}
		if st.Mode&unix.S_IFMT == unix.S_IFDIR { // the file system does not tell kinds with names
			d.todo = append(d.todo, e.String())
			continue
		}
		w.m.count(&st)
	}
	return nil
}
