package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// Copy is the driver that works everywhere: it copies every file, in parallel.
type Copy struct{}

// Name implements Driver.
func (Copy) Name() string { return "copy" }

// Traits implements Driver: a copy stands alone.
func (Copy) Traits() Traits { return Traits{} }

// Price implements Driver: all of it.
func (Copy) Price(base Usage) Usage { return base }

// MakeBase implements Driver.
func (Copy) MakeBase(dir *os.Root, name string) error { return makePlainBase(dir, name) }

// Create implements Driver.
func (Copy) Create(ctx context.Context, job Job) (Usage, error) { return Clone(ctx, job, KeepModes) }

// Check implements Driver.
func (Copy) Check(dir *os.Root, name string) error { return checkPlain(dir, name) }

// Restore implements Driver: there is nothing that could have come off.
func (Copy) Restore(_ context.Context, job Job) error { return checkPlain(job.Dir, job.Name) }

func makePlainBase(dir *os.Root, name string) error {
	if err := dir.Mkdir(name, 0o755); err != nil {
		return err
	}
	return dir.Chmod(name, 0o755) // whatever the umask
}

func checkPlain(dir *os.Root, name string) error {
	if _, err := dir.Lstat(name); err != nil {
		return errors.Join(ErrBroken, err)
	}
	return nil
}

// Modes says what a clone does with permission bits.
type Modes int

// What a clone may do with permission bits.
const (
	KeepModes     Modes = iota
	ReadOnlyModes       // takes write permission from everybody, but from the owner at the very top: renaming a directory needs it, and whoever publishes the tree drops it
	WritableModes       // gives the owner of what was made by ReadOnlyModes the permission back
)

// blockSize is the unit in which every file system Cordon supports allocates by
// default; sizes are rounded up to it.
const blockSize = 4096

// Clone makes a tree of its own of job's base, sharing blocks with it where the
// file system can. Directories are made by one walker, in order, and files are
// copied by several workers; times of directories are set last, for filling a
// directory changes them.
func Clone(ctx context.Context, job Job, modes Modes) (Usage, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &copier{ctx: ctx, job: job, modes: modes, links: map[uint64]string{}}

	files := make(chan string, 1024)
	var workers sync.WaitGroup
	for range max(2, runtime.NumCPU()) {
		workers.Go(func() {
			for name := range files {
				if err := c.file(name); err != nil {
					cancel(err)
				}
			}
		})
	}
	err := c.walk(files)
	close(files)
	workers.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil {
		err = cause
	}
	if err == nil {
		err = c.finish()
	}
	if err != nil {
		return Usage{}, typed(err)
	}
	return Usage{Bytes: c.bytes.Load(), Inodes: c.inodes.Load()}, nil
}

type copier struct {
	ctx    context.Context
	job    Job
	modes  Modes
	bytes  atomic.Int64
	inodes atomic.Int64
	copied atomic.Int64

	// Written by the walker alone.
	links map[uint64]string // first name of each inode that has several
	later []hardLink
	dirs  []dirInfo
}

type hardLink struct{ first, name string }

type dirInfo struct {
	name  string
	mode  fs.FileMode
	mtime time.Time
}

func (c *copier) dst(name string) string { return path.Join(c.job.Name, name) }

// walk makes directories and symbolic links, and hands regular files to the
// workers. Anything else in a base is a defect of whoever made the base.
func (c *copier) walk(files chan<- string) error {
	return fs.WalkDir(c.job.Base.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if cause := context.Cause(c.ctx); cause != nil {
			return cause
		}
		info, err := c.job.Base.Lstat(name)
		if err != nil {
			return err
		}
		switch info.Mode().Type() {
		case fs.ModeDir:
			c.dirs = append(c.dirs, dirInfo{name, info.Mode(), info.ModTime()})
			c.take(blockSize)
			return c.job.Dir.Mkdir(c.dst(name), 0o700)
		case fs.ModeSymlink:
			return c.symlink(name, info)
		case 0:
			if st, ok := info.Sys().(*unixStat); ok && st.Nlink > 1 {
				if first, seen := c.links[st.Ino]; seen {
					c.later = append(c.later, hardLink{first, name})
					return nil
				}
				c.links[st.Ino] = name
			}
			select {
			case files <- name:
			case <-c.ctx.Done():
			}
			return nil
		}
		return fmt.Errorf("%q is a %s, which no base holds", name, info.Mode().Type())
	})
}

