package ptrace

import "golang.org/x/sys/unix"

// changing are the system calls that may leave something behind. A process that
// is killed when it enters each of them in turn has been killed between every
// two steps.
var changing = map[uint64]bool{
	unix.SYS_OPENAT: true, unix.SYS_OPENAT2: true, unix.SYS_MKDIRAT: true, unix.SYS_MKNODAT: true, unix.SYS_SYMLINKAT: true,
	unix.SYS_LINKAT: true, unix.SYS_UNLINKAT: true, unix.SYS_RENAMEAT: true, unix.SYS_RENAMEAT2: true,
	unix.SYS_WRITE: true, unix.SYS_PWRITE64: true, unix.SYS_COPY_FILE_RANGE: true, unix.SYS_SENDFILE: true, unix.SYS_SPLICE: true,
	unix.SYS_IOCTL: true, unix.SYS_FTRUNCATE: true, unix.SYS_FALLOCATE: true,
	unix.SYS_FCHMOD: true, unix.SYS_FCHMODAT: true, unix.SYS_FCHMODAT2: true, unix.SYS_FCHOWN: true, unix.SYS_FCHOWNAT: true, unix.SYS_UTIMENSAT: true,
	unix.SYS_SETXATTR: true, unix.SYS_LSETXATTR: true, unix.SYS_FSETXATTR: true, unix.SYS_REMOVEXATTR: true, unix.SYS_FREMOVEXATTR: true,
	unix.SYS_MOUNT: true, unix.SYS_UMOUNT2: true, unix.SYS_FSCONFIG: true, unix.SYS_FSMOUNT: true, unix.SYS_MOVE_MOUNT: true,
	unix.SYS_MOUNT_SETATTR: true, unix.SYS_OPEN_TREE: true,
}

// Changes leaves out what only looks: opening without creating, questions to
// terminals, and what a child says to its test.
func Changes(c Call) bool {
	switch c.Number {
	case unix.SYS_OPENAT:
		return c.Args[2]&(unix.O_CREAT|unix.O_TRUNC) != 0
	case unix.SYS_OPENAT2:
		flags, known := c.number(2)
		return !known || flags&(unix.O_CREAT|unix.O_TRUNC) != 0
	case unix.SYS_IOCTL:
		return c.Args[1]>>8&0xff == 0x94 // clones and btrfs: FICLONE is _IOW(0x94, 9, int), as all of BTRFS_IOC_
	case unix.SYS_WRITE:
		return c.Args[0] > 2
	}
	return changing[c.Number]
}
