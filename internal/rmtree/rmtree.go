// Package rmtree deletes trees that their makers may have made to be hard to
// delete, or to make the deleter delete something else.
//
// Everything is done relative to descriptors of directories that were opened
// without following a link and without crossing a mount, so that nobody who
// swaps names in the tree meanwhile can lead the deletion out of it. A tree that
// is deeper than the process has descriptors is flattened: a directory at
// maxDepth is renamed to the top and deleted from there. A btrfs subvolume lets
// nothing but other subvolumes be renamed out of it, so that what is in one is
// renamed to its top.
package rmtree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/internal/mounts"
)

// maxDepth is how many directories deep one descent goes, and so how many
// descriptors it holds. Well under every limit, and deeper than real trees.
const maxDepth = 48

// ErrMount is in the chain of the error when something in the tree is a mount
// point. What is mounted there was not touched.
var ErrMount = errors.New("is a mount point")

// Remove deletes name in the directory parent and everything below it. What
// cannot be deleted is left, the rest goes all the same, and the error names the
// first thing that stayed. A name that does not exist is no error. When ctx is
// done, Remove stops between two entries.
func Remove(ctx context.Context, parent *os.File, name string) error {
	r := &remover{ctx: ctx, top: int(parent.Fd()), name: name}
	defer func() { _ = parent.Fd() }() // keeps parent from being finalised while its number is in use
	for {
		r.moved = 0
		err := r.entry(r.top, name, name, home{fd: r.top}, 0)
		if err != nil && r.first == nil {
			r.first = err
		}
		// Directories that were renamed up stand beside name and go next.
		queue := r.queue
		r.queue = nil
		for _, n := range queue {
			if err := r.entry(r.top, n, n, home{fd: r.top}, 0); err != nil && r.first == nil {
				r.first = err
			}
		}
		if r.moved == 0 || ctx.Err() != nil {
			break
		}
	}
	return r.first
}

type remover struct {
	ctx   context.Context
	top   int
	name  string
	first error
	queue []string
	moved int
	seq   int
}

// home is the directory that deep ones are renamed to: the top, or the nearest
// subvolume above.
type home struct {
	fd    int
	depth int // of what is in it
}

// entry deletes name in dir, which stands depth directories below the top.
func (r *remover) entry(dir int, name, shown string, h home, depth int) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	err := unix.Unlinkat(dir, name, 0)
	switch err {
	case nil, unix.ENOENT:
		return nil
	case unix.EISDIR:
	case unix.EPERM, unix.EACCES:
		// Linux says EISDIR for a directory, other errors for immutable or
		// append-only files and for directories that forbid writing.
		r.repair(dir, name)
		err = unix.Unlinkat(dir, name, 0)
		if err == nil || err == unix.ENOENT {
			return nil
		}
		if err != unix.EISDIR {
			return &os.PathError{Op: "unlink", Path: shown, Err: err}
		}
	default:
		return &os.PathError{Op: "unlink", Path: shown, Err: err}
	}
	if depth-h.depth >= maxDepth {
		return r.raise(dir, name, shown, h)
	}
	if depth >= maxDepth && isSubvolume(dir, name) {
		return r.raise(dir, name, shown, home{fd: r.top})
	}
	fd, err := mounts.OpenDir(dir, name)
	if errors.Is(err, unix.EACCES) {
		makePassable(dir, name)
		fd, err = mounts.OpenDir(dir, name)
	}
	if err == unix.ENOENT {
		return nil
	}
	if err == unix.EXDEV {
		return fmt.Errorf("%s: %w", shown, ErrMount)
	}
	if err != nil {
		return &os.PathError{Op: "open", Path: shown, Err: err}
	}
	if !sameDevice(dir, fd) {
		h = home{fd, depth + 1}
	}
	kept := r.children(fd, shown, h, depth)
	unix.Close(fd)
	if kept != nil {
		return kept
	}
	if err := unix.Unlinkat(dir, name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "rmdir", Path: shown, Err: err}
	}
	return nil
}

