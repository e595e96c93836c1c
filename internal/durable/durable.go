// Package durable makes files and directories survive a power failure, in the
// one order that does: write under a temporary name, sync, rename, sync the
// directory.
package durable

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// Dir is where names are looked up; *os.Root is one.
type Dir interface {
	Open(name string) (*os.File, error)
	OpenFile(name string, flag int, perm os.FileMode) (*os.File, error)
	Rename(from, to string) error
	Remove(name string) error
}

// WriteFile writes data to name below root so that a reader sees the old
// content or the new one and never a part, also after a crash. A failed sync
// discards the temporary file: the kernel may have dropped the dirty pages, so
// that trying again could report success for what was lost.
func WriteFile(root Dir, name string, data []byte) error {
	if err := write(root, name, data, (*os.File).Sync); err != nil {
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// Replace is WriteFile without the syncs: a reader sees the old content or the
// new one and never a part, but until the file system is synced a power failure
// may leave either of them, or a file that is empty.
func Replace(root Dir, name string, data []byte) error {
	return write(root, name, data, func(*os.File) error { return nil })
}

func write(root Dir, name string, data []byte, sync func(*os.File) error) error {
	tmp := path.Join(path.Dir(name), ".tmp-"+rand.Text())
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = sync(f)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = root.Rename(tmp, name)
	}
	if err != nil {
		_ = root.Remove(tmp) // a leftover temporary name is harmless; the write's own error is what matters
	}
	return err
}

// SyncFile makes the content of name below root, and its name, durable.
func SyncFile(root Dir, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// SyncDir makes the names in directory name of root durable.
func SyncDir(root Dir, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return syncIgnoringInvalid(d.Sync())
}

// SyncTree makes everything written so far on the file system of name durable:
// syncfs(2) once is cheaper than fsync(2) on each of a tree's files.
func SyncTree(root Dir, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return &fs.PathError{Op: "syncfs", Path: name, Err: err}
	}
	return nil
}

// syncIgnoringInvalid drops EINVAL: some file systems cannot sync a directory
// and say so; they have nothing better to offer.
func syncIgnoringInvalid(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}
