// Package diskusage measures what trees take on disk, also trees whose makers
// change them meanwhile, or made them to be hard to measure.
//
// Everything is done relative to descriptors of directories that were opened
// without following a link and without crossing a mount; nothing but directories
// is ever opened. A walk holds maxOpen descriptors at most, however deep a tree
// is: it goes back up by "..", and looks whether that is where it came from. What
// somebody moves away under it is left out, as is what cannot be read.
package diskusage

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// statBlock is the unit of st_blocks in bytes, whatever the file system's own is
// (stat(2)).
const statBlock = 512

// Meter adds up what it is shown. A file with several names counts once, in
// whichever tree its first one is found. The zero Meter has seen nothing. A Meter
// is not safe for concurrent use.
type Meter struct {
	// Since, if not zero, leaves out the bytes of what has not changed after that
	// time (ctime, in nanoseconds since 1970), for trees that share their blocks
	// with others until they are written to. A change of a file's mode or name
	// makes all of it count, and so does a write of one byte.
	Since int64

	Bytes   int64 // allocated blocks, in bytes
	Inodes  int64 // whatever Since says
	Skipped int64 // directories that could not be read, or went away while they were

	links map[fileID]uint32 // names to come of files that were counted
}

// fileID tells files of one walk apart. Subvolumes number their files alike.
type fileID struct {
	major, minor uint32
	inode        uint64
}

func idOf(st *unix.Statx_t) fileID { return fileID{st.Dev_major, st.Dev_minor, st.Ino} }

// Below adds what is below the open directory dir, without dir itself. When ctx is
// done it returns its cause, and what it has seen until then is added. Other
// errors are those of dir itself, and of a process or kernel without descriptors or
// memory: then less than all was added.
func (m *Meter) Below(ctx context.Context, dir *os.File) error {
	top, err := openAgain(int(dir.Fd()))
	if err != nil {
		return &os.PathError{Op: "open", Path: dir.Name(), Err: err}
	}
	_ = dir.Fd() // keeps dir from being finalised while its number is in use
	return m.walk(ctx, top, dir.Name())
}

// Add adds name in the directory dir, and what is below it. name may be where
// something is mounted; then it is what is mounted there that is measured. A name
// that does not exist adds nothing. The error is as Below's.
func (m *Meter) Add(ctx context.Context, dir *os.File, name string) error {
	var st unix.Statx_t
	err := unix.Statx(int(dir.Fd()), name, statFlags, statFields, &st)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return &os.PathError{Op: "statx", Path: name, Err: err}
	}
	m.count(&st)
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	top, err := unix.Openat(int(dir.Fd()), name, openFlags, 0)
	if err != nil {
		m.Skipped++
		return outOfSomething(name, err)
	}
	return m.walk(ctx, top, name)
}

// count adds one inode, unless it was counted by another name.
func (m *Meter) count(st *unix.Statx_t) {
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		id := idOf(st)
		left, seen := m.links[id]
		switch {
		case !seen && m.links == nil:
			m.links = map[fileID]uint32{id: st.Nlink - 1}
		case !seen:
			m.links[id] = st.Nlink - 1
		case left <= 1:
			delete(m.links, id) // that was the last of its names
			return
		default:
			m.links[id] = left - 1
			return
		}
	}
	m.Inodes++
	if m.Since == 0 || st.Ctime.Sec*1e9+int64(st.Ctime.Nsec) > m.Since {
		m.Bytes += int64(st.Blocks) * statBlock
	}
}

const (
	openFlags  = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	statFlags  = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	statFields = unix.STATX_TYPE | unix.STATX_NLINK | unix.STATX_INO | unix.STATX_BLOCKS | unix.STATX_CTIME
)

// openAgain opens the directory fd once more: the caller may be reading from its own.
func openAgain(fd int) (int, error) { return unix.Openat(fd, ".", openFlags, 0) }

// enter opens the directory name in dir. It returns -1 for what cannot be entered:
// a mount, which is somebody else's, and what is skipped.
func (m *Meter) enter(dir int, name string) (int, error) {
	fd, err := mounts.OpenDir(dir, name)
	switch {
	case err == nil:
		return fd, nil
	case errors.Is(err, unix.EXDEV):
		return -1, nil
	}
	m.Skipped++
	var st unix.Statx_t
	if unix.Statx(dir, name, statFlags, statFields, &st) == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT == 0 {
		m.count(&st) // what is in it stays unknown
	}
	return -1, outOfSomething(name, err)
}

// outOfSomething returns err if it says more about this process and the kernel
// than about name, and nil otherwise.
func outOfSomething(name string, err error) error {
	for _, out := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, out) {
			return &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
	return nil
}
