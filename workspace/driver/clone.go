package driver

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// Modes says what a clone does with permission bits.
type Modes int

// What a clone may do with permission bits. Set-id and sticky bits are never kept.
const (
	KeepModes     Modes = iota
	ReadOnlyModes       // takes write permission from everybody, but from the owner at the very top: renaming a directory needs it, and whoever publishes the tree drops it
	WritableModes       // gives the owner of what was made by ReadOnlyModes the permission back
)

// of returns the permission bits that the clone of something with mode m gets.
func (modes Modes) of(m uint32) uint32 {
	switch m &= 0o777; modes {
	case ReadOnlyModes:
		return m &^ 0o222
	case WritableModes:
		return m | 0o200
	default:
		return m
	}
}

// sharedInode is what one inode takes on a file system with reflinks beside
// blocks of its own, in bytes: the inode, its name and the references to blocks
// of others. On XFS it is the size of an inode; on btrfs, whose metadata is
// written twice and holds the contents of small files too, 1.9 KiB were measured
// on the source of Linux.
func sharedInode(fs string) int64 {
	if fs == "xfs" {
		return 512
	}
	return maxSharedInode
}

const maxSharedInode = 2048

// sharing says whether a clone's files share their blocks with the base's.
type sharing int

const (
	shareIfPossible sharing = iota
	shareNever
	shareAlways // or fail
)

// Clone makes a tree of its own of job's base, sharing blocks with it where the
// file system can and copying where it cannot. Contents, permission bits, user
// attributes, holes, hard-link groups, and the modification times of files,
// directories and links are kept; anything but files, directories and links is
// refused. No link is ever followed. The directory job.Name may be there already,
// empty, as a driver's MakeBase makes it.
//
// The usage counts what was made: inodes, and the blocks of directories, links
// and copied contents, as they are in the base. Where files share their blocks
// it counts sharedInode bytes for each inode instead of contents.
//
// When ctx is cancelled, Clone returns its cause within a fraction of a second.
// A full disk, inodes and quota included, is a NoSpace *cordon.Error. After an
// error the directory holds leftovers.
func Clone(ctx context.Context, job Job, modes Modes) (Usage, error) {
	return clone(ctx, job, modes, shareIfPossible)
}

func clone(ctx context.Context, job Job, modes Modes, share sharing) (Usage, error) {
	if ctx.Err() != nil {
		return Usage{}, context.Cause(ctx)
	}
	workers := min(max(2, runtime.GOMAXPROCS(0)), maxWorkers)
	c := &cloner{ctx: ctx, modes: modes, share: share, progress: job.Progress, links: map[inodeID]*linked{}}
	c.queue.open(workers)
	stop := context.AfterFunc(ctx, c.cancel)
	defer stop()
	err := c.run(job, workers)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return Usage{}, typed(err)
	}
	u := Usage{Bytes: c.bytes.Load(), Inodes: c.inodes.Load()}
	if c.shared.Load() {
		u.Bytes += u.Inodes * c.inode
	}
	return u, nil
}

// maxWorkers bounds the descriptors of one clone, of which a worker has up to
// six at a time. More workers than this wait for one journal anyway.
const maxWorkers = 8

// cloner is one clone under way. The unit of work is a directory: making files
// in one directory excludes each other in the kernel, in several it does not.
type cloner struct {
	ctx      context.Context
	modes    Modes
	share    sharing
	progress func(int64)

	base, copy int    // descriptors of both trees' roots
	inode      int64  // bytes that one takes where blocks are shared
	kept       uint32 // permission bits that survive creation: the umask, or a default ACL, takes the others

	opener
	queue
	stopped    atomic.Bool
	cannot     atomic.Bool // the file system shares no blocks
	shared     atomic.Bool // some file's blocks are
	bytes      atomic.Int64
	inodes     atomic.Int64
	progressed atomic.Int64

	mu    sync.Mutex
	err   error // the first
	links map[inodeID]*linked
	late  []*dirNode
}

func (c *cloner) run(job Job, workers int) error {
	base, err := job.Base.Open(".")
	if err != nil {
		return err
	}
	defer base.Close()
	var st unix.Stat_t
	c.base = int(base.Fd())
	if err := unix.Fstat(c.base, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if err := job.Dir.Mkdir(job.Name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	top, err := job.Dir.OpenFile(job.Name, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	c.copy = int(top.Fd())
	c.inode = sharedInode(fsName(c.copy))
	root := c.newDir(nil, "", &st) // before c.kept is known: it gets its mode in any case
	if c.modes == ReadOnlyModes {
		root.mode |= 0o200
	}
	if c.kept, err = keptBits(c.copy); err != nil {
		return err
	}

	c.push(0, part{dir: root})
	var all sync.WaitGroup
	for i := range workers {
		all.Go(func() { c.work(i) })
	}
	all.Wait()
	if c.err != nil || c.stopped.Load() {
		return c.err
	}
	return c.finishLate()
}

// keptBits returns the permission bits that survive when something is made in
// the directory dir: all but the umask's, or those that a default ACL of dir has.
// None where directories inherit a set-group-id bit: only changing the mode takes
// that away again.
func keptBits(dir int) (uint32, error) {
	const trial = ".trial"
	if err := unix.Mkdirat(dir, trial, 0o777); err != nil {
		return 0, err
	}
	var st unix.Stat_t
	err := unix.Fstatat(dir, trial, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = unix.Unlinkat(dir, trial, unix.AT_REMOVEDIR)
	}
	if err != nil || st.Mode&unix.S_ISGID != 0 {
		return 0, err
	}
	return st.Mode & 0o777, nil
}

// work does parts of directories until there are none left.
func (c *cloner) work(id int) {
	w := &worker{cloner: c, id: id, buf: make([]byte, copyStep), names: make([]byte, listStep)}
	for {
		p, ok := c.pop(id)
		if !ok {
			return
		}
		if err := w.part(p); err != nil {
			c.fail(err)
		}
		c.done()
	}
}

// worker is one of those who share the work, with the buffers that it uses again
// and again.
type worker struct {
	*cloner
	id    int    // of its stack
	buf   []byte // of contents
	names []byte // of a directory's entries
}

func (c *cloner) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.cancel()
}

func (c *cloner) cancel() {
	c.stopped.Store(true)
	c.close()
}

// take accounts for one inode with so many bytes.
func (c *cloner) take(bytes int64) {
	c.bytes.Add(bytes)
	c.inodes.Add(1)
}

// did reports that so many bytes are dealt with.
func (c *cloner) did(bytes int64) {
	if c.progress != nil && bytes > 0 {
		c.progress(c.progressed.Add(bytes))
	}
}

// typed gives errors of a full disk their kind.
func typed(err error) error {
	if cordon.KindOf(err) == "" && (errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)) {
		return &cordon.Error{Kind: cordon.NoSpace, Op: "copy tree", Err: err,
			Fix: "free disk space or inodes on the cache's file system, or move CACHE_DIR"}
	}
	return err
}
