package pack

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// found is what a walk has come to: a folder, a regular file or a symbolic link.
type found struct {
	in   folder // which holds it
	path string // relative to the root of the tree, with slashes
	name string // the last part of path
	st   unix.Stat_t
	kept bool // an IgnoreFile says expressly that it is not left out
}

func (e *found) isDir() bool  { return e.st.Mode&unix.S_IFMT == unix.S_IFDIR }
func (e *found) isFile() bool { return e.st.Mode&unix.S_IFMT == unix.S_IFREG }

// visitor is shown what a walk finds.
type visitor interface {
	// entry is shown everything that is packed, a folder before what is in it.
	entry(e *found) error
	// omit is shown what is not packed: reason is "" where an IgnoreFile says so.
	omit(path, reason string)
}

// cause returns why e could not be read: err, unless e is not what the walk has
// seen there. What the system says of a folder, a socket or a FIFO in a file's
// place is true, and says nothing of what has happened.
func (e *found) cause(err error) error {
	st, lerr := e.in.lstat(e.name)
	if errors.Is(lerr, fs.ErrNotExist) || lerr == nil && !same(&st, &e.st) {
		return errChanging
	}
	return err
}

// walk shows v the tree at base, without base itself, in an order that depends
// on the names alone. It follows no link: each folder is opened by its name in
// the folder above, so that no path is too long and a link that takes a folder's
// place meanwhile is noticed. The folders above the one that it is in stay open:
// how deep a tree may be is a matter of how many files the process may have open.
func walk(ctx context.Context, base string, v visitor) error {
	d, err := openFolder(base)
	if err != nil {
		return unreadable("read", base, err)
	}
	defer d.close()
	return walkFolder(ctx, base, d, "", nil, v)
}

func walkFolder(ctx context.Context, base string, d folder, dir string, sets []ruleset, v visitor) error {
	names, err := d.names()
	if err != nil {
		return unreadable("read folder", filepath.Join(base, dir), err)
	}
	if _, ok := slices.BinarySearch(names, IgnoreFile); ok {
		rs, err := readIgnore(d, dir)
		if err != nil {
			return unreadable("read", filepath.Join(base, dir, IgnoreFile), err)
		}
		sets = append(slices.Clip(sets), rs)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := found{in: d, path: join(dir, name), name: name}
		if e.st, err = d.lstat(name); err != nil {
			return unreadable("read", filepath.Join(base, e.path), err)
		}
		out, decided := verdict(sets, e.path, e.isDir())
		if out {
			v.omit(e.path, "")
			continue
		}
		e.kept = decided
		if t := typeOf(&e.st); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
			v.omit(e.path, special(t))
			continue
		}
		if err := v.entry(&e); err != nil {
			return unreadable("read", filepath.Join(base, e.path), err)
		}
		if e.isDir() {
			if err := descend(ctx, base, &e, sets, v); err != nil {
				return err
			}
		}
	}
	return nil
}

func descend(ctx context.Context, base string, e *found, sets []ruleset, v visitor) error {
	d, err := e.in.folder(e.name)
	if err != nil {
		return unreadable("read folder", filepath.Join(base, e.path), e.cause(err))
	}
	defer d.close()
	st, err := statFile(d.fd)
	if err == nil && (st.Dev != e.st.Dev || st.Ino != e.st.Ino) {
		err = errChanging
	}
	if err != nil {
		return unreadable("read folder", filepath.Join(base, e.path), err)
	}
	return walkFolder(ctx, base, d, e.path, sets, v)
}

// join joins slash-separated relative paths; dir may be "".
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
