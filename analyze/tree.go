package analyze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cordonlabs/cordon"
	"golang.org/x/sys/unix"
)

// Bounds of a walk. They let every real project pass (a Linux kernel has 80,000
// files, 12 levels deep) and stop a tree that was made to exhaust a walker.
const (
	maxDepth = 256       // directories below one another; each holds one descriptor while it is walked
	maxFiles = 1_000_000 // regular files in one tree
	maxNames = 1_000_000 // names in one directory: about 50 MB of memory
)

// Tree is a workspace opened for reading. Everything is opened relative to its root's
// descriptor, component by component, without following a symbolic link and without blocking:
// neither a link nor a FIFO nor a directory exchanged while we look leads elsewhere or hangs.
// Its methods are safe for concurrent use.
type Tree struct {
	root *os.File
}

// File is a regular file of a tree.
type File struct {
	Path string // relative to the root, with slashes
	Size int64  // bytes, when it was listed
	Mode fs.FileMode
}

// OpenTree opens a workspace. A path that is no directory is InvalidArgument; one that may not be
// read is PermissionDenied.
func OpenTree(dir string) (*Tree, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		return &Tree{f}, nil
	}
	e := &cordon.Error{
		Kind: cordon.InvalidArgument, Op: "open workspace", Name: fmt.Sprintf("%q", dir), Err: cause(err),
		Fix: "give the path of a directory",
	}
	if errors.Is(err, fs.ErrPermission) {
		e.Kind, e.Fix = cordon.PermissionDenied, "let this user read the directory"
	}
	return nil, e
}

// Close releases the tree.
func (t *Tree) Close() error { return t.root.Close() }

// Listing is what a walk found.
type Listing struct {
	Files   []File         // sorted by path
	Skipped map[string]int // what is not among them, by reason
	Repos   []string       // directories that have a .git directory; "." is the root
}

// List walks the tree. It does not descend into .git, and lists no file in it. Links and special
// files are counted, never opened. It fails only if ctx ends or the root cannot be read.
func (t *Tree) List(ctx context.Context) (*Listing, error) {
	w := &walker{ctx: ctx, out: &Listing{Skipped: make(map[string]int)}}
	fd, err := unix.Openat(int(t.root.Fd()), ".", dirFlags, 0)
	if err != nil {
		return nil, &cordon.Error{Op: "list workspace", Name: t.root.Name(), Err: err}
	}
	if err := w.dir(fd, "", 0); err != nil {
		return nil, err
	}
	slices.SortFunc(w.out.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(w.out.Repos)
	return w.out, nil
}

const (
	dirFlags  = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fileFlags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_CLOEXEC | unix.O_NOCTTY
)

type walker struct {
	ctx context.Context
	out *Listing
}

// dir walks the directory open at fd, and closes it.
func (w *walker) dir(fd int, rel string, depth int) error {
	d := os.NewFile(uintptr(fd), rel)
	defer d.Close()
	names, err := d.Readdirnames(maxNames)
	if err != nil && !errors.Is(err, io.EOF) {
		w.out.Skipped[SkipUnreadable]++
		return nil
	}
	if len(names) == maxNames {
		w.out.Skipped[SkipTooMany]++
	}
	for i, name := range names {
		if i%256 == 0 && w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			w.out.Skipped[SkipUnreadable]++
			continue
		}
		p := path.Join(rel, name)
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			if len(w.out.Files) >= maxFiles {
				w.out.Skipped[SkipTooMany]++
				continue
			}
			w.out.Files = append(w.out.Files, File{p, st.Size, fs.FileMode(st.Mode & 0o777)})
		case unix.S_IFDIR:
			if name == ".git" {
				w.out.Repos = append(w.out.Repos, orDot(rel))
				continue
			}
			if depth >= maxDepth {
				w.out.Skipped[SkipTooDeep]++
				continue
			}
			sub, err := unix.Openat(fd, name, dirFlags, 0)
			if err != nil {
				w.out.Skipped[SkipUnreadable]++
				continue
			}
			if err := w.dir(sub, p, depth+1); err != nil {
				return err
			}
		case unix.S_IFLNK:
			w.out.Skipped[SkipLink]++
		default:
			w.out.Skipped[SkipSpecial]++
		}
	}
	return nil
}

func orDot(rel string) string {
	if rel == "" {
		return "."
	}
	return rel
}

// ErrNotRegular is returned by Open for what is no regular file, links included.
var ErrNotRegular = errors.New("not a regular file")

// Open opens a regular file for reading. Its errors wrap those of the file system, or
// ErrNotRegular.
func (t *Tree) Open(p string) (*os.File, error) {
	if !fs.ValidPath(p) || p == "." {
		return nil, &fs.PathError{Op: "open", Path: p, Err: fs.ErrInvalid}
	}
	dir, base := path.Split(p)
	dfd, err := t.openDir(strings.TrimSuffix(dir, "/"))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	defer unix.Close(dfd)
	fd, err := unix.Openat(dfd, base, fileFlags, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		err = ErrNotRegular
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: p, Err: err}
	}
	f := os.NewFile(uintptr(fd), p)
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: p, Err: ErrNotRegular}
	}
	return f, nil
}

// openDir opens a directory below the root; the caller closes the descriptor.
func (t *Tree) openDir(rel string) (int, error) {
	fd, err := unix.Openat(int(t.root.Fd()), ".", dirFlags, 0)
	if err != nil || rel == "" || rel == "." {
		return fd, err
	}
	for name := range strings.SplitSeq(rel, "/") {
		next, err := unix.Openat(fd, name, dirFlags, 0)
		unix.Close(fd)
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

// ErrTooLarge is returned by ReadFile for a file with more bytes than asked for.
var ErrTooLarge = errors.New("file too large")

// ReadFile reads a regular file of at most limit bytes.
func (t *Tree) ReadFile(p string, limit int64) ([]byte, error) {
	f, err := t.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, &fs.PathError{Op: "read", Path: p, Err: ErrTooLarge}
	}
	return b, nil
}

// cause strips the operation and path off an error of package os, which the caller says itself.
func cause(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}
