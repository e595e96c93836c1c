package diskusage

import (
	"encoding/binary"
	"iter"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The layout of struct linux_dirent64 (getdents64(2)): inode, offset of the next
// entry, length, kind, name with a NUL at its end.
const (
	direntLength = 16
	direntKind   = 18
	direntName   = 19
)

// entry is one entry of a directory. Its name lies in the buffer that getdents
// filled, and is the kernel's own, with the NUL that system calls want: a tree of a
// million files is measured without a million strings.
type entry struct {
	kind byte   // DT_REG and the like; DT_UNKNOWN where the file system does not tell
	name []byte // with a NUL at its end, and perhaps padding
}

func (e entry) String() string { return unix.ByteSliceToString(e.name) }

// statx describes the entry of the directory dir without following a link.
func (e entry) statx(dir int, st *unix.Statx_t) error {
	_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&e.name[0])), statFlags, statFields, uintptr(unsafe.Pointer(st)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func getdents(fd int, buf []byte) (int, error) {
	for {
		n, err := unix.Getdents(fd, buf)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// entries reads what getdents returned, without "." and "..".
func entries(buf []byte) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for len(buf) > direntName {
			rec := buf[:binary.NativeEndian.Uint16(buf[direntLength:])]
			buf = buf[len(rec):]
			name := rec[direntName:]
			if name[0] == '.' && (name[1] == 0 || name[1] == '.' && name[2] == 0) {
				continue
			}
			if !yield(entry{rec[direntKind], name}) {
				return
			}
		}
	}
}
