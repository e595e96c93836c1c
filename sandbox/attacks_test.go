package sandbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon/sandbox"
)

// field is what an attack knows of the world outside, as an attacker who had studied
// it would. It travels in one variable of the environment.
type field struct {
	Base   string // with shared/, other/, mine/, socket
	Mine   string // a directory that it may write
	UID    int    // of the worker
	Victim int    // a process of the worker's user
	TCP    string // where the host listens
	Shm    int    // a System V segment
	Fd     int    // a descriptor that the worker has open, not close-on-exec
}

func (f field) shared(name string) string { return filepath.Join(f.Base, "shared", name) }
func (f field) other(name string) string  { return filepath.Join(f.Base, "other", "workspace", name) }
func (f field) mine(name string) string   { return filepath.Join(f.Mine, name) }

const secret = "hunter2"

var errNothing = errors.New("nothing is there")

// attack returns nil if it succeeded, and what stopped it otherwise. against is the
// promise that it would break.
type attack struct {
	name    string
	against sandbox.Promise
	try     func(f field) error
	outside who // who must succeed with it outside of a sandbox, or else it shows nothing
}

type who int

const (
	anybody who = iota
	root
	nobody // it would harm this machine, or has no meaning outside
)

func read(path, want string) error {
	b, err := os.ReadFile(path)
	if err == nil && !bytes.Contains(b, []byte(want)) {
		return errNothing
	}
	return err
}

func call(nr uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	_, _, errno := unix.Syscall6(nr, a[0], a[1], a[2], a[3], a[4], a[5])
	if errno != 0 {
		return errno
	}
	return nil
}

