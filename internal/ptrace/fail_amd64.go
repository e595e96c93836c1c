package ptrace

import "golang.org/x/sys/unix"

const canFail = true

// takeAway lets a thread that enters a call go through it without making it: the
// kernel knows no call of that number.
func takeAway(tid int) error {
	return change(tid, func(r *unix.PtraceRegs) { r.Orig_rax = ^uint64(0) })
}

// setResult makes the call that a thread leaves have failed with no.
func setResult(tid int, no unix.Errno) error {
	return change(tid, func(r *unix.PtraceRegs) { r.Rax = -uint64(no) })
}

func change(tid int, do func(*unix.PtraceRegs)) error {
	var r unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &r); err != nil {
		return err
	}
	do(&r)
	return unix.PtraceSetRegs(tid, &r)
}
