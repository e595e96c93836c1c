// Package ptrace lets tests strike a child process at one exact system call: it
// is killed there, or the call fails.
//
// The kernel counts the calls, over all threads of the child together: the number
// of the call decides how far the child gets, and no timer does. (strace counts
// for each thread by itself.)
package ptrace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Call is a system call that a thread is about to make.
type Call struct {
	Thread int
	Number uint64
	Args   [6]uint64
}

// File returns the path of the open file that the call's argument i is a
// descriptor of, or "".
func (c Call) File(i int) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", c.Thread, int32(c.Args[i])))
	return path
}

// number returns the first number of what the call's argument i points to.
func (c Call) number(i int) (n uint64, known bool) {
	here := unix.Iovec{Base: (*byte)(unsafe.Pointer(&n))}
	here.SetLen(8)
	there := []unix.RemoteIovec{{Base: uintptr(c.Args[i]), Len: 8}}
	read, err := unix.ProcessVMReadv(c.Thread, []unix.Iovec{here}, there, 0)
	return n, err == nil && read == 8
}

// Strike says which call of a child is struck, and how.
type Strike struct {
	Counts func(Call) bool // which calls count; nil: those that Changes reports
	At     int             // the number of the call that is struck, from 1 on; 0: none, they are only counted

	// Errno is what the call fails with instead of being made. 0 kills the process
	// before it makes the call.
	Errno unix.Errno
}

// Verdict says what became of a child.
type Verdict struct {
	Calls  int  // how many counted
	Struck bool // there were enough for Strike.At
	Ended  bool // it was waited for: no such child exists any more
	Status unix.WaitStatus
}

// ErrForbidden is in the chain of the error where a process may not trace its
// child, or where a call cannot be made to fail on this architecture.
var ErrForbidden = errors.New("this host does not let a process trace its child")

// Run traces all threads of the child pid, which is the leader of a process group
// of its own and waits for what begin does, until it has ended. When ctx is done
// the child is killed.
func Run(ctx context.Context, pid int, begin func() error, s Strike) (Verdict, error) {
	if s.Counts == nil {
		s.Counts = Changes
	}
	if s.Errno != 0 && !canFail {
		return Verdict{}, ErrForbidden
	}
	t := &tracer{pid: pid, strike: s, failing: map[int]bool{}}
	var over atomic.Bool
	defer context.AfterFunc(ctx, func() {
		if !over.Load() {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended by itself
		}
	})()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // a tracer is a thread; it ends with the goroutine
		err := t.run(begin)
		over.Store(true)
		done <- err
	}()
	err := <-done
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EIO) {
		err = fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	return t.verdict, err
}

type tracer struct {
	pid     int
	strike  Strike
	failing map[int]bool // threads in a call that was taken from them
	verdict Verdict
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
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO, Linux 5.3
	syscallEntry   = 1      // PTRACE_SYSCALL_INFO_ENTRY
	syscallStop    = unix.SIGTRAP | 0x80
)

func (t *tracer) run(begin func() error) error {
	if err := seize(t.pid); err != nil {
		return err
	}
	if err := begin(); err != nil {
		return err
	}
	for {
		var ws unix.WaitStatus
		tid, err := unix.Wait4(-t.pid, &ws, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			t.verdict.Ended = true
			return nil
		case err != nil:
			return err
		case !ws.Stopped():
			if tid == t.pid {
				t.verdict.Status = ws
			}
			continue // a thread ended; after the last one there is no child
		}
		signal := 0
		switch {
		case ws.StopSignal() == syscallStop:
			err = t.syscall(tid)
		case ws>>16 == 0: // a signal of its own, as the Go scheduler sends them
			signal = int(ws.StopSignal())
		}
		if err == nil {
			err = request(unix.PTRACE_SYSCALL, tid, 0, uintptr(signal))
		}
		if err != nil && !errors.Is(err, unix.ESRCH) { // it was killed meanwhile
			return err
		}
	}
}

// syscall looks at a thread that enters or leaves a call.
func (t *tracer) syscall(tid int) error {
	var info syscallInfo
	if err := request(getSyscallInfo, tid, unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info))); err != nil {
		return err
	}
	if info.op != syscallEntry {
		if !t.failing[tid] {
			return nil
		}
		delete(t.failing, tid)
		return setResult(tid, t.strike.Errno)
	}
	if !t.strike.Counts(Call{tid, info.nr, info.args}) {
		return nil
	}
	t.verdict.Calls++
	if t.verdict.Calls != t.strike.At {
		return nil
	}
	t.verdict.Struck = true
	if t.strike.Errno == 0 {
		return unix.Kill(t.pid, unix.SIGKILL)
	}
	t.failing[tid] = true
	return takeAway(tid)
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
			err = request(unix.PTRACE_SEIZE, tid, 0, options)
			if err == nil {
				err = request(unix.PTRACE_INTERRUPT, tid, 0, 0)
			}
			// A thread that one of those seized has started is traced already.
			if err != nil && !(errors.Is(err, unix.EPERM) && len(seized) > 1) && !errors.Is(err, unix.ESRCH) {
				return os.NewSyscallError("ptrace", err)
			}
		}
	}
	return nil
}

func request(what, tid int, addr, data uintptr) error {
	if _, _, no := unix.Syscall6(unix.SYS_PTRACE, uintptr(what), uintptr(tid), addr, data, 0, 0); no != 0 {
		return no
	}
	return nil
}