func (c *copier) symlink(name string, info fs.FileInfo) error {
	to, err := c.job.Base.Readlink(name)
	if err != nil {
		return err
	}
	c.take(0)
	if err := c.job.Dir.Symlink(to, c.dst(name)); err != nil {
		return err
	}
	return lchtimes(c.job.Dir, c.dst(name), info.ModTime())
}

func (c *copier) file(name string) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	in, err := c.job.Base.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%q is no longer a regular file", name)
	}
	c.take(allocated(info))
	out, err := c.job.Dir.OpenFile(c.dst(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = c.content(out, in, info)
	if err == nil {
		err = out.Chmod(c.mode(info.Mode()))
	}
	if err == nil {
		err = copyXattrs(in, out)
	}
	if err == nil {
		err = setMtime(out, info.ModTime())
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

// mode returns the permission bits that the copy of something with mode m gets.
func (c *copier) mode(m fs.FileMode) fs.FileMode {
	switch c.modes {
	case ReadOnlyModes:
		return m.Perm() &^ 0o222
	case WritableModes:
		return m.Perm() | 0o200
	}
	return m.Perm()
}

// finish makes the hard links, whose first names exist by now, and gives the
// directories their modes and times, the deepest first.
func (c *copier) finish() error {
	for _, l := range c.later {
		if err := c.job.Dir.Link(c.dst(l.first), c.dst(l.name)); err != nil {
			return err
		}
	}
	for i := len(c.dirs) - 1; i >= 0; i-- {
		d := c.dirs[i]
		mode := c.mode(d.mode)
		if c.modes == ReadOnlyModes && d.name == "." {
			mode |= 0o200
		}
		if err := c.job.Dir.Chmod(c.dst(d.name), mode); err != nil {
			return err
		}
		if err := c.job.Dir.Chtimes(c.dst(d.name), d.mtime, d.mtime); err != nil {
			return err
		}
	}
	return nil
}

// take accounts for one inode with so many bytes.
func (c *copier) take(bytes int64) {
	c.bytes.Add(bytes)
	c.inodes.Add(1)
}

// content copies the data of in, and leaves its holes holes.
func (c *copier) content(out, in *os.File, info fs.FileInfo) error {
	size := info.Size()
	if size == 0 {
		return nil
	}
	if allocated(info) >= size {
		return c.extent(out, in, 0, size)
	}
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(in.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		if err != nil {
			return c.extent(out, in, 0, size) // a file system without holes
		}
		hole, err := unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if err := c.extent(out, in, data, hole-data); err != nil {
			return err
		}
		at = hole
	}
	return out.Truncate(size)
}

// extentStep is how much is copied between two looks at the context: a fraction
// of a second on any disk.
const extentStep = 16 << 20

func (c *copier) extent(out, in *os.File, at, n int64) error {
	if _, err := in.Seek(at, io.SeekStart); err != nil {
		return err
	}
	if _, err := out.Seek(at, io.SeekStart); err != nil {
		return err
	}
	for n > 0 {
		if cause := context.Cause(c.ctx); cause != nil {
			return cause
		}
		// os.File.ReadFrom uses copy_file_range(2), which keeps the data in the kernel.
		got, err := io.Copy(out, io.LimitReader(in, min(n, extentStep)))
		if err != nil {
			return err
		}
		if got == 0 {
			return io.ErrUnexpectedEOF
		}
		n -= got
		if c.job.Progress != nil {
			c.job.Progress(c.copied.Add(got))
		}
	}
	return nil
}

// typed gives errors of the disk their kind.
func typed(err error) error {
	if cordon.KindOf(err) == "" && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)) {
		return &cordon.Error{Kind: cordon.NoSpace, Op: "copy tree", Err: err,
			Fix: "free disk space or inodes on the cache's file system, or move CACHE_DIR"}
	}
	return err
}
