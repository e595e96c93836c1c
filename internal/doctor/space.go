package doctor

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

const (
	// leastBytes is what even the smallest workspace and its records need.
	leastBytes = 16 * cordon.MB
	// leastInodes is what the cache's own files and a workspace of a few need.
	leastInodes = 100
	// lowShare is the part of a disk, or of its inodes, below which what is free
	// is said to be little: a twentieth.
	lowShare = 20
	// plenty is an amount of free disk that is never little, however large the disk.
	plenty = 20 * cordon.GB
)

// space is what a file system has. Sizes are in bytes.
type space struct {
	total, free        int64
	inodes, inodesFree int64
	inodesAreUnlimited bool // or nobody knows how many there are
}

// spaceAt asks for the space at path that an ordinary user may still use.
func spaceAt(path string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return space{}, fmt.Errorf("statfs %s: %w", path, err)
	}
	return spaceOf(&st), nil
}

func spaceOf(st *unix.Statfs_t) space {
	unit := int64(st.Frsize)
	if unit == 0 {
		unit = st.Bsize
	}
	return space{
		total: int64(st.Blocks) * unit, free: int64(st.Bavail) * unit,
		inodes: int64(st.Files), inodesFree: int64(st.Ffree),
		inodesAreUnlimited: st.Files == 0, // btrfs: they are made as they are needed
	}
}

// freeSpace looks at the bytes and the inodes that are left on the disk.
func freeSpace(_ context.Context, s *site) Result {
	g, err := s.ground()
	if err != nil {
		return notLooked(err)
	}
	sp, err := spaceAt(g.at)
	if err != nil {
		return fail("see whether the disk works", "%v", err)
	}
	return judgeSpace(sp)
}

func judgeSpace(sp space) Result {
	found := fmt.Sprintf("%s of %s free", cordon.FormatBytes(sp.free), cordon.FormatBytes(sp.total))
	if sp.inodesAreUnlimited {
		found += "; inodes without a fixed number"
	} else {
		found += fmt.Sprintf("; %d of %d inodes free", sp.inodesFree, sp.inodes)
	}
	const bytes, inodes = "free disk space, or move CACHE_DIR to another disk", "remove small files, or move CACHE_DIR to a disk with more inodes"
	switch {
	case sp.free < leastBytes:
		return fail(bytes, "%s", found)
	case !sp.inodesAreUnlimited && sp.inodesFree < leastInodes:
		return fail(inodes, "%s", found)
	case sp.free < sp.total/lowShare && sp.free < plenty:
		return warn(bytes, "%s", found)
	case !sp.inodesAreUnlimited && sp.inodesFree < sp.inodes/lowShare:
		return warn(inodes, "%s", found)
	}
	return ok("%s", found)
}

// cacheLimit compares CACHE_MAX_SIZE with the disk: the cache makes room when it
// reaches its limit, and not when the disk is full.
func cacheLimit(_ context.Context, s *site) Result {
	g, err := s.ground()
	if err != nil {
		return notLooked(err)
	}
	sp, err := spaceAt(g.at)
	if err != nil {
		return fail("see whether the disk works", "%v", err)
	}
	var has int64 // what the cache has of its limit already
	if c, err := s.cache(); err == nil {
		usage, err := c.Usage()
		if err != nil {
			return because(Fail, err, "see whether the disk works")
		}
		has = usage.Recorded
	} else if !errors.Is(err, errNoCache) {
		return notLooked(err)
	}
	return judgeLimit(s.Config.MaxSize, sp, has)
}

func judgeLimit(max cordon.Size, sp space, has int64) Result {
	limit, size := max.Of(sp.total), cordon.FormatBytes
	found := fmt.Sprintf("CACHE_MAX_SIZE is %s", max)
	if max.String() != size(limit) {
		found += " (" + size(limit) + ")"
	}
	room := has + sp.free
	fix := fmt.Sprintf("set CACHE_MAX_SIZE to less than %s, for example %s", size(room), size(room/10*9))
	switch {
	case limit > sp.total:
		return fail(fix, "%s, and the whole disk has %s: it is full before the cache makes room", found, size(sp.total))
	case limit > room:
		return warn(fix, "%s; the cache has %s and %s are free: the disk may be full before the cache makes room", found, size(has), size(sp.free))
	}
	return ok("%s; the cache has %s, and %s are free", found, size(has), size(sp.free))
}
