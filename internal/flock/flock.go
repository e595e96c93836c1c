// Package flock wraps flock(2), the only sign of life that Cordon trusts: the
// kernel drops the lock when the last descriptor of its open file is closed,
// however the process ended.
//
// A lock belongs to an open file, not to a process: two locks that one process
// takes through two calls exclude each other like those of two processes. A
// lock is never upgraded or downgraded; release it, take the other, look again.
package flock

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Mode says whether a lock excludes others.
type Mode int

// The modes of a lock.
const (
	Shared    Mode = unix.LOCK_SH
	Exclusive Mode = unix.LOCK_EX
)

// Dir opens lock files by name; *os.Root is one.
type Dir interface {
	OpenFile(name string, flag int, perm os.FileMode) (*os.File, error)
	Stat(name string) (os.FileInfo, error)
}

// looker is a Dir that describes what has a name at less expense than by Stat.
type looker interface {
	Look(name string, st *unix.Stat_t) error
}

// Lock is a held lock. Its descriptor is close-on-exec.
type Lock struct{ f *os.File }

// Unlock releases the lock by closing its file. It may be called on nil, and twice.
func (l *Lock) Unlock() {
	if l != nil {
		_ = l.f.Close() // nothing was written that a failed close could lose, and the kernel drops the lock regardless
	}
}

// File returns the locked file, which stays the lock's.
func (l *Lock) File() *os.File { return l.f }

// Try takes the lock if nobody's lock stands against it, and returns nil without
// an error if somebody's does. The file is created if it does not exist.
func Try(dir Dir, name string, mode Mode) (*Lock, error) {
	for {
		f, err := dir.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		err = retryEINTR(func() error { return unix.Flock(int(f.Fd()), int(mode)|unix.LOCK_NB) })
		if err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, nil
			}
			return nil, &os.PathError{Op: "flock", Path: name, Err: err}
		}
		// Whoever cleans up lock files unlinks them while holding them. A lock on
		// a file that is no longer under its name excludes nobody: take the new one.
		if same(dir, name, f) {
			return &Lock{f}, nil
		}
		f.Close()
	}
}

// Waiting polls, because flock(2) cannot be given up once it blocks. The first
// steps are short, for most locks are held for microseconds; the last bounds
// what a waiter costs and how late it notices.
const (
	firstPoll = 500 * time.Microsecond
	lastPoll  = 50 * time.Millisecond
)

// Acquire waits for the lock until ctx is done. If waiting is not nil, it is
// called once before the first wait.
func Acquire(ctx context.Context, dir Dir, name string, mode Mode, waiting func()) (*Lock, error) {
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		l, err := Try(dir, name, mode)
		if l != nil || err != nil {
			return l, err
		}
		if waiting != nil {
			waiting()
			waiting = nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func same(dir Dir, name string, f *os.File) bool {
	if dir, quick := dir.(looker); quick {
		var have, want unix.Stat_t
		return unix.Fstat(int(f.Fd()), &have) == nil && dir.Look(name, &want) == nil && have.Dev == want.Dev && have.Ino == want.Ino
	}
	have, err := f.Stat()
	if err != nil {
		return false
	}
	want, err := dir.Stat(name)
	return err == nil && os.SameFile(have, want)
}

func retryEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
