package drivertest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

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

// syscallInfo is struct ptrace_syscall_info of ptrace(2), as far as it concerns
// the entry of a call.
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	ip   uint64
	sp   uint64
	nr   uint64
	args [6]uint64
}

const (
	ptraceGetSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO, Linux 5.3
	syscallEntry         = 1      // PTRACE_SYSCALL_INFO_ENTRY
	syscallStop          = unix.SIGTRAP | 0x80
)

// killAt tells a child that is ready to go on, and kills it when any of its
// threads enters its n-th changing system call. It returns false if the child
// answered before: then calls is how many there were.
//
// The kernel counts the calls, not a timer: n decides exactly how far the child gets.
func (c *child) killAt(n int) (killed bool, calls int) {
	c.s.Helper()
	type verdict struct {
		killed bool
		calls  int
		err    error
	}
	done := make(chan verdict)
	go func() {
		runtime.LockOSThread() // a tracer is a thread; it ends with the goroutine
		var v verdict
		v.killed, v.calls, v.err = c.trace(n)
		done <- v
	}()
	v := <-done
	if errors.Is(v.err, unix.EPERM) || errors.Is(v.err, unix.ENOSYS) || errors.Is(v.err, unix.EIO) {
		c.s.Skipf("this host does not let a process trace its child: %v", v.err)
	}
	c.s.must(v.err)
	return v.killed, v.calls
}

func (c *child) trace(n int) (bool, int, error) {
	if err := seize(c.pid); err != nil {
		return false, 0, err
	}
	if _, err := c.stdin.WriteString("go\n"); err != nil {
		return false, 0, err
	}
	if err := c.stdin.Close(); err != nil {
		return false, 0, err
	}
	calls, killed := 0, false
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-c.pid, &ws, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			c.ended = true
			return killed, calls, nil
		case err != nil:
			return false, 0, err
		case ws.Exited() && tid == c.pid && ws.ExitStatus() != 0:
			return false, 0, fmt.Errorf("the second process failed, which stderr says more about: status %d", ws.ExitStatus())
		case !ws.Stopped():
			continue // a thread ended; after the last one there is no child
		}
		signal := 0
		switch {
		case ws.StopSignal() == syscallStop:
			var info syscallInfo
			if err := ptrace(ptraceGetSyscallInfo, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info))); err != nil {
				if errors.Is(err, unix.ESRCH) {
					continue // it was killed meanwhile
				}
				return false, 0, err
			}
			if info.op == syscallEntry && info.changes() {
				if calls++; calls == n {
					killed = true
					if err := unix.Kill(c.pid, unix.SIGKILL); err != nil {
						return false, 0, err
					}
				}
			}
		case ws>>16 == 0: // a signal of its own, as the Go scheduler sends them
			signal = int(ws.StopSignal())
		}
		if err := ptrace(unix.PTRACE_SYSCALL, tid, 0, uintptr(signal)); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, 0, err
		}
	}
}

// changes leaves out what only looks: opening without creating, questions to
// terminals, and the answer to the test.
func (i syscallInfo) changes() bool {
	switch i.nr {
	case unix.SYS_OPENAT:
		return i.args[2]&(unix.O_CREAT|unix.O_TRUNC) != 0
	case unix.SYS_IOCTL:
		return i.args[1]>>8&0xff == 0x94 // clones and btrfs: FICLONE is _IOW(0x94, 9, int), as all of BTRFS_IOC_
	case unix.SYS_WRITE:
		return i.args[0] > 2
	}
	return changing[i.nr]
}

// seize makes the calling thread the tracer of all threads of pid, new ones
// included, and lets them go on to their next system call.
func seize(pid int) error {
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	seized := map[int]bool{}
	for found := true; found; {
		found = false
		tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*")
		if err != nil {
			return err
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(filepath.Base(task))
			if err != nil || seized[tid] {
				continue
			}
			seized[tid], found = true, true
			err = ptrace(unix.PTRACE_SEIZE, tid, 0, options)
			if err == nil {
				err = ptrace(unix.PTRACE_INTERRUPT, tid, 0, 0)
			}
			// A thread that one of those seized has started is traced already.
			if err != nil && !(errors.Is(err, unix.EPERM) && len(seized) > 1) && !errors.Is(err, unix.ESRCH) {
				return os.NewSyscallError("ptrace", err)
			}
		}
	}
	return nil
}

func ptrace(request, tid int, addr, data uintptr) error {
	if _, _, no := unix.Syscall6(unix.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0); no != 0 {
		return no
	}
	return nil
}
