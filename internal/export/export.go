// Package export writes a whole workspace as a tar archive: what a run made of its
// target, for people to take home.
//
// The tree is what hostile code left, and may be still at work on. Nothing in it is
// followed and nothing can make the reader wait: directories and files are opened
// beneath the root alone, links are written down as they are, and what is neither
// is left out and counted.
package export

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// maxDepth bounds how deep directories are followed, each of which holds a
// descriptor: far deeper than any project is.
const maxDepth = 256

// Summary says what was written.
type Summary struct {
	Files int   `json:"files"`
	Dirs  int   `json:"dirs"`
	Links int   `json:"links"`
	Bytes int64 `json:"bytes"` // of the files

	Skipped int `json:"skipped"` // devices, FIFOs, sockets, what cannot be read or is too deep
	Changed int `json:"changed"` // files that became shorter while they were read; zeros stand for the rest
}

// Tree writes everything in dir as a tar archive, names sorted, with its modes and
// times but no owners. Progress, if not nil, is told the bytes of files so far.
func Tree(ctx context.Context, dir string, out io.Writer, progress func(int64)) (Summary, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Summary{}, err
	}
	w := &writer{ctx: ctx, tar: tar.NewWriter(out), progress: progress}
	if err := w.dir(root, "", 0); err != nil { // closes root
		return w.sum, err
	}
	return w.sum, w.tar.Close()
}

// File writes the one file at name.
func File(ctx context.Context, name string, out io.Writer, progress func(int64)) (Summary, error) {
	root, err := os.OpenRoot(path.Dir(name))
	if err != nil {
		return Summary{}, err
	}
	defer root.Close()
	w := &writer{ctx: ctx, tar: tar.NewWriter(out), progress: progress}
	info, err := root.Lstat(path.Base(name))
	if err == nil {
		err = w.entry(root, path.Base(name), path.Base(name), info, 0)
	}
	if err != nil {
		return w.sum, err
	}
	return w.sum, w.tar.Close()
}

type writer struct {
	ctx      context.Context
	tar      *tar.Writer
	progress func(int64)
	sum      Summary
}

// dir writes what is in root, which is called rel in the archive, and closes it.
func (w *writer) dir(root *os.Root, rel string, depth int) error {
	defer root.Close()
	d, err := root.Open(".")
	if err != nil {
		w.sum.Skipped++
		return nil
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		w.sum.Skipped++
	}
	slices.Sort(names)
	for _, name := range names {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		info, err := root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			w.sum.Skipped++
			continue
		}
		if err := w.entry(root, name, path.Join(rel, name), info, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) entry(root *os.Root, name, rel string, info fs.FileInfo, depth int) error {
	h := &tar.Header{Name: rel, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		return w.subdir(root, name, h, depth)
	case info.Mode().IsRegular():
		return w.file(root, name, h)
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := root.Readlink(name)
		if err != nil {
			w.sum.Skipped++
			return nil
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
		w.sum.Links++
		return w.tar.WriteHeader(h)
	}
	w.sum.Skipped++
	return nil
}

func (w *writer) subdir(root *os.Root, name string, h *tar.Header, depth int) error {
	below, err := root.OpenRoot(name)
	if err != nil || depth == maxDepth {
		if below != nil {
			below.Close()
		}
		w.sum.Skipped++
		return nil
	}
	h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	w.sum.Dirs++
	if err := w.tar.WriteHeader(h); err != nil {
		below.Close()
		return err
	}
	return w.dir(below, path.Clean(h.Name), depth+1)
}

func (w *writer) file(root *os.Root, name string, h *tar.Header) error {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		w.sum.Skipped++
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() { // it was exchanged meanwhile
		w.sum.Skipped++
		return nil
	}
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(w.tar, &counted{w, io.LimitReader(f, h.Size)})
	if err != nil && w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if err != nil {
		return err
	}
	if n < h.Size {
		w.sum.Changed++
		if _, err := io.CopyN(w.tar, zeros{}, h.Size-n); err != nil {
			return err
		}
	}
	w.sum.Files++
	return nil
}

// counted counts what is read, and ends with the context.
type counted struct {
	w *writer
	r io.Reader
}

func (c *counted) Read(b []byte) (int, error) {
	if c.w.ctx.Err() != nil {
		return 0, context.Cause(c.w.ctx)
	}
	n, err := c.r.Read(b)
	c.w.sum.Bytes += int64(n)
	if c.w.progress != nil {
		c.w.progress(c.w.sum.Bytes)
	}
	return n, err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
