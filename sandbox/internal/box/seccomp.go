package box

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The filter is a deny list: fuzzers and sanitizers use ptrace, personality and
// whatever else a debugger does. What it refuses is what only an administrator
// would do, what kernels were broken through, and what namespaces do not cover.

// forbidden system calls fail with EPERM.
var forbidden = []uintptr{
	// Mounts and roots.
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN,
	unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_OPEN_TREE_ATTR,
	// Other namespaces; unshare and clone are looked at below.
	unix.SYS_SETNS,
	// Keys are their owner's in every namespace.
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	// The kernel and the machine.
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_VHANGUP, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_FANOTIFY_INIT,
	// Files by number, past their directories.
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
}

// unknown system calls fail with ENOSYS, upon which libraries do it another way:
// their arguments lie in memory, where a filter cannot look, or in a ring.
var unknown = []uintptr{
	unix.SYS_CLONE3, unix.SYS_OPENAT2, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
}

// lastKnown is the newest system call that was looked at when this was written.
// Kernels go on numbering; what they add is unknown.
const lastKnown = unix.SYS_FILE_SETATTR

const (
	setID = unix.S_ISUID | unix.S_ISGID

	// device is set in the modes of character and block devices, and of nothing else
	// that mknod makes.
	device = unix.S_IFCHR

	namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS |
		unix.CLONE_NEWCGROUP | unix.CLONE_NEWTIME

	creates = unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY

	setDelegation = 1024 + 16 // F_SETDELEG, a lease of Linux 6.19
)

// families of sockets that the network namespace confines. All others, of virtual
// machines and radios and the kernel's own ciphers, are not there.
var families = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// modes says in which arguments system calls take a mode. What the tool makes is
// the cache owner's on disk: a file that it could give a set-id bit would be a
// program that runs as the cache's owner for anybody outside.
type mode struct {
	call  uintptr
	mode  int
	flags int // of an open, which has a mode only where it creates; -1: it always has one
	bits  uint32
}

var modes = append([]mode{
	{unix.SYS_FCHMOD, 1, -1, setID}, {unix.SYS_FCHMODAT, 2, -1, setID}, {unix.SYS_FCHMODAT2, 2, -1, setID},
	{unix.SYS_MKDIRAT, 2, -1, setID}, {unix.SYS_MKNODAT, 2, -1, setID | device}, {unix.SYS_OPENAT, 3, 2, setID},
}, oldModes...)

// The layout of struct seccomp_data.
const (
	dataCall = 0
	dataArch = 4
	dataArgs = 16
)

// low is the offset of the low half of an argument, on the little-endian machines
// that this is built for.
func low(arg int) uint32 { return uint32(dataArgs + 8*arg) }

// program is a seccomp filter in the making.
type program []unix.SockFilter

func (p *program) add(code uint16, jt, jf uint8, k uint32) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

func (p *program) load(offset uint32) { p.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset) }
func (p *program) ret(verdict uint32) { p.add(unix.BPF_RET|unix.BPF_K, 0, 0, verdict) }

func refuse(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }

const (
	jumpEqual = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jumpAbove = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	jumpBits  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
)

// call appends what is to be done for one system call, which ends in a verdict. The
// number is loaded before and after it.
func (p *program) call(nr uintptr, body func(*program)) {
	var inner program
	body(&inner)
	p.add(jumpEqual, 0, uint8(len(inner)), uint32(nr))
	*p = append(*p, inner...)
}

func (p *program) always(nr uintptr, verdict uint32) {
	p.call(nr, func(p *program) { p.ret(verdict) })
}

// bits refuses a system call that has any of the bits in an argument.
func (p *program) bits(arg int, bits uint32) {
	p.load(low(arg))
	p.add(jumpBits, 0, 1, bits)
	p.ret(refuse(unix.EPERM))
	p.ret(unix.SECCOMP_RET_ALLOW)
}

// values refuses a system call that has one of the values in an argument.
func (p *program) values(arg int, values ...uint32) {
	p.load(low(arg))
	for _, v := range values {
		p.add(jumpEqual, 0, 1, v)
		p.ret(refuse(unix.EPERM))
	}
	p.ret(unix.SECCOMP_RET_ALLOW)
}

func build() program {
	var p program
	// Another architecture's calls have other numbers.
	p.load(dataArch)
	p.add(jumpEqual, 1, 0, auditArch)
	p.ret(refuse(unix.ENOSYS))
	p.load(dataCall)
	p.add(jumpAbove, 0, 1, uint32(lastKnown)) // x32's are above too
	p.ret(refuse(unix.ENOSYS))
	for _, nr := range unknown {
		p.always(nr, refuse(unix.ENOSYS))
	}
	for _, nr := range append(forbidden[:len(forbidden):len(forbidden)], oldForbidden...) {
		p.always(nr, refuse(unix.EPERM))
	}
	p.call(unix.SYS_CLONE, func(p *program) { p.bits(0, namespaces&^unix.CLONE_NEWTIME) }) // NEWTIME's bit is a part of clone's signal
	p.call(unix.SYS_UNSHARE, func(p *program) { p.bits(0, namespaces) })
	for _, m := range modes {
		p.call(m.call, func(p *program) {
			if m.flags >= 0 {
				p.load(low(m.flags))
				p.add(jumpBits, 1, 0, creates)
				p.ret(unix.SECCOMP_RET_ALLOW)
			}
			p.bits(m.mode, m.bits)
		})
	}
	p.call(unix.SYS_SOCKET, func(p *program) { p.families() })
	p.call(unix.SYS_SOCKETPAIR, func(p *program) { p.families() })
	// Typing into a terminal that the worker was started from.
	p.call(unix.SYS_IOCTL, func(p *program) { p.values(1, unix.TIOCSTI, unix.TIOCLINUX) })
	// Where a mount shows files as the tool's own, it could lease shared ones: whoever
	// opens them then, another run or the cache, would wait for 45 seconds.
	p.call(unix.SYS_FCNTL, func(p *program) { p.values(1, unix.F_SETLEASE, setDelegation) })
	p.call(unix.SYS_RENAMEAT2, func(p *program) { p.bits(4, unix.RENAME_WHITEOUT) }) // which makes a device, and needs no right to
	p.ret(unix.SECCOMP_RET_ALLOW)
	return p
}

func (p *program) families() {
	p.load(low(0))
	for _, f := range families {
		p.add(jumpEqual, 0, 1, f)
		p.ret(unix.SECCOMP_RET_ALLOW)
	}
	p.ret(refuse(unix.EAFNOSUPPORT))
}

// HasSeccomp reports whether the kernel takes filters: it looks for the one that is
// not there, or does not know what is asked.
func HasSeccomp() bool {
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0) == unix.EFAULT
}

// filter installs the filter in this thread, for it and its children.
func filter() error {
	p := build()
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0)
}
