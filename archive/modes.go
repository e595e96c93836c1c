package archive

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Modes of what is made, whatever the archive and the process's umask say: a
// workspace belongs to one user, and set-id bits have no place in it.
const (
	modeDir  = 0o755
	modeFile = 0o644
	modeExec = 0o755
)

// modes knows whether things get the mode that they are made with. A umask, or a
// default access control list above the directory, may take bits away: then each
// needs a call more. The first of each kind shows it.
type modes struct{ file, exec, dir modeKept }

// modeKept is what is known of one kind of thing.
type modeKept struct{ state atomic.Int32 }

const (
	modeUnknown int32 = iota
	modeIsKept
	modeIsLost
)

// ofFile returns what is known of files of that mode.
func (m *modes) ofFile(mode uint32) *modeKept {
	if mode == modeExec {
		return &m.exec
	}
	return &m.file
}

// ensure gives what is open as fd, which was made with mode, that mode.
func (k *modeKept) ensure(fd int, mode uint32) error {
	state := k.state.Load()
	if state == modeUnknown {
		var st unix.Stat_t
		if err := uninterrupted(func() error { return unix.Fstat(fd, &st) }); err != nil {
			return err
		}
		state = modeIsLost
		if st.Mode&0o7777 == mode {
			state = modeIsKept
		}
		k.state.Store(state)
	}
	if state == modeIsKept {
		return nil
	}
	return uninterrupted(func() error { return unix.Fchmod(fd, mode) })
}
