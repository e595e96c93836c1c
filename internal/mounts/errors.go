package mounts

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/cordonlabs/cordon"
)

// FixNoRight is what to do about a kernel that does not let this process mount.
const FixNoRight = "give the process CAP_SYS_ADMIN (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined), or start it in a user and mount namespace of its own (unshare -Urm)"

// mountError gives an error of the operating system its kind and says what to
// do. A nil error stays nil.
func mountError(op, shown string, err error) error {
	if err == nil {
		return nil
	}
	e := &cordon.Error{Op: op, Name: fmt.Sprintf("%q", shown), Err: err}
	switch {
	case errors.Is(err, unix.EBUSY):
		e.Kind, e.Err = cordon.Busy, fmt.Errorf("%w: %w", ErrBusy, err)
		e.Fix = "end the processes that use it (fuser -vm shows them), or unmount what is mounted below it"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Fix = cordon.PermissionDenied, FixNoRight
	case errors.Is(err, unix.ENOSYS):
		e.Fix = "use Linux 5.12 or newer, and a seccomp profile that knows its system calls"
	case errors.Is(err, unix.ENOSPC):
		e.Kind, e.Fix = cordon.NoSpace, "raise the sysctl fs.mount-max, or unmount what is not needed"
	}
	return e
}

// procError says what a missing /proc means.
func procError(op string, err error) error {
	return &cordon.Error{Op: op, Err: err, Fix: "mount /proc"}
}
