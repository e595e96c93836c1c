package archive

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Modes of what is made, whatever the archive and the process's umask say: a
// workspace belongs to one user, and set-id bits have no place in it.
const (
	modeDir  = 0o755
	modeFile = 0o644
	modeExec = 0o755
)

// rootSink makes the tree in a directory of the file system. The kernel
// resolves every path beneath it, and nothing is made where something is.
type rootSink struct{ root *os.Root }

func (s rootSink) mkdir(path string) error {
	if err := s.root.Mkdir(path, modeDir); err != nil {
		return osError("make the directory", path, cause(err))
	}
	return nil
}

func (s rootSink) create(path string, replace bool) (output, error) {
	if replace {
		if err := s.root.Remove(path); err != nil {
			return nil, osError("replace the file", path, cause(err))
		}
	}
	f, err := s.root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) // Root adds O_NOFOLLOW
	if err != nil {
		return nil, osError("create the file", path, cause(err))
	}
	return &rootFile{f: f, path: path}, nil
}

func (s rootSink) link(old, path string) error {
	if err := s.root.Link(old, path); err != nil {
		return osError("make the hard link", path, cause(err))
	}
	return nil
}

func (s rootSink) symlink(target, path string) error {
	if err := s.root.Symlink(target, path); err != nil {
		return osError("make the symbolic link", path, cause(err))
	}
	return nil
}

// stays asks the kernel, after the plan has said yes. What it answers about a
// link that leads nowhere, or to itself, is no answer: those stay.
func (s rootSink) stays(path string) (bool, error) {
	_, err := s.root.Stat(path)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		return true, nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return false, osError("resolve the symbolic link", path, errno)
	}
	// Root's own refusal: the path escapes.
	if err := s.root.Remove(path); err != nil {
		return false, osError("remove the symbolic link", path, cause(err))
	}
	return false, nil
}

func (s rootSink) finishDir(path string, modified time.Time) error {
	f, err := s.root.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return osError("open the directory", path, cause(err))
	}
	defer f.Close() // nothing was written through it
	if err := f.Chmod(modeDir); err != nil {
		return osError("set the mode of the directory", path, cause(err))
	}
	if modified.IsZero() {
		return nil
	}
	if err := futimens(f, modified); err != nil {
		return osError("set the time of the directory", path, err)
	}
	return nil
}

// rootFile is a regular file in a rootSink.
type rootFile struct {
	f    *os.File
	path string
	end  int64 // of what was written
}

func (o *rootFile) writeAt(p []byte, off int64) error {
	if _, err := o.f.WriteAt(p, off); err != nil {
		return osError("write the file", o.path, cause(err))
	}
	o.end = off + int64(len(p))
	return nil
}

func (o *rootFile) finish(size int64, exec bool, modified time.Time) error {
	err := o.settle(size, exec, modified)
	if closeErr := o.f.Close(); err == nil {
		err = closeErr // some file systems report a full disk only here
	}
	if err != nil {
		return osError("finish the file", o.path, cause(err))
	}
	return nil
}

func (o *rootFile) settle(size int64, exec bool, modified time.Time) error {
	if o.end != size { // a hole at the end was not written
		if err := o.f.Truncate(size); err != nil {
			return err
		}
	}
	mode := os.FileMode(modeFile)
	if exec {
		mode = modeExec
	}
	if err := o.f.Chmod(mode); err != nil {
		return err
	}
	return futimens(o.f, modified)
}

// abandon closes the file; whoever owns the directory removes it with the rest.
func (o *rootFile) abandon() { o.f.Close() }

// cause takes the names out of an error: they are of this machine, and the
// entry's own is added elsewhere.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}
