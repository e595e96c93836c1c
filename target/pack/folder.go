package pack

import (
	"io/fs"
	"slices"

	"golang.org/x/sys/unix"
)

// folder is an open folder. Everything is asked of it by a name of one
// component, which is never followed if it is a link: nothing that happens to
// the tree meanwhile leads outside, and no path is too long. These are bare
// system calls because a tree is mostly small files: what os.File and os.Root do
// for each of them took longer than to read it.
type folder struct{ fd int }

// openFolder opens the folder at path, which may be a link.
func openFolder(path string) (folder, error) {
	fd, err := openAt(unix.AT_FDCWD, path, unix.O_DIRECTORY)
	return folder{fd}, err
}

// folder opens a folder in d.
func (d folder) folder(name string) (folder, error) {
	fd, err := openAt(d.fd, name, unix.O_DIRECTORY|unix.O_NOFOLLOW)
	return folder{fd}, err
}

// file opens what is no folder. It never waits, not for the other end of a FIFO
// either.
func (d folder) file(name string) (fd int, err error) {
	return openAt(d.fd, name, unix.O_NOFOLLOW|unix.O_NONBLOCK)
}

func (d folder) close() { closeFile(d.fd) }

// names returns what is in d, in the order of the names' bytes.
func (d folder) names() (names []string, err error) {
	buf := make([]byte, 32<<10) // as much as the C library asks for at once
	for {
		var n int
		err := uninterrupted(func() (err error) {
			n, err = unix.ReadDirent(d.fd, buf)
			return err
		})
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// lstat describes what has that name.
func (d folder) lstat(name string) (st unix.Stat_t, err error) {
	err = uninterrupted(func() error { return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	return st, err
}

// readlink returns where the link of that name leads.
func (d folder) readlink(name string) (string, error) {
	for size := 256; ; size *= 2 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(d.fd, name, buf)
		if err != nil {
			return "", err
		}
		if n < size { // else it may have been cut
			return string(buf[:n]), nil
		}
	}
}

func openAt(dir int, name string, flags int) (fd int, err error) {
	err = uninterrupted(func() error {
		fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		return err
	})
	return fd, err
}

// readFile reads what comes next of an open file; 0 bytes are its end.
func readFile(fd int, p []byte) (n int, err error) {
	err = uninterrupted(func() error {
		n, err = unix.Read(fd, p)
		return err
	})
	return max(n, 0), err
}

func statFile(fd int) (st unix.Stat_t, err error) {
	err = uninterrupted(func() error { return unix.Fstat(fd, &st) })
	return st, err
}

// closeFile closes what was open for reading alone, so that nothing can be lost
// by an error.
func closeFile(fd int) { _ = unix.Close(fd) }

// uninterrupted calls f until no signal interrupts it.
func uninterrupted(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// typeOf returns the type bits of a mode as the system gives it.
func typeOf(st *unix.Stat_t) fs.FileMode {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return 0
	case unix.S_IFDIR:
		return fs.ModeDir
	case unix.S_IFLNK:
		return fs.ModeSymlink
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR, unix.S_IFBLK:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
}

// same reports whether a file is what it was: the same one, of the same size and
// mode, not written to.
func same(a, b *unix.Stat_t) bool {
	return a.Dev == b.Dev && a.Ino == b.Ino && a.Mode == b.Mode && a.Size == b.Size && a.Mtim == b.Mtim
}
