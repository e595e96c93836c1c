// Package notice tells which names of a directory changed, whoever changed them:
// the kernel queues that by the time that the call which did it returns
// (inotify(7)). It tells of what happens on this host only.
package notice

import (
	"bytes"
	"encoding/binary"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Watch collects what changes in one directory. It is not safe for concurrent use.
type Watch struct {
	fd   int
	dead bool
}

const changes = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ATTRIB | unix.IN_MODIFY | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF

// On begins to watch the directory dir, which may be closed then. It fails where
// the kernel's limits on watches are reached, or /proc is not mounted.
func On(dir *os.File) (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("inotify_init1", err)
	}
	if _, err := unix.InotifyAddWatch(fd, "/proc/self/fd/"+strconv.Itoa(int(dir.Fd())), changes|unix.IN_ONLYDIR); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("inotify_add_watch", err)
	}
	return &Watch{fd: fd}, nil
}

// Close ends the watch.
func (w *Watch) Close() error {
	w.dead = true
	return unix.Close(w.fd)
}

// Changes returns the names that were made, removed, written to, or whose files'
// times or modes were set since the last call, each at least once. It is not ok
// where nobody knows all of them: there were too many, or the directory went.
func (w *Watch) Changes() (names []string, ok bool) {
	var buf [16 << 10]byte
	for !w.dead {
		n, err := unix.Read(w.fd, buf[:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return names, true
		case err != nil || n <= 0:
			w.dead = true
			return nil, false
		}
		var lost bool
		if names, lost = events(buf[:n], names); lost {
			w.dead = true
		}
	}
	return nil, false
}

// events adds the names in buf, which holds struct inotify_event, to names.
func events(buf []byte, names []string) (all []string, lost bool) {
	for len(buf) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(buf[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(buf[12:]))
		name, _, _ := bytes.Cut(buf[unix.SizeofInotifyEvent:end], []byte{0})
		switch {
		case mask&(unix.IN_Q_OVERFLOW|unix.IN_IGNORED|unix.IN_UNMOUNT|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF) != 0:
			lost = true
		case len(name) > 0: // else the directory's own times or mode
			names = append(names, string(name))
		}
		buf = buf[end:]
	}
	return names, lost
}
