package driver

import (
	"bytes"
	"encoding/binary"
	"iter"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// openat opens one component.
func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// maxPath is the longest path that one call takes; the NUL at its end counts.
const maxPath = unix.PathMax - 1

// opener opens directories by their paths and remembers how that is done here.
type opener struct {
	noOpenat2 atomic.Bool
}

// openDir opens the directory path below root, however long its path is, without
// following a link. flags may be O_PATH.
func (o *opener) openDir(root int, path string, flags int) (int, error) {
	at := root
	for {
		piece, rest := path, ""
		cut := -1
		if o.noOpenat2.Load() {
			cut = strings.IndexByte(path, '/')
		} else if len(path) > maxPath {
			cut = strings.LastIndexByte(path[:maxPath+1], '/')
		}
		how := flags
		if cut >= 0 {
			piece, rest, how = path[:cut], path[cut+1:], unix.O_PATH
		}
		fd, err := o.openPiece(at, piece, how)
		if err == unix.ENOSYS || err == unix.EPERM && !o.noOpenat2.Load() {
			o.noOpenat2.Store(true) // a kernel before 5.6, or a container's filter: one component at a time
			continue
		}
		if at != root {
			unix.Close(at)
		}
		if err != nil || cut < 0 {
			return fd, err
		}
		at, path = fd, rest
	}
}

func (o *opener) openPiece(at int, path string, flags int) (int, error) {
	flags |= unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if o.noOpenat2.Load() {
		return openat(at, path, flags, 0)
	}
	for {
		fd, err := unix.Openat2(at, path, &unix.OpenHow{Flags: uint64(flags), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
		if err != unix.EINTR && err != unix.EAGAIN {
			return fd, err
		}
	}
}

// fsName returns what the file system of fd is called.
func fsName(fd int) string {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return "this file system"
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	default:
		return "this file system"
	}
}

// dirent is an entry of a directory.
type dirent struct {
	name string
	kind byte // DT_REG and the like; DT_UNKNOWN where the file system does not tell
}

// The layout of struct linux_dirent64 (getdents64(2)): inode, offset of the next
// entry, length, kind, name with a NUL at its end.
const (
	direntOffset = 8
	direntLength = 16
	direntKind   = 18
	direntName   = 19

	maxDirent = (direntName + 255 + 1 + 7) / 8 * 8
)

func getdents(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Getdents(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// dirents reads what getdents returned, without "." and "..".
func dirents(buf []byte) iter.Seq[dirent] {
	return func(yield func(dirent) bool) {
		for len(buf) > direntName {
			rec := buf[:binary.NativeEndian.Uint16(buf[direntLength:])]
			buf = buf[len(rec):]
			name, _, _ := bytes.Cut(rec[direntName:], []byte{0})
			if s := string(name); s != "." && s != ".." && !yield(dirent{s, rec[direntKind]}) {
				return
			}
		}
	}
}

// lastOffset returns where in the directory the last entry of buf ends.
func lastOffset(buf []byte) (offset int64) {
	for len(buf) > direntName {
		offset = int64(binary.NativeEndian.Uint64(buf[direntOffset:])) // an opaque number of the kernel's
		buf = buf[binary.NativeEndian.Uint16(buf[direntLength:]):]
	}
	return offset
}