// children deletes what is in the directory fd, and returns the first error.
func (r *remover) children(fd int, shown string, h home, depth int) (first error) {
	// One mode repair for the whole directory beats one for each entry.
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Mode&0o700 != 0o700 {
		_ = unix.Fchmod(fd, 0o700) // if this fails the deletions below say why
	}
	buf := make([]byte, 32<<10)
	for {
		// From the start each time: deleting while reading may skip entries.
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return &os.PathError{Op: "seek", Path: shown, Err: err}
		}
		removed, left := 0, error(nil)
		for {
			n, err := unix.Getdents(fd, buf)
			if err == unix.EINTR {
				continue
			}
			if err == unix.ENOENT {
				return nil // somebody else deletes here too, and was quicker
			}
			if err != nil {
				return &os.PathError{Op: "getdents", Path: shown, Err: err}
			}
			if n == 0 {
				break
			}
			_, _, names := unix.ParseDirent(buf[:n], -1, nil)
			for _, name := range names {
				if err := r.entry(fd, name, shown+"/"+name, h, depth+1); err != nil {
					if r.ctx.Err() != nil {
						return err
					}
					if left == nil {
						left = err
					}
					continue
				}
				removed++
			}
		}
		if removed == 0 || left != nil {
			return left
		}
	}
}

// raise renames a directory that is too deep to its home: beside the tree's top,
// where Remove finds it, or into a subvolume, whose children are looked at until
// there are none.
func (r *remover) raise(dir int, name, shown string, h home) error {
	for {
		r.seq++
		to := r.name + "~" + strconv.Itoa(r.seq)
		err := unix.Renameat2(dir, name, h.fd, to, unix.RENAME_NOREPLACE)
		if err == unix.EEXIST {
			continue
		}
		if err == unix.EACCES { // a directory whose ".." changes must be writable
			makePassable(dir, name)
			err = unix.Renameat2(dir, name, h.fd, to, unix.RENAME_NOREPLACE)
		}
		if err != nil {
			return &os.PathError{Op: "rename", Path: shown, Err: err}
		}
		if h.fd == r.top {
			r.queue = append(r.queue, to)
			r.moved++
		}
		return nil
	}
}

// isSubvolume reports whether name in dir is the top of another subvolume.
func isSubvolume(dir int, name string) bool {
	var in, at unix.Stat_t
	return unix.Fstat(dir, &in) == nil && unix.Fstatat(dir, name, &at, unix.AT_SYMLINK_NOFOLLOW) == nil && in.Dev != at.Dev
}

// sameDevice reports whether the open directories a and b are of one subvolume.
func sameDevice(a, b int) bool {
	var in, at unix.Stat_t
	return unix.Fstat(a, &in) != nil || unix.Fstat(b, &at) != nil || in.Dev == at.Dev
}

// repair clears the flags that keep even root from unlinking name, and makes
// the directory it stands in writable.
func (r *remover) repair(dir int, name string) {
	var st unix.Stat_t
	if unix.Fstat(dir, &st) == nil && st.Mode&0o300 != 0o300 && dir != r.top {
		_ = unix.Fchmod(dir, 0o700) // if this fails the unlink that follows says why
	}
	clearFlags(dir)
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return // the unlink that follows says why
	}
	defer unix.Close(fd)
	clearFlags(fd)
}

// ClearFlags drops "immutable" and "append only" from f where the process may.
func ClearFlags(f *os.File) { clearFlags(int(f.Fd())) }

// clearFlags ignores errors: the file system may not know the flags, and the
// call that they would forbid tells.
func clearFlags(fd int) {
	flags, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS)
	const guard = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND // the same bits as FS_IMMUTABLE_FL and FS_APPEND_FL
	if err == nil && flags&guard != 0 {
		_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, flags&^guard)
	}
}

// makePassable gives a directory the modes that deleting in it needs. Not by
// its name: fchmodat(2) follows a link that somebody puts there meanwhile.
func makePassable(dir int, name string) {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return // the call that follows says why
	}
	defer unix.Close(fd)
	_ = unix.Chmod("/proc/self/fd/"+strconv.Itoa(fd), 0o700) // likewise
}
