package driver

import (
	"bytes"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of ioctl_btrfs(2), as linux/btrfs.h has them. Their numbers hold for
// every architecture but MIPS, PowerPC and SPARC.
const (
	subvolCreate   = 0x5000940e
	snapDestroy    = 0x5000940f
	snapCreateV2   = 0x50009417
	subvolGetFlags = 0x80089419
	subvolSetFlags = 0x4008941a
	subvolRootRef  = 0xd000943d // Linux 4.18
	inoLookupUser  = 0xd000943e // Linux 4.18
)

const (
	subvolRoot     = 256    // the inode number of every subvolume's root
	subvolReadOnly = 1 << 1 // BTRFS_SUBVOL_RDONLY
)

// volArgs is struct btrfs_ioctl_vol_args.
type volArgs struct {
	fd   int64
	name [4088]byte
}

// volArgsV2 is struct btrfs_ioctl_vol_args_v2.
type volArgsV2 struct {
	fd      int64
	transid uint64
	flags   uint64
	unused  [4]uint64
	name    [4040]byte
}

// rootRefs is struct btrfs_ioctl_get_subvol_rootref_args.
type rootRefs struct {
	minTree uint64
	refs    [255]struct{ tree, dir uint64 }
	n       uint8
	_       [7]byte
}

// lookup is struct btrfs_ioctl_ino_lookup_user_args.
type lookup struct {
	dir, tree uint64
	name      [256]byte
	path      [3824]byte
}

func ioctl[T any](fd int, request uintptr, arg *T) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(arg)))
	if errno != 0 {
		return errno
	}
	return nil
}

// isSubvolume reports whether name in the directory dir is the root directory of
// a btrfs subvolume.
func isSubvolume(dir int, name string) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	return st.Ino == subvolRoot && st.Mode&unix.S_IFMT == unix.S_IFDIR && fsName(dir) == "btrfs", nil
}

// createSubvolume makes an empty subvolume called name in the directory dir.
func createSubvolume(dir int, name string) error {
	var args volArgs
	if len(name) >= len(args.name) {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	return ioctl(dir, subvolCreate, &args)
}

// createSnapshot makes a writable snapshot of the subvolume of, called name, in
// the directory dir.
func createSnapshot(dir int, name string, of int) error {
	args := volArgsV2{fd: int64(of)}
	if len(name) >= len(args.name) {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	return ioctl(dir, snapCreateV2, &args)
}

// destroySubvolume takes the subvolume called name from the directory dir; what
// it held is freed in the background. EPERM: the process may not.
func destroySubvolume(dir int, name string) error {
	var args volArgs
	if len(name) >= len(args.name) {
		return unix.ENAMETOOLONG
	}
	copy(args.name[:], name)
	return ioctl(dir, snapDestroy, &args)
}

// makeWritable lets the subvolume fd be changed, which its owner may have
// forbidden.
func makeWritable(fd int) error {
	var flags uint64
	if err := ioctl(fd, subvolGetFlags, &flags); err != nil || flags&subvolReadOnly == 0 {
		return err
	}
	flags &^= subvolReadOnly
	return ioctl(fd, subvolSetFlags, &flags)
}

// nestedSubvolumes returns the subvolumes that are directly in the subvolume fd:
// the directory that each is in, relative to fd, and its name there. Those whose
// path is too long for the kernel to tell are left out.
func nestedSubvolumes(fd int) (found [][2]string, err error) {
	var args rootRefs
	for {
		err := ioctl(fd, subvolRootRef, &args)
		if err != nil && err != unix.EOVERFLOW {
			return found, err
		}
		for _, ref := range args.refs[:args.n] {
			at := lookup{dir: ref.dir, tree: ref.tree}
			if ioctl(fd, inoLookupUser, &at) == nil {
				found = append(found, [2]string{cString(at.path[:]), cString(at.name[:])})
			}
		}
		if err == nil || args.n == 0 {
			return found, nil
		}
	}
}

func cString(b []byte) string {
	s, _, _ := bytes.Cut(b, []byte{0})
	return string(s)
}
