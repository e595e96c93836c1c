package box

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

// oldForbidden are forbidden system calls that newer machines never had.
var oldForbidden = []uintptr{unix.SYS_IOPL, unix.SYS_IOPERM, unix.SYS_USTAT, unix.SYS_SYSFS, unix.SYS__SYSCTL, unix.SYS_NFSSERVCTL}

var oldModes = []mode{
	{unix.SYS_CHMOD, 1, -1, setID}, {unix.SYS_MKDIR, 1, -1, setID}, {unix.SYS_MKNOD, 1, -1, setID | device},
	{unix.SYS_CREAT, 1, -1, setID}, {unix.SYS_OPEN, 2, 1, setID},
}