func closing(fd int, err error) error {
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func open4(path string, flags int) error { return closing(unix.Open(path, flags, 0)) }

// status returns a field of /proc/self/status.
func status(name string) string {
	b, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// setID makes a file by make and reports whether it has a set-id bit.
func setID(path string, err error) error {
	if err != nil {
		return err
	}
	st, err := os.Stat(path)
	if err == nil && st.Mode()&(os.ModeSetuid|os.ModeSetgid) == 0 {
		return errNothing
	}
	return err
}

var attacks = []attack{
	// What is not its own.
	{"list the cache", sandbox.View, func(f field) error {
		names, err := os.ReadDir(f.Base)
		for _, n := range names {
			if n.Name() == "other" {
				return nil
			}
		}
		return errors.Join(err, errNothing)
	}, anybody},
	{"list another run", sandbox.View, func(f field) error { _, err := os.ReadDir(f.other("")); return err }, anybody},
	{"stat another run", sandbox.View, func(f field) error { _, err := os.Stat(f.other("secret")); return err }, anybody},
	{"read another run", sandbox.View, func(f field) error { return read(f.other("secret"), secret) }, anybody},
	{"read through a link out", sandbox.View, func(f field) error {
		if err := os.Symlink(f.other("secret"), f.mine("link")); err != nil {
			return err
		}
		return read(f.mine("link"), secret)
	}, anybody},
	{"climb out by ..", sandbox.View, func(f field) error {
		if err := os.Chdir(f.Mine); err != nil {
			return err
		}
		return read("../other/workspace/secret", secret)
	}, anybody},
	{"hard link another run's file", sandbox.View, func(f field) error { return os.Link(f.other("secret"), f.mine("hard")) }, anybody},
	{"write to another run", sandbox.View, func(f field) error { return os.WriteFile(f.other("secret"), nil, 0o644) }, anybody},
	{"make a file in the cache", sandbox.View, func(f field) error { // in a root of its own that directory is not the host's
		if err := os.WriteFile(filepath.Join(f.Base, "made"), nil, 0o644); err != nil {
			return err
		}
		return read(f.other("secret"), secret)
	}, anybody},
	{"connect to a socket", sandbox.View, func(f field) error {
		c, err := net.Dial("unix", filepath.Join(f.Base, "socket"))
		if err == nil {
			c.Close()
		}
		return err
	}, anybody},
	{"look through the init's root", sandbox.View, func(f field) error {
		return read(fmt.Sprintf("/proc/%d/root%s", os.Getppid(), f.other("secret")), secret)
	}, anybody},
	{"look through the init's directory", sandbox.View, func(f field) error {
		return read(fmt.Sprintf("/proc/%d/cwd/../../../../../../../..%s", os.Getppid(), f.other("secret")), secret)
	}, anybody},
	{"list the host's mounts", sandbox.View, func(f field) error { return read("/proc/self/mountinfo", " /sys ") }, anybody},
	{"look into /sys", sandbox.View, func(f field) error { _, err := os.ReadDir("/sys/kernel"); return err }, anybody},
	{"read /etc/shadow", sandbox.View, func(f field) error { return open4("/etc/shadow", unix.O_RDONLY) }, root},
	{"read the host's users", sandbox.View, func(f field) error { return read("/etc/passwd", "daemon") }, anybody},

	// What it may only read.
	{"write to a shared file", sandbox.ReadOnly, func(f field) error { return open4(f.shared("file"), unix.O_WRONLY) }, anybody},
	{"append to a shared file", sandbox.ReadOnly, func(f field) error { return open4(f.shared("file"), unix.O_WRONLY|unix.O_APPEND) }, anybody},
	{"truncate a shared file", sandbox.ReadOnly, func(f field) error { return os.Truncate(f.shared("file"), 0) }, anybody},
	{"open a shared file again for writing", sandbox.ReadOnly, func(f field) error {
		fd, err := unix.Open(f.shared("file"), unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return open4(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR)
	}, anybody},
	{"create in a shared tree", sandbox.ReadOnly, func(f field) error { return os.WriteFile(f.shared("new"), nil, 0o644) }, anybody},
	{"make a directory in a shared tree", sandbox.ReadOnly, func(f field) error { return os.Mkdir(f.shared("new"), 0o755) }, anybody},
	{"make a link in a shared tree", sandbox.ReadOnly, func(f field) error { return os.Symlink("x", f.shared("new")) }, anybody},
	{"make a fifo in a shared tree", sandbox.ReadOnly, func(f field) error { return unix.Mkfifo(f.shared("new"), 0o644) }, anybody},
	{"remove a shared file", sandbox.ReadOnly, func(f field) error { return os.Remove(f.shared("file")) }, anybody},
	{"remove a shared directory", sandbox.ReadOnly, func(f field) error { return os.Remove(f.shared("dir")) }, anybody},
	{"rename a shared file", sandbox.ReadOnly, func(f field) error { return os.Rename(f.shared("file"), f.shared("new")) }, anybody},
	{"hard link a shared file into its own", sandbox.ReadOnly, func(f field) error { return os.Link(f.shared("file"), f.mine("hard")) }, anybody},
	{"chmod a shared file", sandbox.ReadOnly, func(f field) error { return os.Chmod(f.shared("file"), 0o777) }, anybody},
	{"chmod a shared directory", sandbox.ReadOnly, func(f field) error { return os.Chmod(f.shared(""), 0o777) }, anybody},
	{"change a shared file's time", sandbox.ReadOnly, func(f field) error {
		return os.Chtimes(f.shared("file"), time.Unix(1, 0), time.Unix(1, 0))
	}, anybody},
	{"set a shared file's attribute", sandbox.ReadOnly, func(f field) error {
		return unix.Setxattr(f.shared("file"), "user.cordon", []byte("x"), 0)
	}, anybody},
	{"chattr a shared file", sandbox.ReadOnly, func(f field) error {
		fd, err := unix.Open(f.shared("file"), unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		var flags int
		if err := call(unix.SYS_IOCTL, uintptr(fd), unix.FS_IOC_GETFLAGS, uintptr(unsafe.Pointer(&flags))); err != nil {
			return err
		}
		flags |= 0x40 // FS_NODUMP_FL, which its owner may set
		return call(unix.SYS_IOCTL, uintptr(fd), unix.FS_IOC_SETFLAGS, uintptr(unsafe.Pointer(&flags)))
	}, anybody},
	{"chown a shared file", sandbox.ReadOnly, func(f field) error { return os.Lchown(f.shared("file"), f.UID, f.UID) }, anybody},
	{"map a shared file for writing", sandbox.ReadOnly, func(f field) error {
		fd, err := unix.Open(f.shared("file"), unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		_, err = unix.Mmap(fd, 0, 1, unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	}, anybody},
	{"keep others from opening a shared file", sandbox.ReadOnly, func(f field) error {
		fd, err := unix.Open(f.shared("file"), unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_WRLCK)
		return err
	}, anybody},
	{"remount a shared tree", sandbox.ReadOnly, func(f field) error {
		return unix.Mount("", f.shared(""), "", unix.MS_REMOUNT|unix.MS_BIND, "")
	}, nobody},
	{"make a file in /usr", sandbox.ReadOnly, func(f field) error { return os.WriteFile("/usr/cordon-attack", nil, 0o644) }, nobody},
	{"make a file in /etc", sandbox.ReadOnly, func(f field) error { return os.WriteFile("/etc/cordon-attack", nil, 0o644) }, nobody},
	{"chmod a device", sandbox.ReadOnly, func(f field) error { return os.Chmod("/dev/null", 0o600) }, nobody},

	// Other processes.
	{"find a process of the host", sandbox.Processes, func(f field) error {
		return read(fmt.Sprintf("/proc/%d/cmdline", f.Victim), "sleep")
	}, anybody},
	{"read another process's environment", sandbox.Processes, func(f field) error {
		return read(fmt.Sprintf("/proc/%d/environ", f.Victim), secret)
	}, anybody},
	{"signal another process", sandbox.Processes, func(f field) error { return unix.Kill(f.Victim, 0) }, anybody},
	{"trace another process", sandbox.Processes, func(f field) error {
		if err := unix.PtraceSeize(f.Victim); err != nil {
			return err
		}
		return nil
	}, anybody},
	{"change another process's limits", sandbox.Processes, func(f field) error {
		var l unix.Rlimit
		return unix.Prlimit(f.Victim, unix.RLIMIT_NOFILE, nil, &l)
	}, anybody},
	{"take a descriptor of another process", sandbox.Processes, func(f field) error {
		pidfd, err := unix.PidfdOpen(f.Victim, 0)
		if err != nil {
			return err
		}
		return closing(unix.PidfdGetfd(pidfd, 0, 0))
	}, anybody},
	{"look at the init's descriptors", sandbox.Processes, func(f field) error {
		_, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/3", os.Getppid()))
		return err
	}, anybody},
	{"open the init's memory", sandbox.Processes, func(f field) error {
		return open4(fmt.Sprintf("/proc/%d/mem", os.Getppid()), unix.O_RDONLY)
	}, anybody},
	{"trace the init", sandbox.Processes, func(f field) error { return unix.PtraceAttach(os.Getppid()) }, nobody},
	{"kill the init", sandbox.Processes, func(f field) error {
		parent := os.Getppid()
		for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGABRT, unix.SIGSEGV, unix.SIGSTOP, unix.SIGKILL} {
			_ = unix.Kill(parent, sig) // what it comes to is seen below
		}
		time.Sleep(50 * time.Millisecond)
		if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", parent)); bytes.Contains(b, []byte(") T ")) || os.Getppid() != parent {
			return nil
		}
		return errors.New("it lives")
	}, nobody},

	// Its user.
	{"be the worker's user", sandbox.OwnUser, func(f field) error {
		if os.Getuid() == f.UID {
			return nil
		}
		return fmt.Errorf("user %d", os.Getuid())
	}, anybody},

	// Privileges.
	{"have a capability to gain", sandbox.Privileges, func(f field) error {
		const none = "0000000000000000"
		if status("CapEff") == none && (status("CapBnd") == none || status("NoNewPrivs") == "1") {
			return errors.New("there is none")
		}
		return nil
	}, anybody},
	{"gain privileges by an exec", sandbox.Privileges, func(f field) error {
		if status("NoNewPrivs") == "1" {
			return errors.New("no_new_privs")
		}
		return nil
	}, anybody},
	{"become root", sandbox.Privileges, func(f field) error {
		if err := syscall.Setresuid(0, 0, 0); err != nil {
			return err
		}
		if status("CapEff") == "0000000000000000" {
			return errNothing
		}
		return nil
	}, root},
	{"become another user", sandbox.Privileges, func(f field) error { return syscall.Setresuid(12345, 12345, 12345) }, root},
	{"chmod a file set-id", sandbox.Privileges, func(f field) error {
		if err := os.WriteFile(f.mine("x"), nil, 0o755); err != nil {
			return err
		}
		return setID(f.mine("x"), unix.Chmod(f.mine("x"), 0o4755))
	}, anybody},
	{"fchmod a file set-id", sandbox.Privileges, func(f field) error {
		fd, err := unix.Open(f.mine("x"), unix.O_CREAT|unix.O_RDWR, 0o755)
		if err != nil {
			return err
		}
		return setID(f.mine("x"), unix.Fchmod(fd, 0o2755))
	}, anybody},
	{"fchmodat2 a file set-id", sandbox.Privileges, func(f field) error {
		if err := os.WriteFile(f.mine("x"), nil, 0o755); err != nil {
			return err
		}
		return setID(f.mine("x"), unix.Fchmodat(unix.AT_FDCWD, f.mine("x"), 0o4755, unix.AT_SYMLINK_NOFOLLOW))
	}, anybody},
	{"create a file set-id", sandbox.Privileges, func(f field) error {
		return setID(f.mine("x"), closing(unix.Open(f.mine("x"), unix.O_CREAT|unix.O_RDWR, 0o4755)))
	}, anybody},
	{"create a file set-id by openat2", sandbox.Privileges, func(f field) error {
		return setID(f.mine("x"), closing(unix.Openat2(unix.AT_FDCWD, f.mine("x"), &unix.OpenHow{Flags: unix.O_CREAT | unix.O_RDWR, Mode: 0o4755})))
	}, anybody},
	{"mknod a file set-id", sandbox.Privileges, func(f field) error {
		return setID(f.mine("x"), unix.Mknod(f.mine("x"), unix.S_IFREG|0o4755, 0))
	}, anybody},
	{"make an unnamed file set-id", sandbox.Privileges, func(f field) error {
		fd, err := unix.Open(f.Mine, unix.O_TMPFILE|unix.O_RDWR, 0o4755)
		if err != nil {
			return err
		}
		return setID(fmt.Sprintf("/proc/self/fd/%d", fd), nil)
	}, anybody},

	// The kernel.
	{"mount", sandbox.Kernel, func(f field) error { return unix.Mount("none", f.Mine, "tmpfs", 0, "") }, nobody},
	{"unmount", sandbox.Kernel, func(f field) error { return unix.Unmount("/proc", unix.MNT_DETACH) }, nobody},
	{"make a file system", sandbox.Kernel, func(f field) error { return closing(unix.Fsopen("tmpfs", 0)) }, root},
	{"copy a mount", sandbox.Kernel, func(f field) error {
		return closing(unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLONE))
	}, root},
	{"chroot", sandbox.Kernel, func(f field) error { return unix.Chroot(f.Mine) }, root},
	{"make a user namespace", sandbox.Kernel, func(f field) error { return spawn(unix.CLONE_NEWUSER) }, anybody},
	{"make a user namespace by clone3", sandbox.Kernel, func(f field) error { return clone3(unix.CLONE_NEWUSER) }, anybody},
	{"make a mount namespace", sandbox.Kernel, func(f field) error { return spawn(unix.CLONE_NEWNS) }, root},
	{"make a network namespace", sandbox.Kernel, func(f field) error { return unix.Unshare(unix.CLONE_NEWNET) }, root},
	{"make a cgroup namespace", sandbox.Kernel, func(f field) error { return unix.Unshare(unix.CLONE_NEWCGROUP) }, root},
	{"enter the init's namespace", sandbox.Kernel, func(f field) error {
		fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/net", os.Getppid()), unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return unix.Setns(fd, 0)
	}, root},
	{"make a device", sandbox.Kernel, func(f field) error {
		return unix.Mknod(f.mine("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3)))
	}, root},
	{"make a whiteout", sandbox.Kernel, func(f field) error { return unix.Mknod(f.mine("gone"), unix.S_IFCHR, 0) }, anybody},
	{"leave a whiteout by a rename", sandbox.Kernel, func(f field) error {
		if err := os.WriteFile(f.mine("old"), nil, 0o644); err != nil {
			return err
		}
		return unix.Renameat2(unix.AT_FDCWD, f.mine("old"), unix.AT_FDCWD, f.mine("new"), unix.RENAME_WHITEOUT)
	}, nobody},
	{"read the user's keys", sandbox.Kernel, func(f field) error {
		_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true)
		return err
	}, anybody},
	{"load a BPF program", sandbox.Kernel, func(f field) error {
		attr := [16]uint64{2, 0} // BPF_MAP_TYPE_ARRAY
		attr[0] = 2 | 4<<32
		attr[1] = 4 | 1<<32
		r, _, errno := unix.Syscall(unix.SYS_BPF, 0, uintptr(unsafe.Pointer(&attr)), 72)
		if errno != 0 {
			return errno
		}
		return closing(int(r), nil)
	}, nobody},
	{"count events of the processor", sandbox.Kernel, func(f field) error {
		attr := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: unix.PERF_COUNT_SW_CPU_CLOCK}
		return closing(unix.PerfEventOpen(&attr, 0, -1, -1, 0))
	}, nobody},
	{"handle page faults", sandbox.Kernel, func(f field) error {
		return call(unix.SYS_USERFAULTFD, 1) // UFFD_USER_MODE_ONLY
	}, nobody},
	{"set up a ring", sandbox.Kernel, func(f field) error {
		var params [120]byte
		return call(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)))
	}, nobody},
	{"read the kernel's log", sandbox.Kernel, func(f field) error { return call(unix.SYS_SYSLOG, 10) }, nobody},
	{"set the host's name", sandbox.Kernel, func(f field) error { return unix.Sethostname([]byte("mine")) }, nobody},
	{"open a file by its handle", sandbox.Kernel, func(f field) error {
		h, mount, err := unix.NameToHandleAt(unix.AT_FDCWD, f.Mine, 0)
		_ = mount
		if err != nil {
			return err
		}
		fd, err := unix.Open(f.Mine, unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return closing(unix.OpenByHandleAt(fd, h, unix.O_RDONLY))
	}, root},
	{"set where cores go", sandbox.Kernel, func(f field) error { return open4("/proc/sys/kernel/core_pattern", unix.O_WRONLY) }, root},
	{"open sysrq", sandbox.Kernel, func(f field) error {
		if b, err := os.ReadFile("/proc/sysrq-trigger"); err == nil && len(b) == 0 {
			return errNothing // /dev/null
		}
		return open4("/proc/sysrq-trigger", unix.O_WRONLY)
	}, nobody},
	{"read the kernel's addresses", sandbox.View, func(f field) error { return read("/proc/kallsyms", " T ") }, anybody},
	{"read the machine's map of memory", sandbox.View, func(f field) error { return read("/proc/iomem", "System RAM") }, root},
	{"open a socket of virtual machines", sandbox.Kernel, func(f field) error {
		return closing(unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0))
	}, nobody},
	{"open a socket of the kernel's ciphers", sandbox.Kernel, func(f field) error {
		return closing(unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0))
	}, nobody},
	{"dump core", sandbox.Kernel, func(f field) error {
		var l unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &l); err != nil || l.Max == 0 {
			return errors.Join(err, errors.New("cores are of no size"))
		}
		return nil
	}, anybody},

	// The network.
	{"connect to the loopback", sandbox.Network, func(f field) error {
		c, err := net.DialTimeout("tcp", f.TCP, time.Second)
		if err == nil {
			c.Close()
		}
		return err
	}, anybody},
	{"send a datagram to the loopback", sandbox.Network, func(f field) error {
		c, err := net.Dial("udp", f.TCP)
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("x"))
		return err
	}, anybody},
	{"find an interface that is up", sandbox.Network, func(f field) error {
		all, err := net.Interfaces()
		for _, i := range all {
			if i.Flags&net.FlagUp != 0 {
				return nil
			}
		}
		return errors.Join(err, errNothing)
	}, anybody},
	{"bring an interface up", sandbox.Network, func(f field) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		r, err := unix.NewIfreq("lo")
		if err != nil {
			return err
		}
		r.SetUint16(unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
	}, root},

	// Memory and messages.
	{"connect to an abstract socket", sandbox.IPC, func(f field) error {
		c, err := net.Dial("unix", "@"+f.Base)
		if err == nil {
			c.Close()
		}
		return err
	}, anybody},
	{"attach shared memory", sandbox.IPC, func(f field) error {
		_, err := unix.SysvShmAttach(f.Shm, 0, unix.SHM_RDONLY)
		return err
	}, anybody},
	{"find shared memory by name", sandbox.IPC, func(f field) error {
		return read("/dev/shm/cordon-"+filepath.Base(f.Base), secret)
	}, anybody},

	// What it inherits.
	{"read a secret from the environment", sandbox.Clean, func(f field) error {
		for _, v := range os.Environ() {
			if strings.Contains(v, secret) {
				return nil
			}
		}
		return errNothing
	}, anybody},
	{"read a secret from its parent's environment", sandbox.Clean, func(f field) error {
		return read(fmt.Sprintf("/proc/%d/environ", os.Getppid()), secret)
	}, nobody},
	{"use a descriptor that is open outside", sandbox.Clean, func(f field) error {
		b := make([]byte, 64)
		n, err := syscall.Pread(f.Fd, b, 0)
		if err == nil && !bytes.Contains(b[:n], []byte(secret)) {
			return errNothing
		}
		return err
	}, anybody},
	{"have any other descriptor", sandbox.Clean, func(f field) error {
		names, err := os.ReadDir("/proc/self/fd")
		for _, n := range names {
			target, gone := os.Readlink("/proc/self/fd/" + n.Name())
			fd, _ := strconv.Atoi(n.Name())
			if fd > 2 && gone == nil && !strings.HasPrefix(target, "anon_inode:") {
				fmt.Println(fd, target)
				return nil
			}
		}
		return errors.Join(err, errNothing)
	}, nobody},
	{"use the worker's terminal", sandbox.Clean, func(f field) error { return open4("/dev/tty", unix.O_RDWR) }, nobody},
}

// spawn makes a child with the flags of clone, by the old call.
func spawn(flags uintptr) error {
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{Sys: &syscall.SysProcAttr{Cloneflags: flags}})
	if err != nil {
		return err
	}
	_, err = p.Wait()
	return err
}

// clone3 makes a child by the new call, whose flags a filter cannot see. The child
// ends at once.
func clone3(flags uint64) error {
	args := [11]uint64{0: flags, 4: uint64(unix.SIGCHLD)}
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), 88, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}
