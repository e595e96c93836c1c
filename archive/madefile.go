package archive

import (
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// madeFile is a regular file that is being made in a directory. One goroutine
// makes it with whole or pull, or many its parts after open.
type madeFile struct {
	fileSpec
	dir   *dirHandle // released when the file is closed
	base  string
	modes *modes

	fd     int
	parts  atomic.Int32 // that are not written yet, and one for who adds them
	broken atomic.Bool  // it is not wanted any more
}

func (f *madeFile) mode() uint32 {
	if f.exec {
		return modeExec
	}
	return modeFile
}

// openTries is how often a file is opened for which no descriptor is left, and
// openPause how long others have in between to give one back: a second in all.
const (
	openTries = 100
	openPause = 10 * time.Millisecond
)

// open creates the file, where nothing is.
func (f *madeFile) open() (err error) {
	f.parts.Store(1)
	for range openTries {
		f.fd, err = openAt(f.dir.fd, f.base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, f.mode())
		if err == nil {
			handles.Add(1)
			return nil
		}
		if !outOfDescriptors(err) {
			break
		}
		time.Sleep(openPause)
	}
	f.dir.release()
	return osError("create the file", f.path, err)
}

// whole makes the file with data as its content.
func (f *madeFile) whole(data []byte) error {
	if err := f.open(); err != nil {
		return err
	}
	return f.letGo(f.write(data, 0))
}

// pull makes the file with what body yields as its content.
func (f *madeFile) pull(body io.Reader, buf []byte) error {
	if err := f.open(); err != nil {
		return err
	}
	room := func(int64) []byte { return buf }
	return f.letGo(copyBody(f.fileSpec, body, 0, room, f.write))
}

// part writes one of many parts.
func (f *madeFile) part(data []byte, off int64) error { return f.letGo(f.write(data, off)) }

func (f *madeFile) write(data []byte, off int64) error {
	if err := writeAll(f.fd, data, off); err != nil {
		return osError("write the file", f.path, err)
	}
	return nil
}

// letGo ends a part, which failed if err is not nil. The last one finishes the
// file. It returns err, or the error of that.
func (f *madeFile) letGo(err error) error {
	if err != nil {
		f.broken.Store(true)
	}
	if f.parts.Add(-1) > 0 {
		return err
	}
	defer f.dir.release()
	defer handles.Add(-1)
	if f.broken.Load() {
		_ = unix.Close(f.fd) // whoever owns the directory removes it with the rest
		return err
	}
	serr := f.settle()
	if cerr := closeWritten(f.fd); serr == nil {
		serr = cerr // some file systems report a full disk only here
	}
	if serr != nil {
		return osError("finish the file", f.path, serr)
	}
	return nil
}

// settle gives the file its size, mode and time.
func (f *madeFile) settle() error {
	if f.sparse { // a hole at the end was not written
		if err := uninterrupted(func() error { return unix.Ftruncate(f.fd, f.size) }); err != nil {
			return err
		}
	}
	if err := f.modes.ofFile(f.mode()).ensure(f.fd, f.mode()); err != nil {
		return err
	}
	return futimens(f.fd, f.modified)
}

// drop forgets the file, or one part of it, unmade.
func (f *madeFile) drop(part bool) {
	if !part {
		f.dir.release()
		return
	}
	f.broken.Store(true)
	_ = f.letGo(nil) // it is broken: nothing is finished
}
