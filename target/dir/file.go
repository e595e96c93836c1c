package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
	"github.com/cordonlabs/cordon/target"
)

var errIrregular = errors.New("not a regular file")

// statRegular describes the regular file at path, or the one that a link there
// leads to. Anything else is errIrregular.
func statRegular(path string) (fs.FileInfo, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s: %w", path, kindOf(fi.Mode()), errIrregular)
	}
	return fi, nil
}

// openRegular opens what statRegular describes. It never waits: a FIFO in the
// file's place, even one that arrives between looking and opening, is an error.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	if _, err := statRegular(path); err != nil {
		return nil, nil, err // opening a device may do something; looking does not
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s is %s: %w", path, kindOf(fi.Mode()), errIrregular)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}

// version is what tells one content of a file from another without reading it.
type version struct {
	inode              uint64
	size, mtime, ctime int64 // bytes, and nanoseconds since 1970
}

func versionOf(fi fs.FileInfo) version {
	st := fi.Sys().(*syscall.Stat_t) // what os.Stat of every Unix returns
	return version{st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

// etag is the version as an opaque word. The change time is in it because the
// modification time can be set back; a change of mode or of the number of
// links therefore makes a new version of the same bytes, which costs a fetch.
func (v version) etag() string {
	return fmt.Sprintf("%x-%x-%x-%x", v.inode, v.size, v.mtime, v.ctime)
}

// sameContent reports whether an open file was left alone between v and w. A
// rename over the file's name changes its change time only.
func (v version) sameContent(w version) bool {
	return v.inode == w.inode && v.size == w.size && v.mtime == w.mtime
}

// reader reads one version of an object.
type reader struct {
	ctx   context.Context
	f     *os.File
	info  target.Info
	start version
	n     int64
	err   error // sticky
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if err := r.ctx.Err(); err != nil {
		r.err = failure("read target", r.info.ID.String(), err)
		return 0, r.err
	}
	n, err := r.f.Read(p)
	r.n += int64(n)
	if err == io.EOF {
		err = r.atEnd()
	} else if err != nil {
		err = failure("read target", r.info.ID.String(), err)
	}
	r.err = err
	return n, err
}

func (r *reader) atEnd() error {
	fi, err := r.f.Stat()
	if err != nil {
		return failure("read target", r.info.ID.String(), err)
	}
	if !versionOf(fi).sameContent(r.start) || r.n != r.info.Size {
		return target.Replaced(r.info.ID, r.info.ETag)
	}
	return io.EOF
}

// CloneTo makes f, an empty file, share the blocks of the whole object, where
// both are on one file system that can (ioctl_ficlone(2)). The kernel takes what
// the file holds in one instant; that it is the version that was opened is
// looked at afterwards. After an error the reader is as it was, and f empty.
func (r *reader) CloneTo(f *os.File) error {
	from, err := r.f.SyscallConn() // somebody may close the reader meanwhile
	if err != nil {
		return failure("clone target", r.info.ID.String(), err)
	}
	var cloned error
	err = from.Control(func(fd uintptr) { cloned = unix.IoctlFileClone(int(f.Fd()), int(fd)) })
	if err = cmp.Or(err, cloned); err != nil {
		return failure("clone target", r.info.ID.String(), err)
	}
	fi, err := r.f.Stat()
	if err == nil && versionOf(fi).sameContent(r.start) {
		return nil
	}
	if terr := f.Truncate(0); terr != nil {
		return failure("clone target", r.info.ID.String(), terr)
	}
	return cmp.Or(err, target.Replaced(r.info.ID, r.info.ETag))
}

func (r *reader) Close() error { return r.f.Close() }

// failure returns err as an error of the store: PermissionDenied, NoSpace or
// StorageUnavailable. An error that has a kind keeps it; the end of a context
// has none.
func failure(op, name string, err error) error {
	e := &cordon.Error{Op: op, Name: name, Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), cordon.KindOf(err) != "":
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		e.Kind, e.Fix = cordon.PermissionDenied, fmt.Sprintf("give the user with id %d access to it", os.Geteuid())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Kind, e.Fix = cordon.NoSpace, "make room on the disk of the store"
	default:
		e.Kind, e.Fix = cordon.StorageUnavailable, "check the disk that the store is on"
	}
	return e
}

// isAbsent reports whether nothing is there under a name.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// missing returns err as the error of a call about id, or about all targets if
// id is zero, and says which part of the path is not there.
func (s *Store) missing(op string, id cordon.TargetID, err error) error {
	e := &cordon.Error{Kind: cordon.TargetNotFound, Op: op, Name: id.String()}
	switch {
	case errors.Is(err, errIrregular):
		e.Err, e.Fix = err, "put a regular file, or a link to one, there"
	case !isAbsent(err):
		return failure(op, id.String(), err)
	default:
		e.Fix = "put a target first, or check which directory the store is in"
		for _, dir := range []string{s.root, s.root + "/" + targetsDir} {
			if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
				e.Err = fmt.Errorf("the store has no directory %s", dir)
				return e
			}
		}
		path := s.dirOf(id) + "/" + objectName
		if link, err := os.Readlink(path); err == nil {
			e.Err, e.Fix = fmt.Errorf("the link %s leads to %s, where nothing is", path, link), "repair the link"
		} else {
			e.Err = fmt.Errorf("no such target: there is no file %s", path)
		}
	}
	return e
}
