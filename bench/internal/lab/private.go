package lab

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// inPrivate marks the second start of the program, the one in a namespace of its own.
const inPrivate = "CORDON_BENCH_PRIVATE=1"

func init() {
	// Only the thread that enters the namespace may start the program again.
	runtime.LockOSThread()
}

// EnterPrivate starts the program again in a mount namespace of its own. What is
// mounted there goes with the last process in it, so that nothing stays mounted
// even if this one is killed. It returns in the second start; otherwise with an
// error and the exit code for it.
func EnterPrivate() (code int, err error) {
	if _, again := os.LookupEnv("CORDON_BENCH_PRIVATE"); again || os.Geteuid() != 0 {
		runtime.UnlockOSThread() // as run finds out, not root is an error of its own
		return ExitOK, nil
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return ExitUsage, fmt.Errorf("no mount namespace to be had (%w): run it where the kernel lets root mount", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return ExitUsage, fmt.Errorf("cannot make mounts private: %w", err)
	}
	return ExitBroke, unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), inPrivate))
}
