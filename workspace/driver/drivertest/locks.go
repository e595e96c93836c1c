package drivertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// locks starts from a file of the base, of which one descriptor was opened for
// reading only: with an overlay it is another file underneath than those opened
// for writing, and all the same their locks must exclude each other.
func locks(s *stand) {
	s.base.write("lock", "x")
	v, w := s.view("v"), s.view("w")
	first, second := v.open("lock", os.O_RDONLY), v.open("lock", os.O_RDWR)
	elsewhere, base := w.open("lock", os.O_RDWR), s.base.open("lock", os.O_RDONLY)
	s.freeFor(v, true, true)

	s.must(unix.Flock(int(first.Fd()), unix.LOCK_EX))
	if err := unix.Flock(int(second.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		s.Errorf("a second descriptor takes the flock too: %v", err)
	}
	s.freeFor(v, false, true)
	s.freeFor(w, true, true)
	for _, f := range []*os.File{elsewhere, base} {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			s.Errorf("the same file outside of the view is locked: %v", err)
		}
	}
	s.must(unix.Flock(int(first.Fd()), unix.LOCK_UN))

	third := v.open("lock", os.O_RDWR)
	s.must(unix.FcntlFlock(second.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	if err := unix.FcntlFlock(third.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); !errors.Is(err, unix.EAGAIN) {
		s.Errorf("a second descriptor takes the fcntl lock too: %v", err)
	}
	s.freeFor(v, true, false)
	s.must(second.Close())
	s.freeFor(v, true, true)
}

// freeFor expects another process to find the view's file locked or free.
func (s *stand) freeFor(v *view, flock, fcntl bool) {
	s.Helper()
	c := s.child(order{Op: opLocks, View: v.at("lock")}, v)
	c.ready()
	want := fmt.Sprintf("flock %t fcntl %t", flock, fcntl)
	if got := c.next(); got != want {
		s.Errorf("another process, of %s: %s, want %s", filepath.Base(filepath.Dir(v.dir)), got, want)
	}
	c.wait()
}

// locksFree says which locks on the file another process may take.
func locksFree(file string) (string, error) {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	free := func(err error) bool { return err == nil }
	flock := free(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB))
	fcntl := free(unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	return fmt.Sprintf("flock %t fcntl %t", flock, fcntl), nil
}
