package box

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

// oldForbidden are forbidden system calls that newer machines never had.
var oldForbidden = []uintptr{unix.SYS_NFSSERVCTL}

var oldModes []mode
