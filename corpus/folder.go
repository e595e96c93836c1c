package corpus

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// folder is the directory of a corpus in a workspace. Hostile code writes to it,
// now perhaps too: links are never followed, and nothing that is opened can block.
type folder struct{ d *os.File }

func openFolder(root *os.Root) (*folder, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	return &folder{d}, nil
}

func (f *folder) close() { _ = f.d.Close() } // it was only read

// stamp tells one content of a file from another without reading it. The change time
// is in it because a program can set the others.
type stamp struct {
	size, mtime, ctime int64 // bytes, and nanoseconds since 1970
	inode              uint64
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), inode: st.Ino}
}

// file is a regular file in a folder.
type file struct {
	name string
	stamp
}

// maxNames is how many names of a directory are looked at: five times what a
// corpus has. More are the work of somebody who means harm.
const maxNames = 1_000_000

// files returns the folder's regular files, but for those whose names begin with
// a dot, in no order, and whether there were too many to look at all.
func (f *folder) files() (files []file, more bool, err error) {
	if _, err := f.d.Seek(0, io.SeekStart); err != nil {
		return nil, false, err
	}
	for seen := 0; ; {
		names, err := f.d.Readdirnames(4096)
		if err == io.EOF {
			return files, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if seen += len(names); seen > maxNames {
			return files, true, nil
		}
		for _, name := range names {
			if name[0] == '.' {
				continue
			}
			var st unix.Stat_t
			if err := unix.Fstatat(f.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil && st.Mode&unix.S_IFMT == unix.S_IFREG {
				files = append(files, file{name, stampOf(&st)})
			} // else it is gone meanwhile, or nothing to keep
		}
	}
}

func (f *folder) fd() int { return int(f.d.Fd()) }

// read reads a file of at most limit bytes; ok is false where it is larger, has gone,
// or is no regular file any more. What changes while it is read is a content too.
func (f *folder) read(name string, limit int64) (body []byte, s stamp, ok bool, err error) {
	fd, err := unix.Openat(f.fd(), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if resources(err) {
			return nil, s, false, fmt.Errorf("open %q: %w", name, err)
		}
		return nil, s, false, nil
	}
	in := os.NewFile(uintptr(fd), name)
	defer in.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > limit {
		return nil, s, false, nil
	}
	body, err = io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil || int64(len(body)) > limit {
		return nil, s, false, nil // a disk that breaks under one file says more soon enough
	}
	return body, stampOf(&st), true, nil
}

// place sees to it that body is in a file, called name where it can be: what is
// there under that name, of an earlier pull that was killed in its middle or of
// somebody else, stays, and is taken only if it has that very content. It returns the
// file's name, and whether it is new.
func (f *folder) place(name string, body []byte) (as string, s stamp, created bool, err error) {
	s, created, err = f.create(name, body)
	if created || err != nil {
		return name, s, created, err
	}
	there, s, ok, err := f.read(name, int64(len(body)))
	if ok && bytes.Equal(there, body) || err != nil {
		return name, s, false, err
	}
	name += "-" + rand.Text()
	s, created, err = f.create(name, body)
	return name, s, created, err
}

// create writes a new file; created is false where something of that name is
// there already.
func (f *folder) create(name string, body []byte) (s stamp, created bool, err error) {
	fd, err := unix.Openat(f.fd(), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o644)
	if errors.Is(err, unix.EEXIST) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("create %q: %w", name, err)
	}
	out := os.NewFile(uintptr(fd), name)
	_, err = out.Write(body)
	if err == nil {
		err = out.Chmod(0o644) // whatever the umask: the run may have another user
	}
	var st unix.Stat_t
	if err == nil {
		err = unix.Fstat(fd, &st)
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		f.remove(name)
		return s, false, fmt.Errorf("write %q: %w", name, err)
	}
	return stampOf(&st), true, nil
}

// remove removes a name from the folder. One that cannot be is one that somebody
// has put something else under.
func (f *folder) remove(name string) { _ = unix.Unlinkat(f.fd(), name, 0) }

// resources reports whether err is about this process rather than about a file.
func resources(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }
